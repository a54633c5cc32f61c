"""Which days must be looked at together: those that share a request, and as many at once as the memory allows."""

from collections.abc import Container, Iterable, Mapping
from datetime import date

import duckdb

OBSERVED_ON = "observed_on"  # column of a model that places observations: the day under which the lake holds each


def tied(db: duckdb.DuckDBPyConnection, models: Container[str], days: Iterable[date]) -> set[date]:
    """Days far away that hold an observation of what lies on these days, or on which lies what these days observed.

    A witness with a wrong clock stands under the day of receipt, its request under the day on which another saw it.
    """
    found: set[date] = set()
    tables = db.execute("SELECT table_name FROM duckdb_columns() WHERE column_name = ?", [OBSERVED_ON]).fetchall()
    for name in (name for (name,) in tables if name in models):
        far = f"FROM {name} WHERE abs(day - {OBSERVED_ON}) > 1 AND list_contains($1::DATE[],"
        rows = db.execute(
            f"SELECT {OBSERVED_ON} {far} day) UNION SELECT day {far} {OBSERVED_ON})", [[*days]]
        ).fetchall()
        found.update(day for (day,) in rows)
    return found


def groups(days: list[date], sizes: Mapping[date, int], most: int) -> list[list[date]]:
    """Days in order, cut where those of a group would have more than `most` rows; a day alone may have more."""
    cut: list[list[date]] = [[]]
    rows = 0
    for day in days:
        rows += sizes.get(day, 0)
        if cut[-1] and rows > most:
            cut.append([])
            rows = sizes.get(day, 0)
        cut[-1].append(day)
    return cut
