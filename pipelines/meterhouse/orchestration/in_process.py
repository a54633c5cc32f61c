"""Which runs still have a process: a killed one would show its run as started, and keep the only slot, for hours.

Each process holds a shared lock that the kernel lets go of when it dies: a command one for all its runs, because Dagster has no
worker of theirs to watch, and a worker of the daemon's one a run, because Dagster's default launcher never looks after it.
Whoever gets the whole lock knows that nobody is alive, and that what still looks busy was abandoned.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

TAGS = {"meterhouse/in_process": "true"}
LOCK = "in_process.lock"  # in the Dagster home
WORKERS = "workers"  # a folder there, with a file for each run of the daemon's
BUSY = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING]  # fmt: skip


@contextlib.contextmanager
def alive(instance: dg.DagsterInstance) -> Iterator[None]:
    """Be known as a living command for as long as the block runs."""
    with _shared(Path(instance.root_directory) / LOCK):
        yield


@contextlib.contextmanager
def at_work(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Be known as the living worker of a run for as long as the block runs."""
    path = _worker(instance, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _shared(path):
        try:
            yield
        finally:  # under the lock: a file without a lock is a dead worker's
            path.unlink(missing_ok=True)


def fail_abandoned(instance: dg.DagsterInstance) -> list[str]:
    """End the runs of killed processes as failed, so that queued ones get the slot; gives their ids."""
    ended = []
    for run in instance.get_runs(dg.RunsFilter(statuses=BUSY)):
        is_command = TAGS.items() <= run.tags.items()
        path = Path(instance.root_directory) / LOCK if is_command else _worker(instance, run.run_id)
        with _whole(path) as is_dead:
            if is_dead and _is_busy(instance, run.run_id):  # asked again: it may have ended since it was listed
                told = "The process that ran it was killed; the next run goes on from there."
                instance.report_run_failed(run, told)
                _worker(instance, run.run_id).unlink(missing_ok=True)
                ended.append(run.run_id)
    return ended


def _is_busy(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status in BUSY


def _worker(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / WORKERS / f"{run_id}.lock"


@contextlib.contextmanager
def _shared(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[bool]:
    """Whether a process once held the lock and none does; a run whose process has not begun, or has ended well, has no file."""
    try:
        file = path.open()
    except OSError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield path.exists()
