"""Dagster sees what the models say, and computes what `meterhouse run --plain` computes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from meterhouse import checks, compaction
from meterhouse.definitions import defs
from meterhouse.lineage import load_lineage
from meterhouse.models import load_models
from meterhouse.orchestration import in_process, once, triggers
from meterhouse.orchestration.workshop import Workshop
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - the folder of these tests

SNAPSHOT = Path(__file__).with_name("dagster_graph.json")
UPDATE = "METERHOUSE_UPDATE_SNAPSHOTS"
DAYS = ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06"]


def graph() -> dict:
    """Keys, dependencies, partitions and checks of every asset; jobs, sensors and schedules by name."""
    nodes = defs.resolve_asset_graph()
    assets = {}
    for key in sorted(nodes.get_all_asset_keys(), key=str):
        node = nodes.get(key)
        assets[key.to_user_string()] = {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "partitions": type(node.partitions_def).__name__ if node.partitions_def else None,
            "group": node.group_name,
            "checks": sorted(check.name for check in nodes.get_check_keys_for_assets({key})),
        }
    repository = defs.get_repository_def()
    return {
        "assets": assets,
        "jobs": sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
        "sensors": sorted(row.name for row in repository.sensor_defs),
        "schedules": {row.name: row.cron_schedule for row in repository.schedule_defs},
    }


def test_the_graph_is_the_one_that_was_agreed():
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(json.dumps(graph(), indent=1) + "\n", encoding="utf-8")
    assert graph() == json.loads(SNAPSHOT.read_bytes()), f"meant? then run this test with {UPDATE}=1 and read the diff"


@pytest.mark.parametrize("name", load_models())
def test_every_model_is_an_asset_with_its_real_dependencies_words_and_checks(name):
    model = load_models()[name]
    nodes = defs.resolve_asset_graph()
    node = nodes.get(dg.AssetKey(name))
    from_lake = {"lake"} if any(row.startswith(("lake_", "load_")) for row in model.reads) else set()
    assert {key.to_user_string() for key in node.parent_keys} == set(model.depends_on) | from_lake
    assert (node.partitions_def is not None) == (model.kind == "daily")
    columns = node.metadata["dagster/column_schema"].columns
    assert {row.name: row.description for row in columns} == {row.name: row.about for row in model.columns.values()}
    lineage = node.metadata["dagster/column_lineage"].deps_by_column
    assert set(lineage) == set(load_lineage()[name])
    assert {dep.asset_key for deps in lineage.values() for dep in deps} <= {
        dg.AssetKey("lake" if row.startswith(("lake_", "load_")) else row) for row in model.reads
    }
    assert {key.name for key in nodes.get_check_keys_for_assets({dg.AssetKey(name)})} == {
        row.name for row in checks.checks_of(model)
    }


def test_sensors_and_schedules_run_without_being_switched_on():
    repository = defs.get_repository_def()
    assert {row.default_status for row in repository.sensor_defs} == {dg.DefaultSensorStatus.RUNNING}
    assert {row.default_status for row in repository.schedule_defs} == {dg.DefaultScheduleStatus.RUNNING}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A small house that Dagster built; `home` is its DAGSTER_HOME."""
    root = tmp_path_factory.mktemp("house")
    for seq, day in enumerate(DAYS, start=1):
        rows = [raw.event(at=f"{day}T10:00:00Z", key=(day, n), response_id=f"msg_{day}{n:020d}") for n in range(seq)]
        raw.segment(root / "bucket", [*rows, raw.event("prompt", f"{day}T09:00:00Z")], seq=seq)
    raw.roster(root / "bucket", ["p1,search,engineer,true,2026-01-01,"], ["search,core,cc1,lead,2026-01-01,"])
    saved = os.environ.pop("DAGSTER_HOME", None)
    outcome = once.run(str(root / "bucket"), DataDir(root / "data"))
    yield root, outcome
    if saved:
        os.environ["DAGSTER_HOME"] = saved


