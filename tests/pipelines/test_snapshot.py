"""Readers have a whole snapshot or the previous one, whatever happens to the writer."""

import subprocess
import sys
from datetime import UTC, datetime

import duckdb
import pytest

from meterhouse import checks, load, seeds, snapshot
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.errors import CheckError, LockedError, MeterhouseError
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.snapshot import KEEP, reading
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests

EACH = 3  # requests a segment


def ship(root, number: int) -> None:
    rows = [raw.event(key=(number, n), response_id=f"msg_{number:020d}{n:010d}") for n in range(EACH)]
    raw.segment(root / "bucket", rows, seq=number)


@pytest.fixture
def house(tmp_path):
    """A data directory with one snapshot."""
    ship(tmp_path, 1)
    raw.published(tmp_path / "bucket", tmp_path / "data")
    return tmp_path


def counts(data: DataDir) -> tuple[int, ...]:
    with reading(data) as db:
        return db.execute(
            "SELECT (SELECT load_seq FROM snapshot_info), (SELECT count(*) FROM fct_requests), (SELECT count(*) FROM load_ledger), "
            "(SELECT CAST(sum(requests) AS BIGINT) FROM rpt_usage_daily), (SELECT CAST(sum(requests) AS BIGINT) FROM fct_sessions)"
        ).fetchone()


def test_a_reader_keeps_its_snapshot_while_newer_ones_are_published(house):
    with reading(DataDir(house / "data")) as db:
        for number in range(2, 3 + KEEP):
            ship(house, number)
            run(str(house / "bucket"), DataDir(house / "data"))
        assert db.execute("SELECT count(*) FROM fct_requests").fetchone() == (EACH,)
    assert counts(DataDir(house / "data"))[1] == EACH * (2 + KEEP)


LEFT_BEHIND = {
    "half a file": lambda data: (data.snapshots / "warehouse-00000002.tmp").write_bytes(b"half"),
    "half a file and its log": lambda data: (data.snapshots / "warehouse-00000002.tmp.wal").write_bytes(b"half"),
    "a whole file that no link names": lambda data: (data.snapshots / "warehouse-00000002.duckdb").write_bytes(b"x"),
    "a link that was not swapped in": lambda data: data.current.with_suffix(".link").symlink_to("nowhere"),
}


@pytest.mark.fault("W1")
@pytest.mark.parametrize("left", LEFT_BEHIND)
def test_what_a_killed_publish_leaves_behind_hurts_neither_readers_nor_the_next_run(house, left):
    data = DataDir(house / "data")
    LEFT_BEHIND[left](data)
    assert counts(data)[0] == 1
    ship(house, 2)
    run(str(house / "bucket"), data)
    assert counts(data)[:2] == (2, 2 * EACH)
    assert not [path for path in data.snapshots.iterdir() if path.suffix != ".duckdb"]


@pytest.mark.fault("W1")
def test_a_publish_that_fails_half_way_leaves_the_last_snapshot_and_the_next_run_publishes(house):
    data = DataDir(house / "data")
    ship(house, 2)
    with (
        run_lock(data),
        Catalog(data) as catalog,
        Builder(catalog, seeds.read_seeds(Storage(str(house / "bucket")))) as builder,
    ):
        builder.db.execute("ALTER TABLE rpt_usage_daily RENAME TO elsewhere")
        builder.state.change("rpt_usage_daily", None)
        with pytest.raises(duckdb.Error):
            snapshot.publish(builder)
        builder.db.execute("ALTER TABLE elsewhere RENAME TO rpt_usage_daily")
    assert counts(data)[0] == 1
    assert run(str(house / "bucket"), data).published is not None
    assert counts(data)[:2] == (2, 2 * EACH)


