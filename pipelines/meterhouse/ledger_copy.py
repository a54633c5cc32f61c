"""The ledger's tables in the working database, for models and readers: after the first time only what changed is copied.

A change of an object's rows moves the `load_seq` of its ledger row. Rows that only disappear, as those of objects set aside do
when they are tried anew, show in the number of rows; then all are copied. One change moves nothing: the new tag of bytes that were
written again. Readers have the tag that an object was loaded with.
"""

import functools

from meterhouse import news
from meterhouse.build_state import BuildState
from meterhouse.catalog import LEDGER_TABLES, Catalog

KEY = ("object_key",)  # of all three
SCHEMA = "CREATE TABLE IF NOT EXISTS copied_ledger (load_seq BIGINT)"
_CHANGED = "SELECT object_key FROM load_ledger WHERE load_seq > ?"
_COLUMNS = """SELECT table_name, column_name FROM duckdb_columns()
WHERE table_name IN (SELECT unnest(?::VARCHAR[])) ORDER BY table_name, column_index"""


def follow(catalog: Catalog, state: BuildState) -> None:
    """Bring the copy up to date, and note which objects readers do not have yet."""
    if state.ledger_seq == catalog.load_seq:
        return
    copy = _Copy(catalog, state)
    if copy.load_seq == catalog.load_seq and copy.is_equal:
        state.ledger_seq = copy.load_seq
        return
    state.db.execute("BEGIN")
    try:
        if not copy.has_columns or copy.load_seq is None or not copy.add():
            copy.make()
        state.db.execute("DELETE FROM copied_ledger")
        state.db.execute("INSERT INTO copied_ledger VALUES (?)", [catalog.load_seq])
    except BaseException:
        state.db.execute("ROLLBACK")  # also of the frames that were registered
        raise
    state.db.execute("COMMIT")
    state.ledger_seq = catalog.load_seq


class _Copy:
    def __init__(self, catalog: Catalog, state: BuildState) -> None:
        self.catalog, self.state, self.db = catalog, state, state.db
        self.db.execute(SCHEMA)
        ((self.load_seq,),) = self.db.execute("SELECT max(load_seq) FROM copied_ledger").fetchall()

    @functools.cached_property
    def has_columns(self) -> bool:
        """Whether it has the tables, with the columns that they have by now."""
        here, there = (db.execute(_COLUMNS, [[*LEDGER_TABLES]]).fetchall() for db in (self.db, self.catalog.db))
        return bool(here == there)

    @property
    def is_equal(self) -> bool:
        """Whether it has the columns, and as many rows."""
        count = "SELECT count(*) FROM {}".format
        return self.has_columns and all(
            self.db.execute(count(table)).fetchall() == self.catalog.db.execute(count(table)).fetchall()
            for table in LEDGER_TABLES
        )

    def make(self) -> None:
        """Copy all rows."""
        for table in LEDGER_TABLES:
            self._from(table, f"CREATE OR REPLACE TABLE {table} AS FROM ledger_rows")
            news.forget(self.db, table)
            self.state.change(table, None)

    def add(self) -> bool:
        """Copy the rows of objects that changed since; gives whether it is equal then."""
        self.db.register("changed", self.catalog.db.sql(_CHANGED, params=[self.load_seq]).to_arrow_table())
        for table in LEDGER_TABLES:
            self.db.execute(f"DELETE FROM {table} WHERE object_key IN (SELECT object_key FROM changed)")
            where = f"WHERE object_key IN ({_CHANGED})"
            self._from(table, f"INSERT INTO {table} BY NAME FROM ledger_rows", where, self.load_seq)
            news.remember(self.db, table, KEY, "changed")
        self.db.unregister("changed")
        return self.is_equal

    def _from(self, table: str, statement: str, where: str = "", *values: int) -> None:
        """Run a statement that reads `ledger_rows`, rows of a table of the ledger."""
        rows = self.catalog.db.sql(f"SELECT * FROM {table} {where}", params=[*values]).to_arrow_table()
        self.db.register("ledger_rows", rows)
        self.db.execute(statement)
        self.db.unregister("ledger_rows")
