"""Compares what was built with what is published: rows and an order-free hash of each table, and why they may differ."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from meterhouse.build import Builder
from meterhouse.catalog import LEDGER_TABLES
from meterhouse.paths import DataDir

INTERNAL = {"load_seq", "etag"}  # how a load was numbered and how storage names bytes is no content
PASSED = (
    "SELECT * FROM load_ledger WHERE state NOT IN ('changed', 'restored')"  # what was noticed later, of other bytes
)


@dataclass(frozen=True)
class Content:
    """Row count and hash of all rows, whatever their order, over the columns that both sides have."""

    rows: int
    digest: str


@dataclass(frozen=True)
class Compared:
    """One table; `before` is None where it was not published."""

    table: str
    now: Content
    before: Content | None
    columns: tuple[str, ...]
    """Columns that only one side has."""
    is_changed_code: bool
    """Whether the model's SQL, or a seed it reads, is another than when it was built."""

    @property
    def is_equal(self) -> bool:
        """Same rows, same columns."""
        return self.now == self.before and not self.columns

    @property
    def verdict(self) -> str:
        """One word, and of what differs how."""
        if self.before is None:
            return "new"
        if self.is_equal:
            return "equal"
        columns = f", columns on one side: {', '.join(self.columns)}" if self.columns else ""
        why = ", its SQL or a seed has changed" if self.is_changed_code else ""
        return f"differs: had {self.before.rows} rows, {self.before.digest}{columns}{why}"


def compare(builder: Builder, live: DataDir) -> list[Compared]:
    """Every public table of a builder beside that of the snapshot of another data directory."""
    db, names = builder.db, [model.name for model in builder.models.values() if model.is_public]
    before = _fingerprints(live.build)
    published = _attach(db, live)
    done = []
    for name in (*names, *LEDGER_TABLES):
        now, then = _columns(db, name), _columns(db, f"published.{name}") if name in published else set()
        common = sorted((now & then or now) - INTERNAL)
        done.append(
            Compared(
                name,
                _content(db, name, common),
                _content(db, f"published.{name}", common) if then else None,
                tuple(sorted(now ^ then)) if then else (),
                name in before and before[name] != builder.fingerprints[name],
            )
        )
    if published:
        db.execute("DETACH published")
    return done


def _attach(db: duckdb.DuckDBPyConnection, live: DataDir) -> set[str]:
    """Names of the published tables; none when there is no snapshot, or none that can be read."""
    if not live.current.exists():
        return set()
    path = str(live.current.resolve()).replace("'", "''")
    try:
        db.execute(f"ATTACH '{path}' AS published (READ_ONLY)")
    except duckdb.Error:
        return set()
    return {name for (name,) in db.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'published'").fetchall()}  # fmt: skip


def _columns(db: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    return {row[0] for row in db.execute(f"DESCRIBE {table}").fetchall()}


def _content(db: duckdb.DuckDBPyConnection, table: str, columns: list[str]) -> Content:
    rows = f"({PASSED.replace('load_ledger', table)})" if table.endswith("load_ledger") else table
    row = db.execute(f"SELECT count(*), sum(hash({', '.join(columns)})::HUGEINT) FROM {rows}").fetchone()
    count, total = row or (0, 0)
    return Content(int(count), f"{int(total or 0) % 2**64:016x}")


def _fingerprints(build: Path) -> dict[str, str]:
    """Of the models as they were built last; none where that is not known."""
    if not build.exists():
        return {}
    try:
        with duckdb.connect(str(build)) as db:
            return dict(db.execute("SELECT model, fingerprint FROM model_state").fetchall())
    except duckdb.Error:
        return {}
