"""What could not be loaded: seen, shown, tried again, and never in the way of anything else."""

import gzip
import json
import os
import signal
import subprocess
import sys

import dagster as dg
import polars as pl
import pytest

from meterhouse import segments
from meterhouse.errors import StorageError
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests

BAD = b'{"kind":"prompt\x1b[2J", "note": "=HYPERLINK()"'
DEADLY = """
import os, signal, sys
from pathlib import Path
from meterhouse import batch
from meterhouse.paths import DataDir
from meterhouse.run import run

real = batch.fetched
def fetched(row, *given):
    if "deadly" in row.key:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(row, *given)

batch.fetched = fetched
run(sys.argv[1], DataDir(Path(sys.argv[2])))
"""


@pytest.fixture
def house(tmp_path):
    """A bucket with one good and one half-broken object, and the data directory it was loaded into."""
    raw.segment(tmp_path / "bucket", [raw.event(key=("1",))])
    raw.segment(tmp_path / "bucket", [raw.event(key=("2",)), BAD], seq=2)
    return tmp_path / "bucket", raw.published(tmp_path / "bucket", tmp_path / "data")


def quarantine(command, bucket, data, *arguments):
    where = ["--data", str(data.root)] if command == "list" else ["--raw", str(bucket), "--data", str(data.root)]
    return raw.command("quarantine", command, *arguments, *where)


def test_the_list_names_place_and_reason_of_each_line_and_not_its_text(house):
    bucket, data = house
    (row,) = json.loads(quarantine("list", bucket, data, "--format", "json").stdout)
    text = gzip.decompress((bucket / row["object_key"]).read_bytes())
    assert text[row["byte_start"] : row["byte_end"]] == BAD
    assert (row["reason"], row["line_number"]) == ("invalid_json", 3)


def test_show_prints_the_text_so_that_it_cannot_steer_a_terminal(house):
    bucket, data = house
    ((key,),) = raw.rows(data, "SELECT object_key FROM load_quarantine")
    shown = quarantine("show", bucket, data, key).stdout
    assert json.loads(shown.splitlines()[1]) == BAD.decode()
    assert "\x1b" not in shown
    refused = quarantine("show", bucket, data, "raw/none.jsonl")
    assert refused.returncode == 1
    assert "has nothing in quarantine" in refused.stderr


def test_what_a_later_version_can_read_leaves_the_quarantine_by_a_retry(tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "MAX_LINE", 100)
    key = raw.segment(tmp_path / "bucket", [raw.event(key=("1",)), b"{"])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT reason FROM load_quarantine ORDER BY 1") == [
        ("bad_header",),
        ("invalid_json",),
        ("line_too_long",),
    ]
    told = quarantine("retry", tmp_path / "bucket", data, key)
    assert "1 events loaded, 1 still in quarantine" in told.stdout
    raw.published(tmp_path / "bucket", data.root)
    assert raw.rows(data, "SELECT count(*) FROM fct_requests") == [(1,)]
    assert raw.rows(data, "SELECT reason FROM load_quarantine") == [("invalid_json",)]
    assert raw.rows(data, "SELECT residual, quarantined FROM rpt_accounting") == [(0, 1)]


def test_a_retry_while_a_run_is_at_work_says_so(house):
    bucket, data = house
    with data.lock.open("a+") as file:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
        told = quarantine("retry", bucket, data)
    assert told.returncode == 75
    assert "is running on it" in told.stderr


