"""Ctrl-C twice ends a command at once: every step is safe from being killed, and DuckDB may answer the first one never.

DuckDB lets its workers finish the task they are at, which for a join of everything with everything can be hours. Meanwhile no
handler written in Python is run, whoever set it (Dagster sets its own); the byte that the interpreter writes at each signal is.
"""

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 2.0  # seconds until somebody who waits is told what else to do
_marks: set[Path] = set()


@contextlib.contextmanager
def ends_at_second() -> Iterator[None]:
    """Within the block, the second Ctrl-C ends the process with exit code 130; outside the main thread, nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)


@contextlib.contextmanager
def marked(path: Path) -> Iterator[None]:
    """Leave an empty file there when the block is ended at once, so that nobody takes it for a crash."""
    _marks.add(path)
    try:
        yield
    finally:
        _marks.discard(path)


def _watch(reader: int) -> None:
    with os.fdopen(reader, "rb", buffering=0) as signals:
        if not _interrupted(signals):
            return
        if not select.select([signals], [], [], PATIENCE)[0]:
            _tell("waiting for a step to end; Ctrl-C again ends it at once")
        if _interrupted(signals):
            for path in tuple(_marks):  # the other thread may be leaving a block
                with contextlib.suppress(OSError):
                    path.touch()
            _tell("ended at once; what was done is kept, run again to go on").join(PATIENCE)
            os._exit(130)


def _interrupted(signals) -> bool:
    """Wait for Ctrl-C; False when the block ended first."""
    while number := signals.read(1):
        if number[0] == signal.SIGINT:
            return True
    return False


def _tell(what: str) -> threading.Thread:
    """Write to stderr without waiting: Ctrl-C may have ended its reader too, and a full pipe takes nothing."""

    def write() -> None:
        with contextlib.suppress(OSError):
            os.write(2, f"meterhouse: {what}\n".encode())

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread
