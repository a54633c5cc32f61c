"""The ledger's tables in the working database, for models and readers: after the first time only what changed is copied.

A change of an object's rows moves the `load_seq` of its ledger row. Rows that only disappear, as those of objects set aside do
when they are tried anew, show in the number of rows; then all are copied.
"""

import duckdb

from meterhouse import news
from meterhouse.build_state import BuildState
from meterhouse.catalog import LEDGER_TABLES, Catalog

KEY = ("object_key",)  # of all three
SCHEMA = "CREATE TABLE IF NOT EXISTS copied_ledger (load_seq BIGINT)"
_CHANGED = "SELECT object_key FROM load_ledger WHERE load_seq > ?"


def follow(catalog: Catalog, state: BuildState) -> None:
    """Bring the copy up to date, and note which objects readers do not have yet."""
    db = state.db
    db.execute(SCHEMA)
    ((copied,),) = db.execute("SELECT max(load_seq) FROM copied_ledger").fetchall()
    db.execute("BEGIN")
    try:
        if copied is None or not _add(catalog, db, copied):
            for table in LEDGER_TABLES:
                _from(catalog, db, table, f"CREATE OR REPLACE TABLE {table} AS FROM ledger_rows")
                state.change(table, None)
        db.execute("DELETE FROM copied_ledger")
        db.execute("INSERT INTO copied_ledger VALUES (?)", [catalog.load_seq])
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _add(catalog: Catalog, db: duckdb.DuckDBPyConnection, copied: int) -> bool:
    """Copy the rows of objects that changed after a load; gives whether the copy is the same as the ledger then."""
    db.register("changed", catalog.db.sql(_CHANGED, params=[copied]).to_arrow_table())
    try:
        for table in LEDGER_TABLES:
            db.execute(f"DELETE FROM {table} WHERE object_key IN (SELECT object_key FROM changed)")
            _from(
                catalog, db, table, f"INSERT INTO {table} FROM ledger_rows", f"WHERE object_key IN ({_CHANGED})", copied
            )
            news.remember(db, table, KEY, "changed")
    finally:
        db.unregister("changed")
    return all(_count(catalog.db, table) == _count(db, table) for table in LEDGER_TABLES)


def _from(
    catalog: Catalog, db: duckdb.DuckDBPyConnection, table: str, statement: str, where: str = "", *values: int
) -> None:
    """Run a statement that reads `ledger_rows`, rows of a table of the ledger."""
    db.register("ledger_rows", catalog.db.sql(f"SELECT * FROM {table} {where}", params=[*values]).to_arrow_table())
    db.execute(statement)
    db.unregister("ledger_rows")


def _count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