def test_a_person_who_opens_the_copy_for_writing_stops_no_reader_and_changes_no_figure(house):
    data = DataDir(house / "data")
    with duckdb.connect(str(data.warehouse)) as theirs:
        theirs.execute("CREATE TABLE scratch AS SELECT 1")
        assert counts(data)[0] == 1
        ship(house, 2)
        run(str(house / "bucket"), data)
    assert counts(data)[:2] == (2, 2 * EACH)
    with duckdb.connect(str(data.warehouse), read_only=True) as copy:
        assert not copy.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'scratch'").fetchall()


def test_a_lost_link_is_made_again(house):
    data = DataDir(house / "data")
    data.current.unlink()
    data.warehouse.unlink()
    with pytest.raises(MeterhouseError, match="holds no published snapshot; run"):
        counts(data)
    assert run(str(house / "bucket"), data).published is not None
    assert counts(data)[0] == 1


def test_a_broken_promise_keeps_the_last_snapshot_until_it_is_mended(house, monkeypatch):
    data = DataDir(house / "data")
    honest = checks.checks_of

    def with_one_more(model):
        yield from honest(model)
        if model.name == "fct_requests":
            yield checks.Check("few", model.name, "there are few requests", "SELECT * FROM fct_requests OFFSET 4")

    ship(house, 2)
    monkeypatch.setattr(checks, "checks_of", with_one_more)
    for _ in range(2):  # the second time everything is built, but the promise is as broken as before
        with pytest.raises(
            CheckError, match="fct_requests: 2 rows break 'there are few requests'; nothing was published"
        ):
            run(str(house / "bucket"), data)
        assert counts(data)[0] == 1
    monkeypatch.undo()
    assert run(str(house / "bucket"), data).published is not None
    assert counts(data)[0] == 2


def test_rows_that_break_a_promise_of_the_roster_stop_the_publication_by_name(house):
    raw.roster(house / "bucket", ["p1,search,engineer,true,2026-01-01,", "p1,pay,engineer,true,2026-02-01,"])
    for _ in range(2):
        done = raw.command("run", "--plain", "--raw", str(house / "bucket"), "--data", str(house / "data"))
        assert done.returncode == 1
        assert "dim_people: 1 rows break 'periods do not overlap'" in done.stderr
    assert counts(DataDir(house / "data"))[0] == 1
    raw.roster(house / "bucket", ["p1,search,engineer,true,2026-01-01,2026-02-01", "p1,pay,engineer,true,2026-02-01,"])
    assert raw.command("run", "--plain", "--raw", str(house / "bucket"), "--data", str(house / "data")).returncode == 0
    assert raw.rows(house / "data", "SELECT count(*) FROM dim_people") == [(2,)]


@pytest.mark.fault("D2")
def test_a_second_run_is_told_who_is_at_work_and_exits_75(house):
    with run_lock(DataDir(house / "data")):
        done = raw.command("run", "--plain", "--raw", str(house / "bucket"), "--data", str(house / "data"))
    assert done.returncode == 75
    assert "is running on it; wait for it or stop it" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_lock_of_a_killed_process_is_not_stale(house):
    program = ("import sys, time; from pathlib import Path; from meterhouse.lock import run_lock\n"
               "from meterhouse.paths import DataDir\n"
               "with run_lock(DataDir(Path(sys.argv[1]))): print('held', flush=True); sys.stdin.read()")  # fmt: skip
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(house / "data")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    holder.stdout.readline()
    with pytest.raises(LockedError, match=f"process {holder.pid} is running"), run_lock(DataDir(house / "data")):
        pass
    holder.kill()
    holder.communicate()
    with run_lock(DataDir(house / "data")):
        pass


def test_a_snapshot_cannot_be_written_and_reads_no_other_file(house):
    with reading(DataDir(house / "data")) as db:
        for statement in ("DELETE FROM fct_requests", "CREATE TABLE x AS SELECT 1", "SELECT * FROM read_csv('/etc/passwd')",
                          "COPY fct_requests TO '/tmp/x.csv'", "ATTACH '/tmp/x.duckdb'", "SET enable_external_access = true",
                          "INSTALL httpfs"):  # fmt: skip
            with pytest.raises(duckdb.Error):
                db.execute(statement)


