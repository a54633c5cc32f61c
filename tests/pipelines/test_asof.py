"""What a report was read from still answers: the snapshot by the report's name, the lake at the versions it names.

Vacuum keeps both, however many loads, compactions and publications came since.
"""

import io
import os
import shutil
import time
from datetime import UTC, datetime, timedelta

import pytest
from deltalake import DeltaTable

from meterhouse import asof, delta, load, report, seeds, snapshot
from meterhouse.adhoc import sql
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.compaction import MAX_FILES, compact
from meterhouse.errors import MeterhouseError
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.settings import Settings
from meterhouse.storage import Storage
from meterhouse.vacuum import vacuum
from pipelines import raw  # noqa: TID251 - the folder of these tests

WEEK = "2026-W10"  # of the events of raw.py
KIND = "model_request"


def ship(bucket, data: DataDir, numbers) -> None:
    """Loads of one request each, without building models."""
    with run_lock(data), Catalog(data) as catalog:
        for number in numbers:
            raw.segment(bucket, [raw.event(key=(number,), response_id=f"msg_{number:030d}")], seq=number)
            load.load(Storage(str(bucket)), catalog)
        delta.follow(catalog)


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A house with a report of three requests; since then more were loaded than a day may have files."""
    root = tmp_path_factory.mktemp("reported")
    bucket, data = root / "bucket", DataDir(root / "data")
    ship(bucket, data, range(1, 4))
    raw.published(bucket, data.root)
    report.build(data, WEEK, root / "out")
    ship(bucket, data, range(4, 5 + MAX_FILES))
    publish(bucket, data)
    return root


def publish(bucket, data: DataDir) -> None:
    with run_lock(data), Catalog(data) as catalog, Builder(catalog, seeds.read_seeds(Storage(str(bucket)))) as builder:
        builder.build_all()
        snapshot.publish(builder)


@pytest.fixture
def house(reported, tmp_path):
    shutil.copytree(reported, tmp_path, dirs_exist_ok=True, symlinks=True)
    return tmp_path / "bucket", DataDir(tmp_path / "data")


@pytest.fixture
def lake(house):
    """The same without any snapshot: nothing but time keeps a file."""
    _, data = house
    shutil.rmtree(data.snapshots)
    shutil.rmtree(data.kept)
    return data


def asked(data: DataDir, as_of: str) -> str:
    """Number of requests, as `meterhouse sql --as-of` prints it."""
    out = io.StringIO()
    sql(data, "SELECT count(*) FROM fct_requests", "csv", out, as_of)
    return out.getvalue().splitlines()[1]


def age(data: DataDir, days: int) -> None:
    """Everything that is there was made days ago."""
    then = time.time() - days * 86400
    for path in data.lake.rglob("*"):
        os.utime(path, (then, then))
    with Catalog(data) as catalog:
        catalog.db.execute("UPDATE lake_retired SET retired_at = retired_at - to_days(?)", [days])


def compacted(data: DataDir) -> None:
    with run_lock(data), Catalog(data) as catalog:
        assert len(compact(catalog)) == 1


def vacuumed(data: DataDir, keep_reports: int = 13, **options) -> list[str]:
    with run_lock(data), Catalog(data) as catalog:
        done = vacuum(catalog, Settings(keep_reports=keep_reports), **options)
    return sorted(str(path.relative_to(data.root)) for path in done.paths)


def lake_rows(data: DataDir, version: int | None = None) -> int:
    return DeltaTable(data.lake / KIND, version=version).to_pyarrow_table().num_rows


def test_sql_as_of_a_report_answers_from_what_it_read_after_publications_compaction_and_vacuum(house, monkeypatch):
    bucket, data = house
    monkeypatch.setattr(snapshot, "KEEP", 1)
    compacted(data)
    publish(bucket, data)
    assert [path.name for path in data.snapshots.glob("w*")] == ["warehouse-00000003.duckdb"]
    age(data, 30)
    ship(bucket, data, [90])
    assert vacuumed(data), "there was something to remove"
    assert asked(data, WEEK) == "3"
    assert raw.rows(data, "SELECT count(*) FROM fct_requests") == [(4 + MAX_FILES,)]
    (info,) = [row for row in asof.kept(data) if row.report]
    assert (info.load_seq, info.version) == (3, 1)
    assert lake_rows(data, info.lake[KIND]) == 3, "the lake, too, answers as it was read"
    assert lake_rows(data) == 5 + MAX_FILES


def test_as_of_a_version_or_a_moment_finds_the_snapshot_of_it(house):
    _, data = house
    first, second = (row for row in asof.kept(data) if not row.report)
    between = first.built_at + (second.built_at - first.built_at) / 2
    done = raw.command(
        "sql", "--data", str(data.root), "--as-of", "1", "--format", "csv", "SELECT version FROM snapshot_info"
    )
    assert (done.returncode, done.stdout) == (0, "version\n1\n"), done.stderr
    assert asked(data, "1") == "3"
    assert asked(data, "2") == str(4 + MAX_FILES)
    assert asked(data, between.isoformat()) == "3"


@pytest.mark.parametrize("as_of", ["2026-W11", "99", "2020-01-01", "yesterday", "../../etc/passwd"])
def test_what_is_not_kept_is_told_with_what_is(house, as_of):
    _, data = house
    with pytest.raises(MeterhouseError, match=r"no snapshot of it is kept; there are .*report-2026-W10"):
        asof.snapshot_as_of(data, as_of)


def test_what_was_mailed_is_what_the_week_means_until_no_mail_left(house, tmp_path):
    _, data = house
    asof.mark_sent(data, f"report-{WEEK}", f"report-{WEEK}")
    report.build(data, WEEK, tmp_path / "again")
    assert asked(data, WEEK) == "3"
    asof.mark_sent(data, f"report-{WEEK}", f"report-{WEEK}")
    assert asked(data, WEEK) == "3"
    asof.unmark_sent(data, f"report-{WEEK}")
    assert asked(data, WEEK) == str(4 + MAX_FILES)


def test_a_report_that_cannot_be_written_keeps_nothing(house, tmp_path):
    _, data = house
    with pytest.raises(MeterhouseError, match="has no data"):
        report.build(data, "2025-W02", tmp_path / "out")
    assert [path.name for path in data.kept.iterdir()] == [f"report-{WEEK}.duckdb"]


def test_vacuum_removes_nothing_that_is_young(house):
    _, data = house
    compacted(data)
    assert vacuumed(data) == []


def test_vacuum_lists_what_it_would_remove_and_removes_that(lake):
    compacted(lake)
    age(lake, 8)
    would = vacuumed(lake, is_dry=True)
    assert would == vacuumed(lake, is_dry=True)
    paths = [lake.root / path for path in would]
    assert sum(path.match("day=*/*.parquet") for path in paths) == 4 + MAX_FILES
    assert all(path.exists() for path in paths)
    assert vacuumed(lake) == would
    assert not any(path.exists() for path in paths)
    assert vacuumed(lake) == []
    assert lake_rows(lake) == 4 + MAX_FILES


def test_a_report_that_is_no_longer_kept_holds_nothing(house):
    _, data = house
    shutil.rmtree(data.snapshots)
    compacted(data)
    age(data, 8)
    held = {path for path in vacuumed(data, is_dry=True) if "/day=" in path}
    gone = vacuumed(data, keep_reports=0)
    assert f"kept/report-{WEEK}.duckdb" in gone
    assert len({path for path in gone if "/day=" in path} - held) == 3, "the three files of the lake that it read"
    assert lake_rows(data) == 4 + MAX_FILES


def test_a_reader_that_began_before_the_compaction_reads_on_while_it_is_young_enough(house):
    _, data = house
    table = DeltaTable(data.lake / KIND)
    compacted(data)
    vacuumed(data, now=datetime.now(UTC) + timedelta(days=6))
    assert table.to_pyarrow_table().num_rows == 4 + MAX_FILES


def test_a_killed_vacuum_is_finished_by_the_next(lake, monkeypatch):
    compacted(lake)
    age(lake, 8)
    would = vacuumed(lake, is_dry=True)

    def killed(catalog, paths, retired):
        for path in paths[::2]:
            path.unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("meterhouse.vacuum._remove", killed)
        with pytest.raises(KeyboardInterrupt):
            vacuumed(lake)
    assert lake_rows(lake) == 4 + MAX_FILES
    vacuumed(lake)
    assert not [path for path in would if (lake.root / path).exists()]
    assert vacuumed(lake) == []
    assert lake_rows(lake) == 4 + MAX_FILES


def test_a_lake_that_was_rebuilt_is_vacuumed_though_old_reports_name_versions_it_lacks(house):
    bucket, data = house
    shutil.rmtree(data.lake)
    data.catalog.unlink()
    data.build.unlink()
    with run_lock(data), Catalog(data) as catalog:
        load.load(Storage(str(bucket)), catalog)
        delta.follow(catalog)
    age(data, 8)
    assert not [path for path in vacuumed(data) if path.endswith("0.parquet")]
    assert lake_rows(data) == 4 + MAX_FILES
    assert asked(data, WEEK) == "3"


def test_the_vacuum_command_lists_files_and_tells_their_size(lake):
    compacted(lake)
    age(lake, 8)
    listed = raw.command("vacuum", "--dry-run", "--data", str(lake.root))
    done = raw.command("vacuum", "--data", str(lake.root))
    assert (listed.returncode, done.returncode) == (0, 0), listed.stderr + done.stderr
    assert listed.stdout == done.stdout
    assert "bytes could be removed" in listed.stderr
    assert "bytes removed" in done.stderr
