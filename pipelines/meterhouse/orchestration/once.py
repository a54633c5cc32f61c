"""One run without a daemon, in this process, kept in the data directory's Dagster home so that the UI shows it."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from meterhouse import load as loading
from meterhouse.definitions import defs
from meterhouse.errors import CheckError
from meterhouse.orchestration import event_log, in_process, triggers
from meterhouse.orchestration.workshop import Workshop
from meterhouse.paths import DataDir
from meterhouse.run import Outcome
from meterhouse.storage import Storage


def run(raw: str, data: DataDir) -> Outcome:
    """Materialise everything new once, in this process; the runs are kept in the data directory's Dagster home."""
    with _instance(data) as instance, in_process.alive(instance):
        resources = {"workshop": Workshop(raw=raw, data=str(data.root))}
        first = _execute(triggers.load_job, instance, resources, {})
        loaded = _loaded(first)
        tags = triggers.due_range(data, Storage(raw))
        if tags is None:
            return Outcome(loaded, [], None)
        _execute(triggers.build_job, instance, resources, tags)
    return Outcome(loaded, [], data.current.resolve())


@contextlib.contextmanager
def _instance(data: DataDir) -> Iterator[dg.DagsterInstance]:
    """The Dagster home of a data directory, made with our settings; DAGSTER_HOME wins."""
    home = Path(os.environ.get("DAGSTER_HOME") or data.dagster_home)
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_bytes((Path(__file__).parent / "dagster.yaml").read_bytes())
    with dg.DagsterInstance.from_config(str(home)) as instance, event_log.kept_open(instance):
        in_process.fail_abandoned(instance)
        yield instance


def _execute(
    job: Any, instance: dg.DagsterInstance, resources: Mapping[str, Any], tags: Mapping[str, str]
) -> dg.ExecuteInProcessResult:
    resolved = defs.resolve_job_def(job.name)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    try:
        return resolved.execute_in_process(quiet, instance, tags={**tags, **in_process.TAGS}, resources=dict(resources))
    except dg.DagsterExecutionInterruptedError:  # Dagster's word for Ctrl-C and SIGTERM; the run is recorded as failed
        raise KeyboardInterrupt from None
    except dg.DagsterError as error:  # a broken promise stops the run with Dagster's own error: say it as the core does
        raise CheckError(
            f"{' '.join(str(error).split())}; nothing was published, see the run in Dagster's UI"
        ) from error


def _loaded(result: dg.ExecuteInProcessResult) -> loading.Loaded:
    (materialization,) = result.asset_materializations_for_node("lake")
    told: dict[str, Any] = {key: value.value for key, value in materialization.metadata.items()}
    return loading.Loaded(
        told["objects"],
        told["dagster/row_count"],
        told["duplicates"],
        told["quarantined"],
        told["parked"],
        told["problems"],
    )
