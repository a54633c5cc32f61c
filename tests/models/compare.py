"""Compares two tables as typed bags: names and types of all columns, then each row as often as it occurs. Order says nothing."""

import duckdb
import pyarrow as pa


def differences(db: duckdb.DuckDBPyConnection, expected: str, found: pa.Table) -> list[str]:
    """What differs between a table or view of `db` and the rows of another engine; nothing when they are equal."""
    db.register("found_rows", found)
    try:
        types = [dict(db.execute(f"SELECT column_name, column_type FROM (DESCRIBE {name})").fetchall())
                 for name in (expected, "found_rows")]  # fmt: skip
        if types[0] != types[1]:
            odd = types[0].items() ^ types[1].items()
            return [f"{expected}: columns differ: {sorted(odd)}"]
        columns = ", ".join(f'"{name}"' for name in types[0])
        sides = [f"SELECT {columns} FROM {name}" for name in (expected, "found_rows")]
        lacking = db.execute(f"{sides[0]} EXCEPT ALL {sides[1]}").fetchall()
        extra = db.execute(f"{sides[1]} EXCEPT ALL {sides[0]}").fetchall()
    finally:
        db.unregister("found_rows")
    return [f"{expected}: {len(rows)} rows only in {where}, such as {rows[0]}"
            for where, rows in (("DuckDB", lacking), ("Spark", extra)) if rows]  # fmt: skip
