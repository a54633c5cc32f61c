"""The catalog: which objects were loaded, what became of every line, and which Parquet files are the lake.

Rows, quarantine, ledger and the lake's file list change in ONE DuckDB transaction; a Parquet file that no committed row
names does not exist (it is swept at the next start). Open it only while holding the run lock.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import duckdb
import polars as pl

from meterhouse import contract
from meterhouse.known_ids import KnownIds
from meterhouse.paths import DataDir

SCHEMA = """
CREATE TABLE IF NOT EXISTS load_ledger (
    object_key VARCHAR, etag VARCHAR, size BIGINT, sha256 VARCHAR, state VARCHAR, sender VARCHAR, epoch VARCHAR, seq BIGINT,
    spooled BIGINT, rows_loaded BIGINT, rows_duplicate BIGINT, rows_quarantined BIGINT, rows_parked BIGINT,
    dropped VARCHAR, settled VARCHAR[], problem VARCHAR, received_at TIMESTAMPTZ, load_seq BIGINT, PRIMARY KEY (object_key, etag));
ALTER TABLE load_ledger ADD COLUMN IF NOT EXISTS settled VARCHAR[];
CREATE TABLE IF NOT EXISTS load_quarantine (
    object_key VARCHAR, byte_start BIGINT, byte_end BIGINT, line_number BIGINT, reason VARCHAR, field VARCHAR, sha256 VARCHAR,
    load_seq BIGINT);
CREATE TABLE IF NOT EXISTS load_parked (
    object_key VARCHAR, byte_start BIGINT, byte_end BIGINT, line_number BIGINT, kind VARCHAR, schema_version BIGINT,
    load_seq BIGINT);
CREATE TABLE IF NOT EXISTS load_attempts (object_key VARCHAR PRIMARY KEY, attempts BIGINT);
CREATE TABLE IF NOT EXISTS load_floor (load_seq BIGINT);
CREATE TABLE IF NOT EXISTS suspect_ids (kind VARCHAR, event_id VARCHAR);
CREATE TABLE IF NOT EXISTS lake_files (
    kind VARCHAR, day DATE, path VARCHAR PRIMARY KEY, row_count BIGINT, load_seq BIGINT);
CREATE TABLE IF NOT EXISTS lake_retired (
    kind VARCHAR, path VARCHAR PRIMARY KEY, replaced_by VARCHAR, retired_at TIMESTAMPTZ);
