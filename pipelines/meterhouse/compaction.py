"""Compaction: a day of one kind that lies in many files becomes one file, sorted by session, with the very same rows.

The catalog replaces the files in one transaction, after the new one is durable and proven equal. The old ones stay for
whoever reads an older version, until `vacuum`; a kill at any moment leaves the day in its old files or in its new one.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from meterhouse import contract, delta
from meterhouse.catalog import Catalog, lake_path, rows_of
from meterhouse.durable import fsync
from meterhouse.errors import MeterhouseError

MAX_FILES = 10  # of a closed day: at 100, scans take seven times as long and look-ups 35 times
MAX_OPEN_FILES = 100  # of a day that still grows: rewriting it is work to be done again
OPEN_DAYS = 2  # today and yesterday, UTC
ORDER = "session_id, occurred_at, event_id"  # what is asked together lies together, and compresses
MEMORY = "1GB"  # a larger day is sorted on disk


@dataclass(frozen=True)
class Compacted:
    """One day of one kind: how many files and bytes became one file of how many bytes."""

    kind: str
    day: date
    files: int
    rows: int
    bytes_before: int
    bytes_after: int


def compact(catalog: Catalog, today: date | None = None) -> list[Compacted]:
    """Rewrite each day that lies in too many files, one commit a day; gives what was rewritten, nothing when nothing is due."""
    delta.follow(catalog)  # the tables must name the old files before they can drop them for the new one
    done = []
    for kind, day in _due(catalog, today or datetime.now(UTC).date()):
        done.append(_compact_day(catalog, contract.kinds()[kind], day))
        print(f"compacted {kind} of {day}: {done[-1].files} files, {done[-1].rows} rows", file=sys.stderr)
    if done:
        delta.follow(catalog)
    return done


def summary(done: list[Compacted]) -> str:
    """One line for the user."""
    before, after = sum(row.bytes_before for row in done), sum(row.bytes_after for row in done)
    files = sum(row.files for row in done)
    return f"{len(done)} days compacted: {files} files of {before} bytes became {len(done)} of {after}"


def _due(catalog: Catalog, today: date) -> Iterator[tuple[str, date]]:
    rows = catalog.db.execute(
        "SELECT kind, day FROM lake_files GROUP BY kind, day HAVING count(*) > if(day > ?, ?, ?) ORDER BY kind, day",
        [today - timedelta(days=OPEN_DAYS), MAX_OPEN_FILES, MAX_FILES],
    ).fetchall()
    return ((kind, day) for kind, day in rows if kind in contract.kinds())


def _compact_day(catalog: Catalog, kind: contract.Kind, day: date) -> Compacted:
    old = catalog.files(kind.name, [day])
    row = catalog.db.execute("SELECT max(load_seq) FROM lake_files WHERE kind = ? AND day = ?", [kind.name, day])
    ((load_seq,),) = row.fetchall()  # models that have seen it have seen all; the next file of the day has a later one
    path = lake_path(kind.name, day, load_seq, ".compacted")
    new = catalog.data.lake / path
    row_count = _rewrite(catalog, kind, old, new)
    with catalog.transaction():
        catalog.db.execute(
            "INSERT INTO lake_retired SELECT kind, path, ?, ? FROM lake_files WHERE kind = ? AND day = ?",
            [str(path), datetime.now(UTC), kind.name, day],
        )
        catalog.db.execute("DELETE FROM lake_files WHERE kind = ? AND day = ?", [kind.name, day])
        catalog.db.execute("INSERT INTO lake_files VALUES (?, ?, ?, ?, ?)",
                           [kind.name, day, str(path), row_count, load_seq])  # fmt: skip
    sizes = [Path(file).stat().st_size for file in old]
    return Compacted(kind.name, day, len(old), row_count, sum(sizes), new.stat().st_size)


def _rewrite(catalog: Catalog, kind: contract.Kind, old: list[str], new: Path) -> int:
    """Write all rows into one file and make it durable; gives their number, or raises when the content is not the same."""
    spill = catalog.data.root / "compaction.tmp"
    try:
        with duckdb.connect(config={"threads": 2, "memory_limit": MEMORY, "temp_directory": str(spill)}) as db:
            db.execute("SET TimeZone = 'UTC'")
            target = str(new).replace("'", "''")
            db.execute(
                f"COPY (SELECT * FROM ({rows_of(kind, old)}) ORDER BY {ORDER}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
            )
            before, after = _content(db, kind, old), _content(db, kind, [str(new)])
    finally:
        shutil.rmtree(spill, ignore_errors=True)
    if before != after:
        new.unlink()
        raise MeterhouseError(
            f"{new}: holds other rows than the {len(old)} files it replaces; nothing was replaced, report it"
        )
    for path in (new, new.parent):
        fsync(path)
    return before[0]


def _content(db: duckdb.DuckDBPyConnection, kind: contract.Kind, files: list[str]) -> tuple[int, int]:
    """Number of rows and a hash that does not depend on their order."""
    (found,) = db.execute(
        f"SELECT count(*), coalesce(sum(hash(t)::HUGEINT), 0) FROM ({rows_of(kind, files)}) AS t"
    ).fetchall()
    return found