OLD, NEW = "2026-03-02", "2026-03-20"
NEW_ENDED = datetime(2026, 3, 20, 10, tzinfo=UTC)
WHY_ANEW = {
    "other code wrote the last one": lambda data, monkeypatch: monkeypatch.setattr(snapshot, "__version__", "0.0.1"),
    "it is the turn of one": lambda data, monkeypatch: monkeypatch.setattr(snapshot, "ALL_ANEW", 1),
    "another file is current": lambda data, monkeypatch: (
        data.current.resolve().rename(data.snapshots / "warehouse-00000009.duckdb")
        and snapshot._swap_link(data.current, data.snapshots / "warehouse-00000009.duckdb")
    ),
    "the last one is damaged": lambda data, monkeypatch: data.current.resolve().write_bytes(b"damaged"),
}


def scratched(house) -> DataDir:
    """A house whose snapshot was scratched on an old day, and to which an event of another day has come since."""
    data = DataDir(house / "data")
    with duckdb.connect(str(data.current.resolve())) as db:
        db.execute(f"UPDATE fct_requests SET branch = 'scratch' WHERE day = DATE '{OLD}'")
    raw.segment(house / "bucket", [raw.event(at=f"{NEW}T10:00:00Z", key=("new",))], seq=2)
    return data


def days_and_scratches(data: DataDir) -> list[tuple]:
    return raw.rows(
        data, "SELECT CAST(day AS VARCHAR), bool_or(branch = 'scratch') FROM fct_requests GROUP BY ALL ORDER BY ALL"
    )


def test_a_publication_puts_only_the_days_that_changed_into_a_copy_of_the_last_snapshot(house):
    data = scratched(house)
    raw.published(house / "bucket", data.root)
    assert days_and_scratches(data) == [(OLD, True), (NEW, None)]
    assert raw.rows(data, "SELECT count(*), max(ended_at) FROM fct_sessions") == [(1, NEW_ENDED)]
    raw.segment(house / "bucket", [raw.event(at=f"{OLD}T10:00:00Z", key=("late",))], seq=3)
    raw.published(house / "bucket", data.root)
    assert days_and_scratches(data) == [(OLD, None), (NEW, None)]


@pytest.mark.parametrize("why", WHY_ANEW)
def test_a_publication_writes_all_tables_anew_when(house, monkeypatch, why):
    data = scratched(house)
    WHY_ANEW[why](data, monkeypatch)
    run(str(house / "bucket"), data)
    assert days_and_scratches(data) == [(OLD, None), (NEW, None)]


def test_what_was_built_and_failed_its_checks_is_checked_and_published_later(house):
    """The days that changed are remembered until readers have them."""
    data = scratched(house)
    with (
        run_lock(data),
        Catalog(data) as catalog,
        Builder(catalog, seeds.read_seeds(Storage(str(house / "bucket")))) as builder,
    ):
        load.load(Storage(str(house / "bucket")), catalog)
        builder.build_all()
        builder.db.execute(f"UPDATE fct_requests SET input_tokens = -1 WHERE day = DATE '{NEW}'")
        builder.db.execute(f"UPDATE fct_requests SET input_tokens = -1 WHERE day = DATE '{OLD}'")
        (broken,) = [row for row in checks.check_news(builder, builder.models["fct_requests"]) if not row.is_passed]
        assert (broken.check.name, broken.bad_count) == ("input_tokens_is_at_least_0", 1), (
            "the old day was checked before"
        )
    with pytest.raises(CheckError, match="input_tokens >= 0"):
        run(str(house / "bucket"), data)
    with duckdb.connect(str(data.build)) as db:
        db.execute("UPDATE fct_requests SET input_tokens = 1")
    run(str(house / "bucket"), data)
    assert days_and_scratches(data) == [(OLD, True), (NEW, None)]
