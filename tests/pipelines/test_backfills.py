"""Runs of some days: what they build, what they leave alone, and what Dagster is told of it."""

import shutil
from datetime import date

import dagster as dg
import duckdb
import pytest

from meterhouse.definitions import defs
from meterhouse.orchestration import once, triggers
from meterhouse.orchestration.workshop import Workshop
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests
from pipelines.dagster_houses import DAYS, told  # noqa: TID251

UNWANTED = {"audit", "weekly_report"}  # the first is slow, the other wants data of last week
PICKED = sorted({key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()} - UNWANTED)


def test_a_load_of_one_late_day_materialises_that_day_and_its_neighbours(dagster_house, tmp_path):
    root, _ = dagster_house
    shutil.copytree(root, tmp_path / "late", symlinks=True)
    raw.segment(tmp_path / "late/bucket", [raw.event("prompt", "2026-03-04T20:00:00Z", key=("late",))], seq=90)
    data = DataDir(tmp_path / "late/data")
    assert once.run(str(tmp_path / "late/bucket"), data).loaded.rows == 1
    with dg.DagsterInstance.from_config(str(data.dagster_home)) as instance:
        run = next(run for run in instance.get_runs() if run.job_name == "build")
        assert (run.tags[triggers.RANGE_START], run.tags[triggers.RANGE_END]) == ("2026-03-03", "2026-03-05")
    assert raw.rows(data, "SELECT count(*) FROM fct_prompts WHERE day = '2026-03-04'") == [(2,)]


@pytest.mark.fault("L10")
def test_a_backfill_rebuilds_exactly_the_days_that_were_asked_for(dagster_house, tmp_path):
    root, _ = dagster_house
    shutil.copytree(root, tmp_path / "again", symlinks=True)
    data = DataDir(tmp_path / "again/data")
    with duckdb.connect(str(data.build)) as db:  # what a backfill repairs
        db.execute("UPDATE fct_requests SET branch = 'damaged'")
    tags = {triggers.RANGE_START: "2026-03-03", triggers.RANGE_END: "2026-03-05"}
    resources = {"workshop": Workshop(raw=str(tmp_path / "again/bucket"), data=str(data.root))}
    with dg.DagsterInstance.from_config(str(data.dagster_home)) as instance:
        job = defs.resolve_job_def("build")
        result = job.execute_in_process(instance=instance, tags=tags, resources=resources)
        assert result.success
        asked = {event.partition for event in result.asset_materializations_for_node("fct_requests")}
    assert asked == {"2026-03-03", "2026-03-04", "2026-03-05"}
    with duckdb.connect(str(data.build), read_only=True) as db:
        assert db.execute("SELECT day FROM fct_requests WHERE branch IS NULL GROUP BY 1 ORDER BY 1").fetchall() == [
            (date(2026, 3, 3),), (date(2026, 3, 4),), (date(2026, 3, 5),)]  # fmt: skip


def test_a_run_of_one_day_that_also_loads_publishes_no_mixture_and_says_what_else_it_built(
    dagster_house, tmp_path, monkeypatch
):
    """As a click on "Materialize all" is: all assets, one partition, no `[storage] lake` set."""
    root, _ = dagster_house
    shutil.copytree(root, tmp_path / "all", symlinks=True)
    bucket, data = tmp_path / "all/bucket", DataDir(tmp_path / "all/data")
    raw.segment(bucket, [raw.event("prompt", "2026-03-02T20:00:00Z", key=("all",))], seq=90)
    with duckdb.connect(str(data.build)) as db:
        db.execute("UPDATE fct_requests SET branch = 'damaged' WHERE day = '2026-03-06'")
    monkeypatch.setenv("METERHOUSE_STORAGE_RAW", str(bucket))
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, partition_key="2026-03-06", asset_selection=[dg.AssetKey(name) for name in PICKED]
        )
        assert result.success
        assert {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()} == set(PICKED)
        for model in ("fct_prompts", "fct_requests"):
            assert instance.get_materialized_partitions(dg.AssetKey(model)) == {"2026-03-01", *DAYS[:2], "2026-03-06"}
        assert told(instance, "fct_prompts", "2026-03-02")["dagster/partition_row_count"] == 2
    assert triggers.due_range(data, Storage(str(bucket))) is None
    assert raw.fingerprint(data) == raw.fingerprint(raw.published(bucket, tmp_path / "plain"))
