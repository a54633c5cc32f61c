"""The snapshot as pages see it: one connection a page run, so that a page never mixes two snapshots.

Nothing here writes, and nothing is cached without the snapshot's key in the arguments: it names what its reader may see.
"""

import contextlib
import json
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import streamlit as st

from meterhouse import metrics
from meterhouse.metrics import Figure
from meterhouse.paths import DataDir
from meterhouse.settings import read_settings
from meterhouse.snapshot import reading

if TYPE_CHECKING:
    import pandas

_current: ContextVar["Snapshot"] = ContextVar("snapshot")


@dataclass(frozen=True)
class Snapshot:
    """The published snapshot that this page run reads; its days are None when it holds no events."""

    version: int
    built_at: datetime
    first_day: date | None
    last_day: date | None
    key: str
    db: duckdb.DuckDBPyConnection


@contextlib.contextmanager
def opened() -> Iterator[Snapshot]:
    """Open the current snapshot for one page run; raises MeterhouseError when there is none."""
    data = DataDir(Path(read_settings().require("storage_data")).expanduser())
    with reading(data) as db:
        info = db.execute(
            "SELECT version, built_at, (SELECT min(day) FROM dim_days), (SELECT max(day) FROM dim_days), "
            "(SELECT path FROM duckdb_databases() WHERE database_name = current_database()) FROM snapshot_info"
        ).fetchone()
        assert info is not None, "publish() always writes one row"
        version, built_at, first_day, last_day, path = info
        # a data directory that was deleted and built again reuses the path: the time tells them apart
        token = _current.set(Snapshot(version, built_at, first_day, last_day, f"{path} {built_at}", db))
        try:
            yield _current.get()
        finally:
            _current.reset(token)


def current() -> Snapshot:
    """The snapshot of this page run."""
    return _current.get()


def figures(name: str, start: date, end: date, by: tuple[str, ...] = (), **only: str) -> list[Figure]:
    """A metric's figures, see `meterhouse.metrics.metric`."""
    return _figures(current().key, current().db, name, start, end, by, only)


def rows(statement: str, **parameters: Any) -> "pandas.DataFrame":
    """Rows of a small query on tables that are no metric's business: ledger, quarantine, roster."""
    return _rows(current().key, current().db, statement, parameters)


@st.cache_data(max_entries=5000, show_spinner=False)
def _figures(
    snapshot: str,
    _db: duckdb.DuckDBPyConnection,
    name: str,
    start: date,
    end: date,
    by: tuple[str, ...],
    only: dict[str, str],
) -> list[Figure]:
    return metrics.metric(_db, name, start, end, by, **only)


@st.cache_data(max_entries=500, show_spinner=False)
def _rows(
    snapshot: str, _db: duckdb.DuckDBPyConnection, statement: str, parameters: dict[str, Any]
) -> "pandas.DataFrame":
    return _db.execute(statement, parameters or None).df()


def last_audit() -> dict[str, Any] | None:
    """What Great Expectations found last, as `meterhouse audit` wrote it; None before the first audit."""
    try:
        return json.loads(DataDir(Path(read_settings().require("storage_data")).expanduser()).audit.read_bytes())
    except (OSError, ValueError):
        return None
