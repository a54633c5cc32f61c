"""L5, L6: generated hostile lines among good ones, and bombs: what is good loads, what is not is in quarantine, byte for byte."""

import gzip
import hashlib
import itertools
import json
import resource

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from faults import house, kills
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - tests/pipelines

LINES = 100_000 if house.ROUNDS > 50 else 5_000
EVERY = 4  # a good line after as many hostile ones
OBJECTS = 5
FEW = 20
MEGABYTES = 1024


def values() -> st.SearchStrategy:
    """Any JSON document, and what only looks like one: lone surrogates, NaN, huge numbers, texts of all planes."""
    scalars = (st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
               | st.sampled_from([2**63, -(2**63) - 1, 2**64, 10**400, 1.5, -0.0, "\ud800", "\x00", "\u202e", "12", ""]))  # fmt: skip
    return st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
                        max_leaves=6)  # fmt: skip


def hostile_lines() -> st.SearchStrategy:
    """A line without LF that no contract allows: other documents, an event with one impossible value, bytes, a cut or spoilt event."""
    event = raw.line(raw.event(key=("hostile",)))
    impossible = st.sampled_from(["input_tokens", "occurred_at", "source", "session_started_at", "schema_version"])
    wrong = st.sampled_from([-1, 2**63, 1.5, True, [], {}, "2026-02-30T00:00:00 ", "", "\x00"])
    spoilt = st.builds(lambda name, value: raw.event(key=("hostile",)) | {name: value}, impossible, wrong)
    cut = st.integers(1, len(event) - 1).map(lambda end: event[:end])
    flipped = st.integers(0, len(event) - 1).map(lambda at: event[:at] + b"\xff" + event[at + 1 :])
    documents = (values() | spoilt).map(
        lambda one: json.dumps(one, ensure_ascii=False).encode("utf-8", "surrogatepass")
    )
    return (documents | st.binary(max_size=40) | cut | flipped).map(lambda line: line.replace(b"\n", b" ")).filter(
        lambda line: bool(line.strip()) and not line.startswith(b'{"meterhouse_segment":')
    )  # fmt: skip


def drawn(count: int) -> list[bytes]:
    """So many lines of the strategy, the same in every run; more than a few at once are more than hypothesis draws."""
    lines: list[bytes] = []

    @settings(max_examples=count // FEW + 1, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(st.lists(hostile_lines(), min_size=FEW, max_size=FEW))
    def draw(some: list[bytes]) -> None:
        lines.extend(some)

    draw()
    assert len(lines) >= count
    return lines[:count]


def good(number: int) -> bytes:
    return raw.line(raw.event(key=("good", number), input_tokens=number))


@pytest.mark.fault("L5")
def test_of_generated_hostile_lines_every_good_neighbour_loads_and_each_bad_one_has_its_place(tmp_path, scored):
    bodies, number = {}, itertools.count()
    hostile = drawn(LINES)
    for part in range(OBJECTS):
        lines = []
        for place, line in enumerate(hostile[part::OBJECTS]):
            lines += [line, good(next(number))] if place % EVERY == 0 else [line]
        body = raw.text(lines, seq=part + 1)
        bodies[raw.put(tmp_path / "bucket", gzip.compress(body, 1), seq=part + 1)] = body
    assert not kills.killed_at(0, house.loading, str(tmp_path / "bucket"), str(tmp_path / "data"))
    with Catalog(DataDir(tmp_path / "data")) as catalog:
        query = "SELECT object_key, byte_start, byte_end, line_number, sha256 FROM load_quarantine"
        rows = catalog.db.execute(query).fetchall()
        query = "SELECT object_key, byte_start, byte_end FROM load_parked"
        parked = [bodies[key][start:end] for key, start, end in catalog.db.execute(query).fetchall()]
        query = "SELECT sum(spooled - rows_loaded - rows_duplicate - rows_quarantined - rows_parked)::BIGINT FROM load_ledger"
        (residual,) = catalog.db.execute(query).fetchone() or (None,)
        tokens = "SELECT input_tokens FROM read_parquet(?) WHERE input_tokens <> 100 ORDER BY 1"
        loaded = [value for (value,) in catalog.db.execute(tokens, [catalog.files("model_request")]).fetchall()]
    assert loaded == [value for value in range(next(number)) if value != 100], "every good line is loaded, and no other"
    starts = {key: _starts(body) for key, body in bodies.items()}
    for key, start, end, line_number, digest in rows:
        assert starts[key][line_number - 1] == start
        assert digest == hashlib.sha256(bodies[key][start:end]).hexdigest()
    refused = sorted([bodies[key][start:end] for key, start, end, *_ in rows] + parked)
    assert refused == sorted(hostile), "each hostile line is refused once, at its exact bytes"
    scored(rounds=LINES, residual=residual, note=f"{LINES} generated lines")


def _starts(body: bytes) -> list[int]:
    return [0, *itertools.accumulate(len(line) + 1 for line in body.split(b"\n"))]


def loading_within(peak: str, bucket: str, folder: str) -> None:
    """The load, and the most memory that its process ever had, in MB."""
    house.loading(bucket, folder)
    with open(peak, "w") as file:
        file.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


@pytest.mark.fault("L6")
def test_a_bomb_of_ten_gigabytes_costs_no_memory_and_the_next_object_loads(tmp_path, scored):
    zeros = gzip.compress(bytes(2**24), 9) * 640  # members: 10 GB
    bombs = {"a-zeros.jsonl.gz": zeros, "b-nested.jsonl.gz": gzip.compress(zeros), "c-line.jsonl": b"x" * (100 * 2**20)}
    for name, data in bombs.items():
        raw.put(tmp_path / "bucket", data, name=name)
        raw.put(
            tmp_path / "bucket", house.packed([raw.event(key=(name,))]), name=f"{name.partition('.')[0]}-then.jsonl.gz"
        )
    work = (str(tmp_path / "peak"), str(tmp_path / "bucket"), str(tmp_path / "data"))
    assert not kills.killed_at(0, loading_within, *work)
    with Catalog(DataDir(tmp_path / "data")) as catalog:
        counts = catalog.db.execute("SELECT count(*), sum(rows_loaded) FROM load_ledger").fetchone()
        bad = catalog.db.execute("SELECT count(DISTINCT object_key) FROM load_quarantine").fetchone()
    assert (counts, bad) == ((6, 3), (3,))
    peak = int((tmp_path / "peak").read_text())
    assert peak < MEGABYTES
    scored(note=f"{peak} MB at most")
