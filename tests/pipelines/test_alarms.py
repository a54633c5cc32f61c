"""Alarms: what happened outside is told by every run and fails its check in Dagster, and readers see the page all the same."""

import gzip
import os

import dagster as dg
import pytest

from meterhouse.checks import alarms
from meterhouse.orchestration import once
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - the folder of these tests


def lacking(bucket, seq: int = 1) -> None:
    """A segment whose header announces four events more than there are."""
    body = raw.text([raw.line(raw.event(key=(seq,)))], count=5, seq=seq)
    raw.put(bucket, gzip.compress(body, mtime=0), seq=seq)


def told(root) -> str:
    done = raw.command("run", "--plain", "--raw", str(root / "bucket"), "--data", str(root / "data"))
    assert done.returncode == 0
    return done.stderr


@pytest.fixture
def overwritten(tmp_path):
    """A house in which someone wrote another content under a key; gives the key and its first bytes."""
    key = raw.segment(tmp_path / "bucket", [raw.event(model="first")])
    raw.published(tmp_path / "bucket", tmp_path / "data")
    first = (tmp_path / "bucket" / key).read_bytes()
    second = gzip.compress(raw.text([raw.line(raw.event(model="second"))]))
    raw.put(tmp_path / "bucket", second, name=key.rpartition("/")[2])
    return key, first


def test_every_run_tells_of_events_that_nobody_can_account_for(tmp_path):
    lacking(tmp_path / "bucket")
    for _ in range(2):  # the second time there is nothing to do
        assert (
            "alarm: rpt_accounting: 1 rows break 'every event is accounted for', such as "
            f"sender {raw.SENDER}, day 2026-05-28, residual 4; docs/operations.md says what to do\n"
        ) in told(tmp_path)
    assert raw.rows(tmp_path / "data", "SELECT residual FROM rpt_accounting") == [(4,)]


def test_a_house_in_order_tells_nothing(tmp_path):
    raw.segment(tmp_path / "bucket", [raw.event(), b"{"])
    assert "alarm" not in told(tmp_path)


def test_an_overwritten_object_is_told_until_its_first_content_is_back(overwritten, tmp_path):
    key, first = overwritten
    for _ in range(2):
        assert f"1 rows break 'no object was overwritten', such as object_key {key}" in told(tmp_path)
    (tmp_path / "bucket" / key).write_bytes(first)
    assert "alarm" not in told(tmp_path)
    assert raw.rows(tmp_path / "data", "SELECT model FROM fct_requests") == [("first",)]
    assert raw.rows(tmp_path / "data", "SELECT state FROM load_ledger ORDER BY load_seq") == [
        ("loaded",),
        ("restored",),
    ]


def test_contents_that_come_back_with_their_old_tags_end_the_alarm_and_raise_it_again(overwritten, tmp_path):
    """On S3 the tag is made of the content; a folder's is made of size and time."""
    key, first = overwritten
    path = tmp_path / "bucket" / key
    for seq in range(2):
        tags = os.stat(path)
        assert f"such as object_key {key}" in told(tmp_path)
        second = path.read_bytes()
        path.write_bytes(first)
        os.utime(path, ns=(1, 1))
        assert "alarm" not in told(tmp_path), seq
        path.write_bytes(second)
        os.utime(path, ns=(tags.st_atime_ns, tags.st_mtime_ns))
    assert raw.rows(tmp_path / "data", "SELECT model FROM fct_requests") == [("first",)]


def test_alarms_fail_their_checks_in_dagster_and_the_snapshot_is_published(overwritten, tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    lacking(tmp_path / "bucket", seq=2)
    data = DataDir(tmp_path / "data")
    assert once.run(str(tmp_path / "bucket"), data).published is not None
    assert [line.split("'")[1] for line in alarms(data)] == [
        "every event is accounted for", "no object was overwritten"]  # fmt: skip
    with dg.DagsterInstance.from_config(str(data.dagster_home)) as instance:
        records = instance.get_records_for_run(
            instance.get_runs(dg.RunsFilter(job_name="build"))[0].run_id,
            of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        ).records
    found = [row.event_log_entry.dagster_event.event_specific_data for row in records]
    failed = {row.check_name: (row.severity, row.blocking) for row in found if not row.passed}
    assert failed == {
        "every_event_is_accounted_for": (dg.AssetCheckSeverity.ERROR, False),
        "no_object_was_overwritten": (dg.AssetCheckSeverity.ERROR, False),
    }
