"""Which days must be looked at together: those that share a key, and as many at once as the memory allows.

A witness with a wrong clock stands under the day of receipt, its request under the day on which another saw it. A model that
places keys either has a row for each observation, with the day under which the lake holds it, or tells the days of each key.
"""

from collections.abc import Container, Iterable, Mapping
from datetime import date

import duckdb

from meterhouse import key_days
from meterhouse.models import DAYS_SEEN, Model

Ties = list[tuple[date, date]]  # the day of a key, and a far one on which it was seen too

OBSERVED_ON = "observed_on"  # column of a model that places observations: the day under which the lake holds each
SCHEMA = "CREATE TABLE IF NOT EXISTS tied_days (model VARCHAR, day DATE, seen_on DATE)"
_FAR = f"SELECT DISTINCT day, unnest({DAYS_SEEN}) AS seen_on FROM {{}} WHERE {DAYS_SEEN}[-1] - {DAYS_SEEN}[1] > 1"


def is_wide(model: Model) -> bool:
    """Whether the model is computed with the days around, to find keys of theirs that were seen on the days asked for."""
    return OBSERVED_ON in model.columns or model.tells_days


class DaysTogether:
    """The ties of one working database.

    Every model asks for them, few change them, and the tables may be long: they are read once, and again after a change.
    """

    def __init__(self, db: duckdb.DuckDBPyConnection, models: Container[str]) -> None:
        self.db, self.models = db, models
        self.db.execute(SCHEMA)
        self.forget()

    def forget(self) -> None:
        """Read everything again: a change was taken back."""
        self._placed: Ties | None = None
        self._told: Ties | None = None

    def tied(self, days: Iterable[date]) -> set[date]:
        """Days far away that hold an observation of what lies on these days, or on which lies what these days observed."""
        if self._placed is None:
            self._placed = self._read_placed()
        if self._told is None:
            self._told = self.db.execute("SELECT DISTINCT day, seen_on FROM tied_days").fetchall()
        asked, ties = {*days}, [*self._placed, *self._told]
        return {seen_on for day, seen_on in ties if day in asked} | {day for day, seen_on in ties if seen_on in asked}

    def _read_placed(self) -> Ties:
        tables = self.db.execute(
            "SELECT table_name FROM duckdb_columns() WHERE column_name = ?", [OBSERVED_ON]
        ).fetchall()
        pairs = [f"SELECT DISTINCT day, {OBSERVED_ON} FROM {name} WHERE abs(day - {OBSERVED_ON}) > 1"
                 for (name,) in tables if name in self.models]  # fmt: skip
        return self.db.execute(" UNION ".join(pairs)).fetchall() if pairs else []

    def newly_tied(self, model: Model) -> list[date]:
        """Days around those asked for on which lies, as it did not yet, a key of `new_rows` that those observed."""
        outside = "day NOT IN (SELECT day FROM run_days)"
        if model.tells_days:
            rows = self.db.execute(
                f"SELECT DISTINCT day FROM ({_FAR.format('new_rows')}) WHERE {outside} AND seen_on IN (SELECT day FROM run_days) "
                "AND seen_on - day > 1 AND (day, seen_on) NOT IN (SELECT (day, seen_on) FROM tied_days WHERE model = ?)",
                [model.name],
            ).fetchall()
        else:
            place = ", ".join([*dict.fromkeys([*model.grain, *model.one_day]), "day"])
            rows = self.db.execute(  # few rows, looked for on their own days: not a set of all that was ever placed
                f"WITH around AS (SELECT * FROM new_rows WHERE {outside} AND {OBSERVED_ON} IN (SELECT day FROM run_days)) "
                f"SELECT DISTINCT day FROM around WHERE ({place}) NOT IN "
                f"(SELECT ({place}) FROM {model.name} WHERE day IN (SELECT day FROM around))"
            ).fetchall()
        return [day for (day,) in rows]

    def remember(self, model: Model, table: str) -> None:
        """Note the days of keys, and which far days the rows of a table tie to each other, and take that column away; forget what was
        found in the old rows.
        """
        if key_days.is_kept(model):
            key_days.remember(self.db, model, table)
        if OBSERVED_ON in model.columns:
            self._placed = None
        if model.tells_days:
            self._told = None
            self.db.execute(
                f"INSERT INTO tied_days SELECT ?, day, seen_on FROM ({_FAR.format(table)}) WHERE seen_on - day > 1 "
                "EXCEPT SELECT * FROM tied_days",
                [model.name],
            )
            self.db.execute(f"ALTER TABLE {table} DROP COLUMN {DAYS_SEEN}")


def groups(days: list[date], sizes: Mapping[date, int], most: int, most_days: int) -> list[list[date]]:
    """Days in order, cut where those of a group would be more than `most_days` or have more than `most` rows; one may have more."""
    cut: list[list[date]] = [[]]
    rows = 0
    for day in days:
        rows += sizes.get(day, 0)
        if cut[-1] and (rows > most or len(cut[-1]) == most_days):
            cut.append([])
            rows = sizes.get(day, 0)
        cut[-1].append(day)
    return cut
