"""Compaction changes which files hold the rows, and nothing that anybody can read; a kill at any moment changes not even that."""

import shutil
import signal
import subprocess
import sys
from datetime import date, timedelta

import duckdb
import pytest
from deltalake import DeltaTable

from meterhouse import compaction, delta, load
from meterhouse.catalog import Catalog, rows_of
from meterhouse.compaction import MAX_FILES, compact
from meterhouse.errors import MeterhouseError
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests

DAY, OTHER = date(2026, 3, 2), date(2026, 3, 3)
LOADS = MAX_FILES + 2


def load_alone(bucket: str, data: DataDir) -> None:
    with run_lock(data), Catalog(data) as catalog:
        load.load(Storage(bucket), catalog)
        delta.follow(catalog)


def many_loads(bucket, data: DataDir) -> None:
    """Loads of one request of the day each, the newest session first; one prompt of another day."""
    with run_lock(data), Catalog(data) as catalog:
        for number in range(1, 1 + LOADS):
            rows = [raw.event(key=(number,), session_id=f"s{99 - number}", response_id=f"msg_{number:030d}")]
            raw.segment(bucket, [*rows, raw.event("prompt", "2026-03-03T09:00:00Z")], seq=number)
            load.load(Storage(str(bucket)), catalog)
        delta.follow(catalog)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    root = tmp_path_factory.mktemp("loaded")
    many_loads(root / "bucket", DataDir(root / "data"))
    return root


@pytest.fixture
def lake(loaded, tmp_path) -> DataDir:
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    return DataDir(tmp_path / "data")


def content(data: DataDir, kind: str = "model_request", version: int | None = None) -> tuple:
    """Number of rows and order-free hash of a Delta table, read without us."""
    rows = DeltaTable(data.lake / kind, version=version).to_pyarrow_table()
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("rows", rows.select(sorted(rows.column_names)))
        return db.execute("SELECT count(*), sum(hash(t)::HUGEINT) FROM rows AS t").fetchone()


def compacted(data: DataDir, today: date | None = None) -> list[tuple]:
    with run_lock(data), Catalog(data) as catalog:
        return [(row.kind, row.day, row.files, row.rows) for row in compact(catalog, today)]


def test_a_day_of_many_files_becomes_one_file_sorted_by_session_with_the_same_rows(lake):
    before = content(lake)
    assert compacted(lake) == [("model_request", DAY, LOADS, LOADS)]
    (uri,) = DeltaTable(lake.lake / "model_request").file_uris()
    sessions = duckdb.read_parquet(uri).project("session_id").fetchall()
    assert sessions == sorted(sessions)
    assert content(lake) == before
    assert compacted(lake) == [], "nothing is due any more"


def test_a_reader_of_the_version_before_still_finds_its_files(lake):
    table = DeltaTable(lake.lake / "model_request")
    compacted(lake)
    assert table.to_pyarrow_table().num_rows == LOADS
    assert content(lake, version=table.version()) == content(lake)


def test_who_streams_the_table_is_told_no_news(lake):
    version = DeltaTable(lake.lake / "model_request").version()
    compacted(lake)
    log = lake.lake / "model_request" / "_delta_log"
    changes = duckdb.sql(
        f"SELECT coalesce(add.dataChange, remove.dataChange), count(*) FROM read_json('{log}/{version + 1:020d}.json') "
        "WHERE add IS NOT NULL OR remove IS NOT NULL GROUP BY 1"
    ).fetchall()
    assert changes == [(False, LOADS + 1)]


@pytest.mark.parametrize(("age", "is_due"), [(0, False), (1, False), (2, True)])
def test_today_and_yesterday_are_left_until_they_have_many_more_files(lake, monkeypatch, age, is_due):
    assert bool(compacted(lake, DAY + timedelta(days=age))) == is_due
    monkeypatch.setattr(compaction, "MAX_OPEN_FILES", MAX_FILES)
    assert bool(compacted(lake, DAY + timedelta(days=age))) != is_due


def test_compaction_makes_nothing_due_and_later_loads_know_what_it_wrote(lake, tmp_path):
    bucket = tmp_path / "bucket"
    with Catalog(lake) as catalog:
        due = catalog.days_since(LOADS - 1), catalog.days_since(LOADS)
    assert len(compacted(lake)) == 1
    with Catalog(lake) as catalog:
        assert (catalog.days_since(LOADS - 1), catalog.days_since(LOADS)) == due
    again = [raw.event(key=(3,), session_id="s96", response_id=f"msg_{3:030d}"), raw.event(key=("late",))]
    raw.segment(bucket, again, seq=500)
    outcome = run(str(bucket), lake)
    assert (outcome.loaded.rows, outcome.loaded.duplicates) == (1, 1)
    assert raw.fingerprint(lake) == raw.fingerprint(raw.published(bucket, tmp_path / "at once"))


