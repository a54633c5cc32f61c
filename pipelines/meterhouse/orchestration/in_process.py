"""Runs inside a command's own process: Dagster has no worker of theirs to watch, so a killed one would keep its slot.

Each such process holds a shared lock that the kernel lets go of when it dies. Whoever gets the whole lock knows that
none is alive, and that every run of theirs which still looks busy was abandoned.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

TAGS = {"meterhouse/in_process": "true"}
LOCK = "in_process.lock"  # in the Dagster home
BUSY = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING]  # fmt: skip


@contextlib.contextmanager
def alive(instance: dg.DagsterInstance) -> Iterator[None]:
    """Be known as alive for as long as the block runs."""
    with _lock_file(instance).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def fail_abandoned(instance: dg.DagsterInstance) -> list[str]:
    """End the runs of killed processes as failed, so that queued ones get the slot; gives their ids."""
    with _lock_file(instance).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return []
        runs = instance.get_runs(dg.RunsFilter(tags=TAGS, statuses=BUSY))
        for run in runs:
            instance.report_run_failed(run, "The command that ran it was killed; the next run goes on from there.")
        return [run.run_id for run in runs]


def _lock_file(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / LOCK
