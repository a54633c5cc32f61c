"""Dagster sees what the models say, and computes what `meterhouse run --plain` computes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from meterhouse import checks, compaction
from meterhouse.definitions import defs
from meterhouse.lineage import load_lineage
from meterhouse.models import load_models
from meterhouse.orchestration import in_process, once, triggers
from meterhouse.orchestration.workshop import Workshop
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - the folder of these tests
from pipelines.dagster_houses import DAYS, told  # noqa: TID251

SNAPSHOT = Path(__file__).with_name("dagster_graph.json")
UPDATE = "METERHOUSE_UPDATE_SNAPSHOTS"


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


def test_one_run_materialises_everything_and_the_next_command_finds_nothing(dagster_house):
    root, outcome = dagster_house
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


def test_runs_show_rows_bytes_quarantined_lines_and_seconds(dagster_house):
    root, _ = dagster_house
    shipped = sum(path.stat().st_size for path in (root / "bucket/raw").rglob("*.gz"))
    with dg.DagsterInstance.from_config(str(root / "data" / "dagster")) as instance:
        load, snapshot = told(instance, "lake"), told(instance, "snapshot")
        assert (load["dagster/row_count"], load["bytes"], load["quarantined"]) == (20, shipped, 0)
        assert snapshot["bytes"] == (root / "data/snapshots" / snapshot["file"]).stat().st_size
        assert min(load["seconds"], snapshot["seconds"], told(instance, "fct_requests", DAYS[0])["seconds"]) >= 0
        by_day = {day: told(instance, "fct_requests", day)["dagster/partition_row_count"] for day in DAYS}
    assert by_day == {day: seq for seq, day in enumerate(DAYS, start=1)}


def test_the_nightly_upkeep_compacts_and_vacuums_and_says_so(dagster_house, tmp_path, monkeypatch):
    root, _ = dagster_house
    shutil.copytree(root / "data", tmp_path / "data", symlinks=True)
    monkeypatch.setattr(compaction, "MAX_FILES", 0)
    resources = {"workshop": Workshop(raw=str(root / "bucket"), data=str(tmp_path / "data"))}
    with dg.DagsterInstance.ephemeral() as instance:
        assert defs.resolve_job_def("upkeep").execute_in_process(instance=instance, resources=resources).success
        metadata = told(instance, "lake_upkeep")
    assert (metadata["days_compacted"], metadata["dagster/row_count"], metadata["files_removed"]) == (10, 20, 0)


def test_dagster_and_the_plain_run_give_the_same_tables(dagster_house, tmp_path):
    root, _ = dagster_house
    assert raw.fingerprint(root / "data") == raw.fingerprint(raw.published(root / "bucket", tmp_path / "data"))


def test_a_broken_promise_fails_the_run_and_publishes_nothing(dagster_house, tmp_path):
    root, _ = dagster_house
    shutil.copytree(root, tmp_path / "broken", symlinks=True)
    raw.roster(tmp_path / "broken/bucket", ["p1,search,engineer,true,2026-01-01,", "p1,pay,engineer,true,2026-02-01,"])
    data = DataDir(tmp_path / "broken/data")
    before = data.current.resolve()
    for _ in range(2):
        with pytest.raises(Exception, match="periods_do_not_overlap"):
            once.run(str(tmp_path / "broken/bucket"), data)
        assert data.current.resolve() == before


def test_the_sensor_asks_once_for_each_new_listing(dagster_house, monkeypatch):
    root, _ = dagster_house
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
def test_the_slot_of_a_killed_command_is_free_again(dagster_house, tmp_path, monkeypatch, ended_by):
    root, _ = dagster_house
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
def test_the_slot_of_a_killed_worker_is_free_again_and_that_of_a_living_one_is_left_alone(
    dagster_house, tmp_path, monkeypatch
):
    root, _ = dagster_house
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


def test_an_interrupted_command_says_so_in_one_line_and_its_run_has_failed(dagster_house, tmp_path):
    root, _ = dagster_house
    data = DataDir(tmp_path / "data")
    done = signalled(root / "bucket", data, signal.SIGINT)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == "meterhouse: interrupted; what was done is kept, run again to go on"
    assert "Traceback" not in done.stderr
    with dg.DagsterInstance.from_config(str(data.dagster_home)) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