"""
_DUCKDB_TYPES = {"Int64": "BIGINT", "Boolean": "BOOLEAN", "String": "VARCHAR", "Date": "DATE",
                 "Datetime(time_unit='us', time_zone='UTC')": "TIMESTAMPTZ", "Decimal(precision=38, scale=12)":
                 "DECIMAL(38,12)", "List(String)": "VARCHAR[]"}  # fmt: skip
LEDGER_TABLES: tuple[str, ...] = ("load_ledger", "load_quarantine", "load_parked")


class Catalog:
    """The catalog of one data directory; a context manager that sweeps orphaned files and closes the database."""

    def __init__(self, data: DataDir) -> None:
        self.data = data
        self.known_ids = KnownIds()
        self._forget()
        data.root.mkdir(parents=True, exist_ok=True)
        self.db = duckdb.connect(str(data.catalog), config={"threads": 2})
        self.db.execute("SET TimeZone = 'UTC'")
        self.db.execute(SCHEMA)
        self._sweep()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def _forget(self) -> None:
        """What every model asks for, and any transaction may change."""
        self._load_seq: int | None = None
        self._days_since: dict[int, list[Any]] = {}
        self._rows_by_day: dict[Any, int] | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, also when the process dies inside."""
        self.db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        finally:
            self._forget()
        self.db.execute("COMMIT")

    def insert(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows, given by column name, a slice at a time: a million rejected lines must not be a million dicts."""
        rest = iter(rows)
        while some := list(itertools.islice(rest, 20_000)):
            self.db.register("new_rows", pl.DataFrame(some, infer_schema_length=None).to_arrow())
            self.db.execute(f"INSERT INTO {table} BY NAME SELECT * FROM new_rows")
            self.db.unregister("new_rows")
            self._forget()

    @property
    def load_seq(self) -> int:
        """Number of the last committed load; 0 before the first. It never falls: models have seen all up to theirs."""
        if self._load_seq is None:
            ((seq,),) = self.db.execute(
                "SELECT coalesce(max(load_seq), 0) FROM (SELECT load_seq FROM load_ledger UNION ALL FROM load_floor)"
            ).fetchall()
            self._load_seq = int(seq)
        return self._load_seq

    def keep_number(self, load_seq: int) -> None:
        """Count on from here, also when the row that holds the number is deleted or lies in another catalog."""
        self.db.execute("INSERT INTO load_floor VALUES (?)", [load_seq])
        self._forget()

    def bytes_since(self, load_seq: int) -> int:
        """Bytes, as they lie in storage, of the objects that loads after `load_seq` read."""
        ((size,),) = self.db.execute(
            "SELECT coalesce(sum(size), 0) FROM load_ledger WHERE load_seq > ? AND state = 'loaded'", [load_seq]
        ).fetchall()
        return int(size)

    def days_since(self, load_seq: int) -> Sequence[Any]:
        """Event days that loads after `load_seq` touched."""
        if load_seq not in self._days_since:
            rows = self.db.execute(
                "SELECT DISTINCT day FROM lake_files WHERE load_seq > ? ORDER BY day", [load_seq]
            ).fetchall()
            self._days_since[load_seq] = [day for (day,) in rows]
        return self._days_since[load_seq]

    def rows_by_day(self) -> Mapping[Any, int]:
        """Number of rows of each event day."""
        if self._rows_by_day is None:
            sizes = "SELECT day, CAST(sum(row_count) AS BIGINT) FROM lake_files GROUP BY day"
            self._rows_by_day = dict(self.db.execute(sizes).fetchall())
        return self._rows_by_day

    def files(self, kind: str, days: list[Any] | None = None) -> list[str]:
        """Parquet files of one kind, of all days or of some, as absolute paths in a fixed order."""
        return [*itertools.chain.from_iterable(self.files_by_day(kind, days).values())]

    def files_by_day(self, kind: str, days: list[Any] | None = None) -> dict[Any, list[str]]:
        """The same by event day."""
        where = "" if days is None else "AND day IN (SELECT unnest(?::DATE[]))"
        rows = self.db.execute(
            f"SELECT day, path FROM lake_files WHERE kind = ? {where} ORDER BY day, load_seq, path",
            [kind] if days is None else [kind, days],
        ).fetchall()
        found: dict[Any, list[str]] = {}
        for day, path in rows:
            found.setdefault(day, []).append(str(self.data.lake / path))
        return found

    def _sweep(self) -> None:
        """Delete Parquet files that a killed load wrote and never committed; those that older versions name are vacuum's."""
        rows = self.db.execute("SELECT path FROM lake_files UNION ALL SELECT path FROM lake_retired").fetchall()
        known = {path for (path,) in rows}
        for kind in contract.kinds():
            for file in (self.data.lake / kind).glob("day=*/*.parquet"):
                if str(file.relative_to(self.data.lake)) not in known:
                    file.unlink()


def lake_path(kind: str, day: Any, load_seq: int, suffix: str = "") -> Path:
    """Where the rows of one kind and day of one load lie, or those up to it, relative to the lake."""
    return Path(kind) / f"day={day.isoformat()}" / f"{load_seq:08d}{suffix}.parquet"


def rows_of(kind: contract.Kind, files: Iterable[str]) -> str:
    """A SELECT of all rows of some files of one kind, with every column of the contract: those that older files lack are NULL."""
    empty = ", ".join(f"NULL::{_DUCKDB_TYPES[str(type_)]} AS {name}" for name, type_ in kind.columns.items())
    source = f"SELECT {empty} WHERE false"
    if names := ", ".join("'" + file.replace("'", "''") + "'" for file in files):
        source += (
            f" UNION ALL BY NAME SELECT * FROM read_parquet([{names}], union_by_name = true, hive_partitioning = false)"
        )
    return source