def killed_runs(bucket, data, count):
    for _ in range(count):
        done = subprocess.run([sys.executable, "-c", DEADLY, str(bucket), str(data)], capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL


def test_an_object_that_kills_the_load_three_times_is_set_aside_and_all_others_are_loaded(tmp_path):
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    for number in range(1, 6):
        raw.segment(bucket, [raw.event(key=(number,))], seq=number)
    deadly = raw.put(
        bucket, gzip.compress(raw.text([raw.line(raw.event(key=("d",)))], seq=6)), name="a-deadly.jsonl.gz"
    )
    killed_runs(bucket, data.root, 3)
    outcome = raw.run(str(bucket), data)
    assert any(deadly in problem for problem in outcome.loaded.problems)
    assert [row["reason"] for row in json.loads(quarantine("list", bucket, data, "--format", "json").stdout)] == [
        "set_aside"
    ]
    assert raw.rows(data, "SELECT count(*) FROM fct_requests") == [(5,)]
    quarantine("retry", bucket, data, deadly)
    assert raw.run(str(bucket), data).loaded.rows == 1


def test_an_object_that_was_set_aside_last_reaches_the_tables_after_a_retry(tmp_path):
    """The number of the load that set it aside must not be given again: models have seen all up to it."""
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    deadly = raw.put(bucket, gzip.compress(raw.text([raw.line(raw.event())])), name="deadly.jsonl.gz")
    killed_runs(bucket, data.root, 3)
    raw.run(str(bucket), data)
    quarantine("retry", bucket, data, deadly)
    raw.run(str(bucket), data)
    assert raw.rows(data, "SELECT count(*) FROM fct_requests") == [(1,)]


ENDS = [StorageError("bucket: is away; run again"), KeyboardInterrupt(), RuntimeError("Query interrupted"),
        dg.DagsterExecutionInterruptedError()]  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_a_load_that_storage_fails_or_somebody_ends_holds_nothing_against_the_objects(tmp_path, monkeypatch, end):
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    raw.segment(bucket, [raw.event()])

    def ended(*_):
        raise end

    with monkeypatch.context() as patched:
        patched.setattr(Storage, "read", ended)
        for _ in range(4):
            with pytest.raises(type(end)):
                raw.run(str(bucket), data)
    assert raw.run(str(bucket), data).loaded.rows == 1


ENDED_AT_ONCE = """
import os, signal, sys
from meterhouse import __main__, load
def deaf(*_):
    signal.alarm(120)  # ends this process, with another code than the one that is wanted
    signal.signal(signal.SIGINT, lambda *_: None)
    while True: os.kill(os.getpid(), signal.SIGINT)
load.batches = deaf; sys.exit(__main__.main(sys.argv[1:]))
"""


def test_a_load_that_is_ended_at_once_holds_nothing_against_the_objects(tmp_path):
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    raw.segment(bucket, [raw.event()])
    for _ in range(3):
        arguments = ["run", "--plain", "--raw", str(bucket), "--data", str(data.root)]
        done = subprocess.run([sys.executable, "-c", ENDED_AT_ONCE, *arguments], capture_output=True, check=False)
        assert done.returncode == 130, done.stderr
    assert raw.run(str(bucket), data).loaded.rows == 1
    assert not data.ended.exists()


@pytest.mark.parametrize("end", [RecursionError("too deep"), pl.exceptions.PanicException("a defect")])
def test_an_object_on_which_a_library_fails_is_set_aside(tmp_path, monkeypatch, end):
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    raw.segment(bucket, [raw.event()])

    def ended(*_):
        raise end

    monkeypatch.setattr("meterhouse.batch.fetched", ended)
    for _ in range(3):
        with pytest.raises(type(end)):
            raw.run(str(bucket), data)
    assert "is set aside" in " ".join(raw.run(str(bucket), data).loaded.problems)


def test_an_event_that_came_with_a_suspect_clock_counts_once_when_it_comes_again(tmp_path):
    ahead = raw.event(at="2026-06-05T10:00:00Z", key=("ahead",))
    raw.segment(tmp_path / "bucket", [ahead])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert "clock_suspect" in raw.rows(data, "SELECT quality FROM fct_requests")[0][0]
    again = raw.segment(tmp_path / "bucket", [ahead], seq=2)
    os.utime(tmp_path / "bucket" / again, (raw.RECEIVED + 20 * 86400,) * 2)
    raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT sum(rows_loaded), sum(rows_duplicate) FROM load_ledger") == [(1, 1)]
    assert raw.rows(data, "SELECT count(*) FROM fct_requests") == [(1,)]
