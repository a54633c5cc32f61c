"""L2, L4, L10, L11: objects and files that are not where or what they were, and days that come late."""

import shutil
from datetime import date, timedelta

import pytest

from faults import house, kills
from meterhouse import load
from meterhouse.catalog import Catalog
from meterhouse.errors import StorageError
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - tests/pipelines


def requests(day: str, count: int, seq: int) -> list:
    return [
        raw.event(at=f"{day}T10:00:00Z", key=(day, seq, n), response_id=f"msg_{seq:010d}{n:020d}") for n in range(count)
    ]


@pytest.mark.fault("L2")
def test_two_loads_at_once_wait_for_each_other_and_nothing_loads_twice(tmp_path, scored):
    for seq in range(1, 9):
        raw.segment(tmp_path / "bucket", requests("2026-03-02", 5, seq), seq=seq)
    where = (str(tmp_path / "bucket"), str(tmp_path / "data"))
    both = [kills.child(house.loading, *where) for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    scored(rounds=2, **house.account(DataDir(tmp_path / "data"), tmp_path / "bucket"))


@pytest.mark.fault("L4")
def test_an_object_that_vanishes_between_list_and_get_is_named_and_stops_no_later_load(tmp_path, monkeypatch, scored):
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    gone = raw.segment(bucket, requests("2026-03-02", 2, 1), seq=1)
    raw.segment(bucket, requests("2026-03-02", 2, 2), seq=2)
    kept, honest = (bucket / gone).read_bytes(), Storage.read

    def vanishing(storage, key):
        (bucket / gone).unlink(missing_ok=True)
        return honest(storage, key)

    with monkeypatch.context() as patched, Catalog(data) as catalog:
        patched.setattr(Storage, "read", vanishing)
        with pytest.raises(StorageError, match=f"object {gone} cannot be read .*; run again"):
            load.load(Storage(str(bucket)), catalog)
    with Catalog(data) as catalog:
        assert load.load(Storage(str(bucket)), catalog).rows == 2, "what is there loads"
    raw.put(bucket, kept, name=gone.rpartition("/")[2])  # the listing shows it late
    with Catalog(data) as catalog:
        assert load.load(Storage(str(bucket)), catalog).rows == 2
    scored(**house.account(data, bucket))


@pytest.mark.fault("L10")
def test_a_late_quarter_and_a_restated_day_equal_a_full_rebuild_and_touch_their_days_alone(tmp_path, scored):
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    raw.segment(bucket, requests("2026-05-02", 3, 1), seq=1)
    raw.published(bucket, data.root)
    quarter = [date(2026, 1, 1) + timedelta(days=n) for n in range(90)]
    raw.segment(
        bucket, [event for n, day in enumerate(quarter) for event in requests(day.isoformat(), 1, 100 + n)], seq=2
    )
    late = {row.model: row.days for row in raw.run(str(bucket), data).built}
    around = {day + timedelta(days=step) for day in quarter for step in (-1, 0, 1)}
    assert set(late["fct_requests"]) == around
    window = {"window_start": "2026-02-03T00:00:00Z", "window_end": "2026-02-04T00:00:00Z"}
    for fetch, tokens in enumerate((100, 70)):
        fetched = {"fetched_at": f"2026-02-0{5 + fetch}T08:00:00Z", **window}
        raw.segment(bucket, [raw.event("vendor_window", window["window_start"], key=("w", fetch), **fetched),
                             raw.event("vendor_usage", window["window_start"], key=("u", fetch), input_tokens=tokens, **fetched)],
                    seq=3 + fetch)  # fmt: skip
        days = {row.model: row.days for row in raw.run(str(bucket), data).built}
        assert set(days["fct_requests"] or ()) <= {date(2026, 2, 2), date(2026, 2, 3), date(2026, 2, 4)}
    assert raw.rows(data, "SELECT input_tokens FROM fct_vendor_usage") == [(70,)], "restated, not added"
    assert raw.fingerprint(data) == raw.fingerprint(raw.published(bucket, tmp_path / "full"))
    scored(rounds=3, **house.account(data, bucket))


def damaged() -> dict:
    """What can happen to a file of the lake, and the third-party files that have broken readers before."""
    ways = {
        "cut": lambda path: path.write_bytes(path.read_bytes()[:-20]),
        "empty": lambda path: path.write_bytes(b""),
        "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
        "gone": lambda path: path.unlink(),
    }
    folder = raw.SHARED / "hostile" / "parquet"
    for file in sorted(folder.glob("*.parquet")) if folder.is_dir() else ():
        ways[file.name] = lambda path, file=file: shutil.copyfile(file, path)
    return ways


@pytest.fixture(scope="module")
def laid(tmp_path_factory):
    """A house whose lake has one file of prompts."""
    root = tmp_path_factory.mktemp("laid")
    raw.segment(root / "bucket", [raw.event("prompt")])
    raw.published(root / "bucket", root / "data")
    return root


@pytest.mark.fault("L11")
@pytest.mark.parametrize("way", damaged())
def test_a_damaged_file_of_the_lake_is_named_in_one_line_and_readers_keep_their_snapshot(laid, tmp_path, way, capsys):
    from meterhouse.__main__ import main

    shutil.copytree(laid, tmp_path / "house", symlinks=True)
    bucket, data = tmp_path / "house/bucket", DataDir(tmp_path / "house/data")
    (file,) = (data.lake / "prompt").rglob("*.parquet")
    damaged()[way](file)
    raw.segment(bucket, [raw.event("prompt", key=("next",))], seq=2)
    assert main(["run", "--plain", "--raw", str(bucket), "--data", str(data.root)]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("meterhouse: ")]
    assert len(errors) == 1
    assert str(file) in errors[0]
    assert "meterhouse rebuild --from raw" in errors[0]
    assert raw.rows(data, "SELECT count(*) FROM fct_prompts") == [(1,)]
