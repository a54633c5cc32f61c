"""Dagster's event log with connections that stay open: the same rows, seen by others at once."""

import threading

import dagster as dg
import pytest

from meterhouse.orchestration.event_log import kept_open

DAY = "2026-03-02"


@dg.asset(partitions_def=dg.DailyPartitionsDefinition(DAY, end_date="2026-03-09"),
          check_specs=[dg.AssetCheckSpec("holds", asset="counted")])  # fmt: skip
def counted():
    return dg.MaterializeResult(
        metadata={"dagster/row_count": 3}, check_results=[dg.AssetCheckResult(passed=False, metadata={"bad_rows": 1})]
    )


def seen(home) -> dict:
    """What a process of its own, such as Dagster's UI, reads of the asset, its check and its runs."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        (run,) = instance.get_runs()
        materialization = instance.get_latest_materialization_event(counted.key).asset_materialization
        (check,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([counted.check_key]).values()
        return {
            "run": run.status,
            "events": [(row.dagster_event_type, row.step_key) for row in instance.all_logs(run.run_id)],
            "partitions": instance.get_materialized_partitions(counted.key),
            "rows": materialization.metadata["dagster/row_count"].value,
            "check": check.status,
        }


def execute(instance) -> None:
    assert dg.materialize([counted], partition_key=DAY, instance=instance, raise_on_error=False).success


@pytest.fixture
def homes(tmp_path):
    for name in ("kept", "plain"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_a_run_leaves_the_rows_that_dagster_alone_leaves(homes):
    with dg.DagsterInstance.from_config(str(homes / "kept")) as instance, kept_open(instance):
        execute(instance)
        during = seen(homes / "kept")
    with dg.DagsterInstance.from_config(str(homes / "plain")) as instance:
        execute(instance)
    assert during == seen(homes / "kept") == seen(homes / "plain")
    assert during["partitions"] == {DAY}


def test_who_watches_a_run_is_told_of_its_events_before_the_connections_are_closed(homes):
    """The UI watches the file of the run, which SQLite leaves alone while a connection stays open."""
    with (
        dg.DagsterInstance.from_config(str(homes / "kept")) as instance,
        dg.DagsterInstance.from_config(str(homes / "kept")) as other,
        kept_open(instance),
    ):
        run = instance.create_run_for_job(dg.Definitions([counted]).resolve_implicit_global_asset_job_def())
        instance.report_engine_event("first", run)
        told, is_told = [], threading.Event()

        def see(entry, _):
            told.append(entry.user_message or entry.message)
            if told[-1] == "second":
                is_told.set()

        other.watch_event_logs(run.run_id, None, see)
        instance.report_engine_event("second", run)
        assert is_told.wait(60), told
        other.end_watch_event_logs(run.run_id, see)


def test_blocks_may_be_nested_and_dagster_has_its_log_back_after_the_last(homes):
    with dg.DagsterInstance.from_config(str(homes / "kept")) as instance:
        before = dict(vars(instance.event_log_storage))
        with kept_open(instance):
            with kept_open(instance):
                execute(instance)
            assert instance.get_latest_materialization_event(counted.key)
        assert vars(instance.event_log_storage).keys() == before.keys()
        execute(instance)
    assert not list(homes.glob("kept/history/runs/*-wal"))


def test_a_log_that_is_not_of_files_is_left_alone():
    with dg.DagsterInstance.ephemeral() as instance, kept_open(instance):
        execute(instance)
        assert instance.get_latest_materialization_event(counted.key)


def test_threads_take_turns(homes):
    with dg.DagsterInstance.from_config(str(homes / "kept")) as instance, kept_open(instance):
        run = instance.create_run_for_job(dg.Definitions([counted]).resolve_implicit_global_asset_job_def())
        threads = [threading.Thread(target=instance.report_engine_event, args=(f"from {n}", run)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {f"from {n}" for n in range(8)} <= {row.message for row in instance.all_logs(run.run_id)}
