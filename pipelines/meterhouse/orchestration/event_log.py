"""Dagster's SQLite event log with connections that stay open: one a file and process, closed when the block ends.

Dagster opens, prepares and closes a connection several times for each event. A run of everything has some 1,400, half of them of
checks: two thirds of its time. Rows, files and locks stay Dagster's; a log kept elsewhere (PostgreSQL) is left alone.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import event
from sqlalchemy.pool import StaticPool


@contextlib.contextmanager
def kept_open(instance: dg.DagsterInstance) -> Iterator[None]:
    """Within the block, the instance's event log keeps its connections; blocks in such a block change nothing."""
    log = instance.event_log_storage
    if not isinstance(log, SqliteEventLogStorage) or "run_connection" in vars(log):
        yield
        return
    kept = _Connections(log)
    changed: Any = log
    changed.run_connection, changed.index_connection = kept.of, lambda: kept.of(INDEX_SHARD_NAME)
    changed.has_table = functools.cache(log.has_table)  # asked at each event of a check
    try:
        yield
    finally:
        del changed.run_connection, changed.index_connection, changed.has_table
        kept.close()


class _Connections:
    """One connection a file, taken by one thread at a time."""

    def __init__(self, log: SqliteEventLogStorage) -> None:
        self._log, self._make = log, log.run_connection
        self._lock = threading.Lock()
        self._engines: dict[str, sqlalchemy.Engine] = {}

    @contextlib.contextmanager
    def of(self, run_id: str) -> Iterator[sqlalchemy.Connection]:
        """A transaction on the file of a run, or of the index, which Dagster itself makes when it is asked for the first time."""
        with self._lock:
            if run_id not in self._engines:
                with self._make(run_id):
                    self._engines[run_id] = self._engine(run_id)
            with self._engines[run_id].begin() as connection:
                sqlite: Any = connection.connection.driver_connection
                before = sqlite.total_changes
                yield connection
            is_changed = sqlite.total_changes != before
        if is_changed:  # Dagster's UI watches the file, which SQLite now leaves alone for long
            os.utime(self._log.path_for_shard(run_id))

    def _engine(self, shard: str) -> sqlalchemy.Engine:
        engine = sqlalchemy.create_engine(
            self._log.conn_string_for_shard(shard),
            poolclass=StaticPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
        # a power cut may cost the last events of a log, not its files; a killed process costs nothing
        event.listen(engine, "connect", lambda opened, _: opened.execute("PRAGMA synchronous = NORMAL"))
        return engine

    def close(self) -> None:
        with self._lock:
            for engine in self._engines.values():
                engine.dispose()
            self._engines.clear()
