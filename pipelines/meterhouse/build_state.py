"""What `build.duckdb` remembers of its own state: how far each model is, and what changed since readers were last given it.

Every method writes inside the caller's transaction, so that a table and what is said of it change together.
"""

from collections.abc import Iterable, Mapping
from datetime import date

import duckdb

from meterhouse import news

SCHEMA = """CREATE TABLE IF NOT EXISTS model_state (
    model VARCHAR PRIMARY KEY, load_seq BIGINT, fingerprint VARCHAR, row_count BIGINT);
CREATE TABLE IF NOT EXISTS moved_days (day DATE, load_seq BIGINT);
CREATE TABLE IF NOT EXISTS changed_days (model VARCHAR, day DATE);
CREATE TABLE IF NOT EXISTS published_file (name VARCHAR)"""
# moved_days: days that lost a row to another day; changed_days: not published yet, NULL for a table of which all rows are new
PUBLISHED = "(published)"  # pseudo-model whose watermark is what readers have


class BuildState:
    """The state of one working database; days are UTC days."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self.db = db
        self.db.execute(SCHEMA)
        self.ledger_seq: int | None = None  # load up to which the ledger is known to be copied
        self.forget()

    def forget(self) -> None:
        """Read everything again: a change was taken back."""
        self._watermarks: dict[str, tuple[int, str]] | None = None
        self._moved: list[tuple[date, int]] | None = None

    def watermarks(self) -> Mapping[str, tuple[int, str]]:
        """The watermark of each model that was built; every model asks for those of all that it reads."""
        if self._watermarks is None:
            rows = self.db.execute("SELECT model, load_seq, fingerprint FROM model_state").fetchall()
            self._watermarks = {model: (seq, fingerprint) for model, seq, fingerprint in rows}
        return self._watermarks

    def watermark(self, model: str) -> tuple[int, str]:
        """The last load that the model has seen, and the fingerprint it was built with; -1 before it was built."""
        return self.watermarks().get(model, (-1, ""))

    def seen_by_all(self, models: Mapping[str, str], load_seq: int) -> int:
        """The last load that all of these models, given with their fingerprints, have seen; -1 when one is of another code."""
        seen = [self.watermark(name) for name in models]
        return min(
            [load_seq, *(seq if mark == now else -1 for (seq, mark), now in zip(seen, models.values(), strict=True))]
        )

    def advance(self, model: str, load_seq: int, fingerprint: str, rows: int = 0) -> None:
        """Move a model's watermark."""
        if model in self.watermarks():  # no INSERT OR REPLACE, which takes four times as long
            change = "UPDATE model_state SET load_seq = $2, fingerprint = $3, row_count = $4 WHERE model = $1"
        else:
            change = "INSERT INTO model_state VALUES ($1, $2, $3, $4)"
        self.db.execute(change, [model, load_seq, fingerprint, rows])
        self._watermarks = {**self.watermarks(), model: (load_seq, fingerprint)}

    def move(self, days: Iterable[date], load_seq: int) -> None:
        """Note days that lost a row to another day; models downstream must build them too."""
        if moved := [*days]:  # of each day the last load says it all
            self.db.execute("DELETE FROM moved_days WHERE day IN (SELECT unnest(?::DATE[]))", [moved])
            self.db.execute("INSERT INTO moved_days SELECT unnest(?::DATE[]), ?", [moved, load_seq])
            self._moved = None

    def moved_since(self, load_seq: int) -> list[date]:
        """Days that lost a row after a load."""
        if self._moved is None:
            self._moved = self.db.execute("SELECT day, load_seq FROM moved_days").fetchall()
        return [day for day, seq in self._moved if seq > load_seq]

    def change(self, model: str, days: Iterable[date] | None) -> None:
        """Note days whose rows were replaced, or None: all rows of the table were."""
        changed = [None] if days is None else [*days]
        self.db.execute("INSERT INTO changed_days SELECT ?, unnest(?::DATE[])", [model, changed])

    def changes(self) -> Mapping[str, list[date] | None]:
        """What changed since the last publication, by model; None for a model that was built whole."""
        rows = self.db.execute(
            "SELECT model, bool_or(day IS NULL), list(DISTINCT day ORDER BY day) FROM changed_days GROUP BY model"
        ).fetchall()
        return {model: None if is_whole else days for model, is_whole, days in rows}

    def rows_by_day(self, model: str) -> dict[str, int]:
        """Number of rows of each day of a daily model."""
        return dict(self.db.execute(f"SELECT CAST(day AS VARCHAR), count(*) FROM {model} GROUP BY 1").fetchall())

    def publish(self, load_seq: int, fingerprint: str, file: str) -> None:
        """Note what readers have and in which file, in one transaction of its own."""
        self.db.execute("BEGIN")
        self.advance(PUBLISHED, load_seq, fingerprint)
        self.forget()  # what fails below is taken back when the database is closed
        self.db.execute("DELETE FROM changed_days; DELETE FROM published_file")
        news.told(self.db)
        self.db.execute("INSERT INTO published_file VALUES (?)", [file])
        self.db.execute("COMMIT")

    @property
    def published_file(self) -> str | None:
        """Name of the file that readers were last given by this database."""
        rows = self.db.execute("SELECT name FROM published_file").fetchall()
        return rows[0][0] if rows else None