def test_one_run_materialises_everything_and_the_next_command_finds_nothing(house):
    root, outcome = house
    assert outcome.loaded.rows == 20
    assert outcome.published is not None
    command = ("run", "--raw", str(root / "bucket"), "--data", str(root / "data"))
    done = raw.command(*command)
    assert (done.returncode, done.stdout) == (
        0,
        "0 new objects: 0 events loaded, 0 duplicate, 0 quarantined, 0 parked; nothing new to publish\n",
    )
    with dg.DagsterInstance.from_config(str(root / "data" / "dagster")) as instance:
        assert {run.job_name for run in instance.get_runs()} == {"load", "build"}
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
        for name in load_models():
            assert instance.get_latest_materialization_event(dg.AssetKey(name)) is not None, name


def told(instance, asset: str, partition: str | None = None) -> dict:
    """Metadata of the newest materialization, of one partition."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition] if partition else None), 1
    ).records
    return {name: value.value for name, value in records[0].asset_materialization.metadata.items()}


def test_runs_show_rows_bytes_quarantined_lines_and_seconds(house):
    root, _ = house
    shipped = sum(path.stat().st_size for path in (root / "bucket/raw").rglob("*.gz"))
    with dg.DagsterInstance.from_config(str(root / "data" / "dagster")) as instance:
        load, snapshot = told(instance, "lake"), told(instance, "snapshot")
        assert (load["dagster/row_count"], load["bytes"], load["quarantined"]) == (20, shipped, 0)
        assert snapshot["bytes"] == (root / "data/snapshots" / snapshot["file"]).stat().st_size
        assert min(load["seconds"], snapshot["seconds"], told(instance, "fct_requests", DAYS[0])["seconds"]) >= 0
        by_day = {day: told(instance, "fct_requests", day)["dagster/partition_row_count"] for day in DAYS}
    assert by_day == {day: seq for seq, day in enumerate(DAYS, start=1)}


def test_the_nightly_upkeep_compacts_and_vacuums_and_says_so(house, tmp_path, monkeypatch):
    root, _ = house
    shutil.copytree(root / "data", tmp_path / "data", symlinks=True)
    monkeypatch.setattr(compaction, "MAX_FILES", 0)
    resources = {"workshop": Workshop(raw=str(root / "bucket"), data=str(tmp_path / "data"))}
    with dg.DagsterInstance.ephemeral() as instance:
        assert defs.resolve_job_def("upkeep").execute_in_process(instance=instance, resources=resources).success
        metadata = told(instance, "lake_upkeep")
    assert (metadata["days_compacted"], metadata["dagster/row_count"], metadata["files_removed"]) == (10, 20, 0)


def test_dagster_and_the_plain_run_give_the_same_tables(house, tmp_path):
    root, _ = house
    assert raw.fingerprint(root / "data") == raw.fingerprint(raw.published(root / "bucket", tmp_path / "data"))


def test_a_load_of_one_late_day_materialises_that_day_and_its_neighbours(house, tmp_path):
    root, _ = house
    shutil.copytree(root, tmp_path / "late", symlinks=True)
    raw.segment(tmp_path / "late/bucket", [raw.event("prompt", "2026-03-04T20:00:00Z", key=("late",))], seq=90)
    data = DataDir(tmp_path / "late/data")
    assert once.run(str(tmp_path / "late/bucket"), data).loaded.rows == 1
    with dg.DagsterInstance.from_config(str(data.dagster_home)) as instance:
        run = next(run for run in instance.get_runs() if run.job_name == "build")
        assert (run.tags[triggers.RANGE_START], run.tags[triggers.RANGE_END]) == ("2026-03-03", "2026-03-05")
    assert raw.rows(data, "SELECT count(*) FROM fct_prompts WHERE day = '2026-03-04'") == [(2,)]


@pytest.mark.fault("L10")
def test_a_backfill_rebuilds_exactly_the_days_that_were_asked_for(house, tmp_path):
    root, _ = house
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


def test_materialize_all_succeeds_without_a_shared_lake(house, tmp_path, monkeypatch):
    root, _ = house
    shutil.copytree(root, tmp_path / "all", symlinks=True)
    raw.segment(tmp_path / "all/bucket", [raw.event("prompt", "2026-03-02T20:00:00Z", key=("all",))], seq=90)
    data = DataDir(tmp_path / "all/data")
    picked = set(graph()["assets"]) - {"audit", "weekly_report"}  # the first is slow, the other wants data of last week
    monkeypatch.setenv("METERHOUSE_STORAGE_RAW", str(tmp_path / "all/bucket"))
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            partition_key="2026-03-06",
            asset_selection=[dg.AssetKey(name) for name in sorted(picked)],
        )
        assert result.success
        done = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert done == picked
    assert raw.rows(data, "SELECT sum(loaded) FROM rpt_accounting") == [(21,)]


def test_a_broken_promise_fails_the_run_and_publishes_nothing(house, tmp_path):
    root, _ = house
    shutil.copytree(root, tmp_path / "broken", symlinks=True)
    raw.roster(tmp_path / "broken/bucket", ["p1,search,engineer,true,2026-01-01,", "p1,pay,engineer,true,2026-02-01,"])
    data = DataDir(tmp_path / "broken/data")
    before = data.current.resolve()
    for _ in range(2):
        with pytest.raises(Exception, match="periods_do_not_overlap"):
            once.run(str(tmp_path / "broken/bucket"), data)
        assert data.current.resolve() == before


def test_the_sensor_asks_once_for_each_new_listing(house, monkeypatch):
    root, _ = house
    monkeypatch.setenv("METERHOUSE_STORAGE_RAW", str(root / "bucket"))
    first = triggers.new_objects(dg.build_sensor_context())
    assert isinstance(first, dg.RunRequest)
    again = triggers.new_objects(dg.build_sensor_context(cursor=first.run_key))
    assert isinstance(again, dg.SkipReason)


def signalled(bucket: Path, data: DataDir, number: int) -> subprocess.CompletedProcess[str]:
    """`meterhouse run` that gets a signal in the middle of its load."""
    code = (
        f"import os, sys; from meterhouse import __main__, load; load.load = lambda *_: os.kill(os.getpid(), {number:d}); "
        f"sys.exit(__main__.main(['run', '--raw', {str(bucket)!r}, '--data', {str(data.root)!r}]))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.fault("D1")
@pytest.mark.parametrize("ended_by", ["the next command", "the daemon's sensor"])
def test_the_slot_of_a_killed_command_is_free_again(house, tmp_path, monkeypatch, ended_by):
    root, _ = house
    bucket, data = root / "bucket", DataDir(tmp_path / "data")
    assert signalled(bucket, data, signal.SIGKILL).returncode == -signal.SIGKILL
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("METERHOUSE_STORAGE_RAW", str(bucket))
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    with dg.DagsterInstance.from_config(str(data.dagster_home)) as instance:
        (killed,) = instance.get_runs()
        with in_process.alive(instance):  # of a command that lives, nothing is ended
            triggers.due_days(dg.build_sensor_context(instance=instance))
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.STARTED
        if ended_by == "the next command":
            once.run(str(bucket), data)
        else:
            triggers.due_days(dg.build_sensor_context(instance=instance))
        run = instance.get_run_by_id(killed.run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.FAILURE


@pytest.mark.fault("D1")
def test_the_slot_of_a_killed_worker_is_free_again_and_that_of_a_living_one_is_left_alone(house, tmp_path, monkeypatch):
    root, _ = house
    bucket, data = root / "bucket", DataDir(tmp_path / "data")
    data.dagster_home.mkdir(parents=True)
    monkeypatch.setenv("METERHOUSE_STORAGE_RAW", str(bucket))
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    code = (
        "import os, sys, dagster as dg; from meterhouse import load; from meterhouse.definitions import defs; "
        "load.load = lambda *_: os.kill(os.getpid(), 9); "
        "defs.resolve_job_def('load').execute_in_process(instance=dg.DagsterInstance.from_config(sys.argv[1]))"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(data.dagster_home)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    with dg.DagsterInstance.from_config(str(data.dagster_home)) as instance:
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.STARTED
        with in_process.at_work(instance, "another"), in_process.at_work(instance, run.run_id):
            assert in_process.fail_abandoned(instance) == []
        with in_process.at_work(instance, "another"):
            (data.dagster_home / in_process.WORKERS / f"{run.run_id}.lock").touch()
            triggers.due_days(dg.build_sensor_context(instance=instance))
        assert [row.status for row in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


def test_an_interrupted_command_says_so_in_one_line_and_its_run_has_failed(house, tmp_path):
    root, _ = house
    data = DataDir(tmp_path / "data")
    done = signalled(root / "bucket", data, signal.SIGINT)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == "meterhouse: interrupted; what was done is kept, run again to go on"
    assert "Traceback" not in done.stderr
    with dg.DagsterInstance.from_config(str(data.dagster_home)) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