def test_a_rewritten_file_that_is_not_equal_replaces_nothing(lake, monkeypatch):
    before = content(lake)

    def all_but_one(kind, files):
        return rows_of(kind, files[:-1] or files)

    monkeypatch.setattr(compaction, "rows_of", all_but_one)
    monkeypatch.setattr(compaction, "_content", lambda db, kind, files: db.execute(
        f"SELECT count(*) FROM ({rows_of(kind, files)})").fetchone())  # fmt: skip
    with pytest.raises(MeterhouseError, match="holds other rows than the 12 files it replaces; nothing was replaced"):
        compacted(lake)
    assert content(lake) == before
    assert not list(lake.lake.rglob("*.compacted.parquet"))


KILLED_AT = {
    "half of the new file is there": ("meterhouse.compaction", "_content"),
    "the new file is there and not named": ("meterhouse.compaction", "fsync"),
    "inside the transaction": ("meterhouse.catalog.Catalog", "transaction"),
    "the catalog names it, the Delta table does not": ("meterhouse.compaction", "Compacted"),
}
PROGRAM = """
import os, pydoc, signal, sys
from pathlib import Path
from meterhouse.catalog import Catalog
from meterhouse.compaction import compact
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
data, place, name = DataDir(Path(sys.argv[1])), *sys.argv[2:]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with run_lock(data), Catalog(data) as catalog:
    if name == "transaction":
        import contextlib
        @contextlib.contextmanager
        def die(self):
            self.db.execute("BEGIN")
            yield
            os.kill(os.getpid(), signal.SIGKILL)
    setattr(pydoc.locate(place), name, die)
    compact(catalog)
"""


@pytest.mark.parametrize("moment", KILLED_AT)
def test_a_kill_leaves_the_day_in_its_old_files_or_in_its_new_one(lake, moment):
    before = content(lake)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(lake.root), *KILLED_AT[moment]], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert content(lake) == before, "readers see what they saw"
    compacted(lake)
    assert content(lake) == before
    with Catalog(lake) as catalog:
        named = set(catalog.files("model_request"))
        old = {path for (path,) in catalog.db.execute("SELECT path FROM lake_retired").fetchall()}
    assert named == {row.path for row in delta.files(lake, "model_request")}
    assert (len(named), len(old)) == (1, LOADS)
    there = {str(path) for path in (lake.lake / "model_request").rglob("*.parquet")}
    assert there == named | {str(lake.lake / path) for path in old}, "no file is left that nobody names"


def test_the_command_says_what_it_did(lake):
    done = raw.command("compact", "--data", str(lake.root))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"1 days compacted: {LOADS} files of ")
    assert raw.command("compact", "--data", str(lake.root)).stdout.startswith("0 days compacted")


def test_a_model_that_reads_all_days_sees_a_compacted_day_once_and_a_damaged_file_is_named(tmp_path):
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    for number in range(1, 1 + LOADS):
        raw.segment(bucket, [raw.event("pull_request", key=(number,), pull_request_number=number)], seq=number)
        (run if number in (LOADS // 2, LOADS) else load_alone)(str(bucket), data)
    assert [kind for kind, *_ in compacted(data)] == ["pull_request"]
    raw.segment(
        bucket, [raw.event("pull_request", "2026-03-05T09:00:00Z", key=("new",), pull_request_number=99)], seq=98
    )
    run(str(bucket), data)
    assert raw.fingerprint(data) == raw.fingerprint(raw.published(bucket, tmp_path / "at once"))
    with duckdb.connect(str(data.build)) as db:
        assert db.execute("SELECT count(*), count(DISTINCT event_id) FROM kept_pull_request").fetchall() == [
            (LOADS + 1,) * 2
        ]
        db.execute("DROP TABLE kept_pull_request")
    (file,) = (data.lake / "pull_request" / "day=2026-03-05").glob("*.parquet")
    file.write_bytes(b"damaged")
    raw.segment(bucket, [raw.event("pull_request", "2026-03-06T09:00:00Z", key=("newer",))], seq=99)
    with pytest.raises(MeterhouseError, match=file.name):
        run(str(bucket), data)
