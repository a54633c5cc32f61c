"""Hostile objects: a bad one never stops the next, and says what of it could not be read."""

import gzip
import subprocess
import sys

import pytest
import zstandard

from pipelines import raw  # noqa: TID251 - the folder of these tests


def good(number: int) -> dict:
    return raw.event(key=("good", number), response_id=f"msg_{number:030d}", input_tokens=number)


def crc_broken(data: bytes) -> bytes:
    return data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]


BODY = raw.text([raw.line(raw.event(key=("in the bad one",), response_id="msg_" + "b" * 30))])
PACK = gzip.compress(BODY)
OBJECTS = {  # name, bytes, rows that load of it, reason of what does not
    "a-empty.jsonl.gz": (b"", 0, None),
    "b-header-only.jsonl.gz": (gzip.compress(BODY.split(b"\n")[0] + b"\n"), 0, None),
    "c-header-types.jsonl": (BODY.replace(b'"seq": 1', b'"seq": "1"', 1), 1, "bad_header"),
    "d-header-huge.jsonl": (BODY.replace(b'"count": 1', b'"count": 99999999999999999999', 1), 1, "bad_header"),
    "e-crc.jsonl.gz": (crc_broken(PACK), 0, "corrupt_compression"),
    "f-cut.jsonl.gz": (PACK[: len(PACK) // 2], 0, "cut_compression"),
    "g-garbage.jsonl.gz": (PACK + b"garbage", 1, "trailing_garbage"),
    "h-double.jsonl.gz": (gzip.compress(PACK), 0, "*"),
    "i-zstd.jsonl.zst": (zstandard.compress(BODY), 1, None),
    "j-zstd-as-gzip.jsonl.gz": (zstandard.compress(BODY), 0, "corrupt_compression"),
    "k-bomb.jsonl.gz": (gzip.compress(bytes(2**26)), 0, "*"),
    "l-utf16.jsonl": (BODY.decode().encode("utf-16"), 0, "*"),
    "m-bom.jsonl": (b"\xef\xbb\xbf" + BODY, 1, "invalid_json"),
    "n-long-line.jsonl": (BODY + b"x" * 2**21 + b"\n", 1, "line_too_long"),
    "o-deep.jsonl": (b"[" * 10**5 + b"\n" + BODY, 1, "*"),
    "p-keys.jsonl": (b"{" + b",".join(b'"k%d":0' % n for n in range(100_000)) + b"}\n", 0, "line_too_long"),
    "q-html.jsonl.gz": (b"<html>captive portal</html>", 0, "corrupt_compression"),
    "r-null.jsonl": (b"null\n" * 3, 0, "not_an_object"),
    "s-versions.jsonl": (b'{"schema_version":99999999999999999999,"kind":"x"}\n', 0, "out_of_range"),
}


@pytest.fixture(scope="module")
def bad_objects(tmp_path_factory):
    """Bad objects, each followed by a good one, in one run."""
    root = tmp_path_factory.mktemp("objects")
    keys = {}
    for number, (name, (data, _, _)) in enumerate(OBJECTS.items()):
        own = data.replace(b"b" * 30, f"b{number:029d}".encode()) if name.endswith(".jsonl") else data
        keys[name] = raw.put(root / "bucket", own, name=name)
        raw.put(
            root / "bucket",
            gzip.compress(raw.text([raw.line(good(number))])),
            name=f"{name.split('.')[0]}.then-good.jsonl.gz",
        )
    return keys, raw.published(root / "bucket", root / "data")


@pytest.mark.fault("L8")
def test_a_bad_object_never_stops_the_next(bad_objects):
    _keys, data = bad_objects
    found = raw.rows(
        data, "SELECT input_tokens FROM fct_requests WHERE request_id LIKE 'msg_0%' AND input_tokens < 99 ORDER BY 1"
    )
    assert [tokens for (tokens,) in found] == list(range(len(OBJECTS)))
    assert raw.rows(data, "SELECT count(*) FROM load_ledger") == [(2 * len(OBJECTS),)]


@pytest.mark.fault("L8")
@pytest.mark.parametrize("name", OBJECTS)
def test_what_could_not_be_read_of_an_object_is_stated(bad_objects, name):
    keys, data = bad_objects
    _, rows, reason = OBJECTS[name]
    ledger = raw.rows(
        data,
        f"SELECT rows_loaded + rows_duplicate, rows_quarantined FROM load_ledger WHERE object_key = '{keys[name]}'",
    )
    reasons = {
        why for (why,) in raw.rows(data, f"SELECT reason FROM load_quarantine WHERE object_key = '{keys[name]}'")
    }
    assert ledger[0][0] == rows
    if reason == "*":
        assert reasons
        assert ledger[0][1] >= 1
    else:
        assert reasons == ({reason} if reason else set())


@pytest.mark.fault("L8")
def test_every_announced_event_of_an_object_with_a_header_is_accounted_for(bad_objects):
    _, data = bad_objects
    rows = raw.rows(
        data, "SELECT object_key, spooled, rows_loaded + rows_duplicate + rows_quarantined + rows_parked FROM load_ledger "
        "WHERE spooled IS NOT NULL AND object_key NOT LIKE '%long-line%' AND object_key NOT LIKE '%header-only%'"
    )  # fmt: skip
    assert len(rows) > len(OBJECTS)
    assert [row for row in rows if row[1] != row[2]] == []


@pytest.mark.fault("L6")
def test_small_objects_of_very_many_lines_do_not_pile_up(tmp_path):
    bomb = gzip.compress(b"[]\n" * 340_000)
    for number in range(4):
        raw.put(tmp_path / "bucket", bomb, name=f"{number:04d}.jsonl.gz")
    raw.segment(tmp_path / "bucket", [good(1)])
    program = (
        "import re, sys; from pathlib import Path; from meterhouse.paths import DataDir\n"
        "from meterhouse.catalog import Catalog; from meterhouse.load import load; from meterhouse.storage import Storage\n"
        "from meterhouse import load as loading, segments\n"
        "with Catalog(DataDir(Path(sys.argv[2]))) as catalog: print(load(Storage(sys.argv[1]), catalog).rows)\n"
        # not ru_maxrss, which begins with what the parent had when it started this process
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)"
    )
    assert len(bomb) * 200 < 2**20, "each is below the size from which the ratio counts"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "bucket"), str(tmp_path / "data")],
                          capture_output=True, text=True, check=True)  # fmt: skip
    rows, megabytes = map(int, done.stdout.split())
    assert rows == 1
    assert megabytes < 800  # one such object takes 500, one more is read ahead; three in a batch took a gigabyte
    print(f"{megabytes} MB")
