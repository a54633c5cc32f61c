"""Kinds of which a model reads all days: their rows are kept in the working database, for opening a file a day costs more than they do.

`kept_<kind>` has the rows of the files that `kept_files` names, by the name that each has in its day's folder; a day whose files are
others by now is copied again.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from meterhouse import contract
from meterhouse.catalog import Catalog, rows_of
from meterhouse.models import Model

SCHEMA = "CREATE TABLE IF NOT EXISTS kept_files (kind VARCHAR, day DATE, file VARCHAR)"


def rows(
    db: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    kind: str,
    days: list[date] | None,
    reader: Model,
    run: Callable[[str], object],
) -> str:
    """A SELECT of the kind's rows in the lake, of some days or of all. `run` executes what reads files, and explains what it raises."""
    if days is not None or reader.kind == "view":  # a view may be shown any kind and is not read here
        return rows_of(contract.kinds()[kind], catalog.files(kind, days))
    _follow(db, catalog, kind, run)
    return f"SELECT * FROM kept_{kind}"


def _follow(db: duckdb.DuckDBPyConnection, catalog: Catalog, kind: str, run: Callable[[str], object]) -> None:
    table = f"kept_{kind}"
    kept: dict[date, list[str]] = {}
    if _columns(db, table) == [*contract.kinds()[kind].columns]:
        kept = dict(db.execute("SELECT day, list(file ORDER BY rowid) FROM kept_files WHERE kind = ? GROUP BY day", [kind]).fetchall())  # fmt: skip
    else:
        db.execute("DELETE FROM kept_files WHERE kind = ?", [kind])
        db.execute(f"CREATE OR REPLACE TABLE {table} AS {rows_of(contract.kinds()[kind], ())}")
    lake = catalog.files_by_day(kind)
    named = {day: [Path(file).name for file in files] for day, files in lake.items()}
    other = [day for day in kept.keys() | named.keys() if kept.get(day) != named.get(day)]
    if other:
        of_days = "day IN (SELECT unnest(?::DATE[]))"
        db.execute(f"DELETE FROM {table} WHERE {of_days}", [other])
        db.execute(f"DELETE FROM kept_files WHERE kind = ? AND {of_days}", [kind, other])
        fresh = [(day, file) for day in other for file in lake.get(day, ())]
        source = rows_of(contract.kinds()[kind], (file for _, file in fresh))
        # a file of later code may have columns that this code does not know
        run(f"INSERT INTO {table} SELECT {', '.join(contract.kinds()[kind].columns)} FROM ({source})")
        db.execute("INSERT INTO kept_files SELECT ?, unnest(?::DATE[]), unnest(?::VARCHAR[])",
                   [kind, [day for day, _ in fresh], [Path(file).name for _, file in fresh]])  # fmt: skip


def _columns(db: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    rows = db.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", [table])
    return [name for (name,) in rows.fetchall()]
