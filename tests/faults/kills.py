"""Kills work for real: a child of a warm fork server does it and gets SIGKILL before its n-th statement or file move.

The server holds the imports and nothing else: no thread, no database, so that a fork of it is a fresh interpreter.
"""

import contextlib
import errno
import multiprocessing
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOVES = ("fsync", "rename", "replace", "unlink", "symlink")
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    ["meterhouse.run", "meterhouse.rebuild", "deltalake", "polars", "duckdb", "obstore", "pytest"]
)


def child(work: Callable[..., Any], *arguments: Any) -> multiprocessing.Process:
    """Start work in a child; narration goes nowhere."""
    process = _forks.Process(target=_quietly, args=(work, arguments))
    process.start()
    return process


def killed_at(number: int, work: Callable[..., Any], *arguments: Any) -> bool:
    """Do work in a child that dies before its n-th boundary; False when it was done before. 0 never kills."""
    process = child(_with_failpoint, number, None, work, arguments)
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), f"boundary {number}: exit code {process.exitcode}"
    return process.exitcode != 0


def killed_after(seconds: float, work: Callable[..., Any], *arguments: Any) -> bool:
    """Do work in a child that is killed after a while, in the middle of whatever it does."""
    process = child(work, *arguments)
    process.join(timeout=seconds)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), f"exit code {process.exitcode}"
    return process.exitcode != 0


def failed_at(number: int, work: Callable[..., Any], *arguments: Any) -> bool:
    """Do work in a child whose n-th boundary answers that the disk is full; False when it was done before."""
    process = child(_with_failpoint, number, errno.ENOSPC, work, arguments)
    process.join()
    assert process.exitcode in (0, 1), f"boundary {number}: exit code {process.exitcode}"
    return process.exitcode != 0


def full_disk(limit: int, work: Callable[..., Any], *arguments: Any) -> bool:
    """Do work in a child whose files cannot grow beyond `limit` bytes: the kernel refuses the write, as on a full disk."""
    process = child(_with_small_files, limit, work, arguments)
    process.join()
    assert process.exitcode in (0, 1), f"{limit} bytes: exit code {process.exitcode}"
    return process.exitcode != 0


def boundaries(count: Path, work: Callable[..., Any], *arguments: Any) -> int:
    """How many boundaries undisturbed work has."""
    process = child(_counted, str(count), work, arguments)
    process.join()
    assert process.exitcode == 0
    return int(count.read_text())


def _quietly(work: Callable[..., Any], arguments: tuple) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    work(*arguments)


def _with_failpoint(number: int, error: int | None, work: Callable[..., Any], arguments: tuple) -> None:
    with Failpoint(number, error):
        work(*arguments)


def _counted(count: str, work: Callable[..., Any], arguments: tuple) -> None:
    with Failpoint(0, None) as point:
        work(*arguments)
    Path(count).write_text(str(point.passed))


def _with_small_files(limit: int, work: Callable[..., Any], arguments: tuple) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    work(*arguments)


class Failpoint(contextlib.ExitStack):
    """Counts statements of DuckDB and moves of files; at the n-th the process dies, or the call fails."""

    def __init__(self, number: int, error: int | None) -> None:
        super().__init__()
        self.passed, self._number, self._error = 0, number, error
        import duckdb

        connect = duckdb.connect
        self._patch(duckdb, "connect", lambda *args, **more: _Connection(connect(*args, **more), self))
        for name in MOVES:
            self._patch(os, name, self._guarded(getattr(os, name)))
        self._patch(shutil, "copyfile", self._guarded(shutil.copyfile))

    def boundary(self) -> None:
        """One more; it may be the last."""
        self.passed += 1
        if self.passed == self._number:
            if self._error is None:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(self._error, os.strerror(self._error), "disk")

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **more: Any) -> Any:
            self.boundary()
            return function(*args, **more)

        return guarded

    def _patch(self, owner: Any, name: str, value: Any) -> None:
        self.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, value)


class _Connection:
    """A connection whose statements are boundaries."""

    def __init__(self, db: Any, point: Failpoint) -> None:
        self._db, self._point = db, point

    def __getattr__(self, name: str) -> Any:
        if name in ("execute", "executemany", "sql"):
            return self._point._guarded(getattr(self._db, name))
        return getattr(self._db, name)

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
