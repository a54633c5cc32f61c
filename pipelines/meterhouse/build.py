"""Builds the models in `build.duckdb`, each in a transaction of its own that also moves the model's watermark.

A model's watermark is the last load it has seen. A crash between two models leaves each either done or due; nothing
is published before all are done and checked.
"""

import contextlib
import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

import duckdb

from meterhouse import contract, days_together, kept_kinds, key_days, keyed, ledger_copy, news, reseed, scores, seeds
from meterhouse.build_state import PUBLISHED, BuildState
from meterhouse.catalog import LEDGER_TABLES, Catalog
from meterhouse.days_together import DaysTogether
from meterhouse.errors import LakeError, ModelError
from meterhouse.models import Model, lineage_fingerprints, load_models, views_read

MEMORY = "768MB"  # for DuckDB, which spills what does not fit; the process takes more than half as much again
GROUP_ROWS = 3_000_000  # of the lake, in the days that a daily model computes at once
GROUP_DAYS = 31  # and as many days of a thin history: each has files of its own, whose buffers DuckDB does not count
SHARED_ROWS = 122_880  # a row group, which DuckDB gives to one thread; to wake another costs a small run a tenth


@dataclass(frozen=True)
class Built:
    """What building one model did: `days` is None when it was not by day, empty when there was nothing to do."""

    model: str
    rows: int
    days: tuple[date, ...] | None


class Builder:
    """The working database of one data directory, open for one run."""

    def __init__(self, catalog: Catalog, seed_tables: list[seeds.Seed], memory_limit: str = MEMORY) -> None:
        self.catalog = catalog
        self.models = load_models()
        threads = 1 if sum(catalog.rows_by_day().values()) <= SHARED_ROWS else 2
        self.db = duckdb.connect(str(catalog.data.build), config={"threads": threads, "memory_limit": memory_limit})
        self.db.execute(f"SET TimeZone = 'UTC'; SET preserve_insertion_order = false; {kept_kinds.SCHEMA}")
        self.state, self.together = BuildState(self.db), DaysTogether(self.db, self.models)
        reseed.register(self.db, seed_tables)
        outside = {seed.name: seed.digest for seed in seed_tables if not reseed.is_dated(seed)} | scores.digests()
        dated = reseed.dated_digests(self.models, seed_tables)
        self.fingerprints = {
            name: digest + (dated[name] if self.models[name].is_by_day else dated[name].replace(" ", "+"))
            for name, digest in lineage_fingerprints(self.models, outside).items()
        }
        ledger_copy.follow(catalog, self.state)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def is_current(self) -> bool:
        """Whether every model has seen the last load, no file changed since, and the result was published."""
        done, seq, data = self.state.watermarks(), self.catalog.load_seq, self.catalog.data
        kept = (name for name, model in self.models.items() if model.kind != "view")
        built = all(done.get(name) == (seq, self.fingerprints[name]) for name in kept)
        is_published = done.get(PUBLISHED) == (seq, self._all_files())
        return built and is_published and data.current.exists() and data.warehouse.exists()

    def due_key(self) -> str:
        """Names the state of lake and files that is to be built."""
        return f"{self.catalog.load_seq}-{self._all_files()}"

    def mark_published(self, file: Path) -> None:
        """Remember that readers have what was built; a build whose checks failed is not marked and stays due."""
        self.state.publish(self.catalog.load_seq, self._all_files(), file.name)

    def _all_files(self) -> str:
        return hashlib.sha256("".join(self.fingerprints.values()).encode()).hexdigest()[:16]

    def due_days(self, model: Model) -> list[date]:
        """Days to replace: those touched since the watermark or that lost rows to others, and far ones that share keys with them."""
        touched = self._touched_days(model)
        return sorted(touched.union(self.state.moved_since(self._load_seen(model)), self.together.tied(touched)))

    def _touched_days(self, model: Model) -> set[date]:
        """Days of new events, their neighbours (midnight may part a request), and those of changed seeds."""
        loaded = self.catalog.days_since(self._load_seen(model))
        touched = {day + timedelta(days=step) for day in loaded for step in (-1, 0, 1)}
        if first := self._reseeded_from(model):
            touched.update(day for day in self.catalog.days_since(-1) if day >= first)
        return touched

    def _load_seen(self, model: Model) -> int:
        """The last load that the model's rows show; -1 where they are of another code."""
        return self.state.watermark(model.name)[0] if self._is_same(model) else -1

    def _state_of(self, model: Model) -> tuple[int, str]:
        """What the model has seen once it is built now: no more than the tables that it reads."""
        read = {name for view in [model, *views_read(self.models, model)] for name in view.depends_on}
        tables = {name: self.fingerprints[name] for name in read if self.models[name].kind != "view"}
        return self.state.seen_by_all(tables, self.catalog.load_seq), self.fingerprints[model.name]

    def _is_same(self, model: Model) -> bool:
        """Whether the model's rows are those of this code, but for days that are due."""
        built_with, now = self.state.watermark(model.name)[1], self.fingerprints[model.name]
        return built_with == now or (model.kind == "daily" and built_with.split(" ")[0] == now.split(" ")[0])

    def _reseeded_from(self, model: Model) -> date | None:
        marks = self.state.watermark(model.name)[1], self.fingerprints[model.name]
        built_with, now = (mark.partition(" ")[2] for mark in marks)
        return None if built_with == now else reseed.first_day_since(self.db, built_with, now)

    def build(self, model: Model, asked: Iterable[date] = ()) -> Built:
        """Bring one model up to date, and rebuild the days of a daily one that are asked for besides."""
        ledger_copy.follow(self.catalog, self.state)  # a load may have come since
        if model.kind == "view":
            self._provide(model, None)
            return Built(model.name, 0, ())
        is_same = self._is_same(model)
        asked = sorted(asked) if is_same and model.kind == "daily" else []
        if not asked and self.state.watermark(model.name) == self._state_of(model) and not keyed.is_due(self.db, model):
            return Built(model.name, 0, ())
        if model.kind == "keyed" and is_same and keyed.is_known(self.db, model):
            return Built(model.name, self._commit(model, lambda: self._replace_keys(model), ()), None)
        if model.kind != "daily" or not is_same:
            return self._build_whole(model, self.due_days(model))
        return self._build_days(model, asked)

    def adopt(self, model: Model, folder: Path) -> Built:
        """Take over what another engine computed: all rows of a model, as Parquet files of one folder."""
        files = str(folder / "*.parquet").replace("'", "''")
        return Built(model.name, self._commit(model, lambda: self._replace_all(model, f"FROM '{files}'")), None)

    def _groups(self, days: list[date]) -> list[list[date]]:
        """Days that are computed at once: a group after another, so that the memory grows neither with the lake nor with a load."""
        return days_together.groups(days, self.catalog.rows_by_day(), GROUP_ROWS, GROUP_DAYS)

    def _build_days(self, model: Model, asked: list[date]) -> Built:
        """The rows of the days that are due or asked for, and of those to which or from which keys of theirs moved."""
        replaced = {*asked, *self.due_days(model)}
        touched = self._touched_days(model).union(asked)

        def fill() -> int:
            rows = 0
            for group in self._groups(sorted(replaced)):
                replaced.update(self._compute(model, group, bool(asked)))
                rows += self._replace_days(model)
            self.state.move(replaced - touched, self.catalog.load_seq)  # those due by a tie too: it may be gone by now
            return rows

        return Built(model.name, self._commit(model, fill, replaced), tuple(sorted(replaced)))

    def _build_whole(self, model: Model, days: list[date]) -> Built:
        """All rows anew. Those that read the model are of another code too, so they need not hear of days."""
        first, *others = self._groups(days) if model.kind == "daily" else [days]

        def fill() -> int:
            self._provide(model, first)
            rows = self._replace_all(model, model.sql)
            for group in others:
                if not model.is_by_day:
                    self._compute(model, group)
                rows += self._add_days(model, group) if model.is_by_day else self._replace_days(model)
            return rows

        return Built(model.name, self._commit(model, fill), None)

    def _commit(self, model: Model, change: Callable[[], int], days: Iterable[date] | None = None) -> int:
        """Change the table, all or some days of it, and remember that, in one transaction; gives the number of new rows."""
        self.db.execute("BEGIN")
        try:
            rows = change()
            self.state.change(model.name, days)
            keyed.settle(self.db, model)
            self.state.advance(model.name, *self._state_of(model), rows)
            key_days.stamp(self.db, model)
            self.db.execute("COMMIT")
        except BaseException:
            self.state.forget()
            self.together.forget()
            with contextlib.suppress(duckdb.TransactionException):  # what fails to be committed is taken back already
                self.db.execute("ROLLBACK")
            raise
        print(f"built {model.name}: {rows} rows", file=sys.stderr)
        return rows

    def build_all(self) -> list[Built]:
        """Bring every table up to date, in order, with progress on stderr; the views are made with those that read them."""
        return [self.build(model) for model in self.models.values() if model.kind != "view"]

    def news(self) -> dict[str, str | None]:
        """What readers do not have yet: by table of models and ledger a condition on its rows, None for all of them."""
        if self.state.published_file is None:
            return dict.fromkeys([*self.models, *LEDGER_TABLES])
        others = dict.fromkeys(LEDGER_TABLES, ledger_copy.KEY)
        return news.conditions(self.db, self.models, self.state.changes(), others)

    def _set_days(self, days: Iterable[date]) -> None:
        self.db.execute("CREATE OR REPLACE TEMP TABLE run_days AS SELECT unnest(?::DATE[]) AS day", [[*days]])

    def _provide(self, model: Model, days: list[date] | None, is_wide: bool = False) -> None:
        """The days to build, and the lake's files that can hold rows of them, a day more on each side; or those days too."""
        wide = sorted(
            {day + timedelta(days=step) for day in days or () for step in (-1, 0, 1)} | self.together.tied(days or ())
        )
        self._set_days(wide if is_wide else days or ())
        views = views_read(self.models, model)
        read = set(model.reads).union(*(view.reads for view in views))
        for kind in contract.kinds():
            if f"lake_{kind}" in read:
                self._view_of_lake(model, kind, wide if model.kind == "daily" else None)
        for view in views:
            self._run(view, f"CREATE OR REPLACE TEMP VIEW {view.name} AS {view.sql}")
        for name in sorted(read & scores.SCORES.keys()):
            scores.provide(self.db, name)

    def _view_of_lake(self, model: Model, kind: str, days: list[date] | None) -> None:
        source = kept_kinds.rows(self.db, self.catalog, kind, days, model, partial(self._run, model))
        self._run(model, f"CREATE OR REPLACE TEMP VIEW lake_{kind} AS {source}")

    def _compute(self, model: Model, days: list[date], is_asked: bool = False) -> list[date]:
        """Fill `new_rows` for the days; gives further days whose rows it replaces too.

        A key lies on one day. When it turns up on another, far from the first, the two are resolved together. Where another
        model places the key, its moved days are due here already, unless somebody asked for these days alone.
        """
        moved: list[date] = []
        while True:
            wanted = sorted({*days, *moved})
            self._provide(model, wanted, is_wide=days_together.is_wide(model))
            self._run(model, f"CREATE OR REPLACE TEMP TABLE new_rows AS {model.sql}")
            is_placed = "day" in model.one_day or (model.placed_by and not is_asked)
            further = self._narrow(model, wanted) + ([] if is_placed else key_days.search(self.db, model))
            if not further:
                return moved
            moved += {*further, *self.together.tied(further)} - {*wanted}

    def _narrow(self, model: Model, days: list[date]) -> list[date]:
        """Take the neighbours' rows away again; gives days on which lies, as it did not yet, what these days observed."""
        if not days_together.is_wide(model):
            return []
        self._set_days(days)
        found = self.together.newly_tied(model)
        self.db.execute("DELETE FROM new_rows WHERE day NOT IN (SELECT day FROM run_days)")
        return found

    def _replace_days(self, model: Model) -> int:
        """Put `new_rows` in place of the days' rows, by column name."""
        self.together.remember(model, "new_rows")
        self._require_columns(model, "new_rows")
        keyed.note(self.db, self.models, model, f"{model.name} WHERE day IN (SELECT day FROM run_days)")
        keyed.note(self.db, self.models, model, "new_rows")
        self.db.execute(f"DELETE FROM {model.name} WHERE day IN (SELECT day FROM run_days)")
        ((rows,),) = self.db.execute(f"INSERT INTO {model.name} BY NAME SELECT * FROM new_rows").fetchall()
        self.db.execute("DROP TABLE new_rows")
        return int(rows)

    def _replace_keys(self, model: Model) -> int:
        """Replace the rows of the keys that changed in the model that this one follows."""
        self._provide(model, None)
        with keyed.narrowed(self.db, model):
            self._run(model, f"CREATE OR REPLACE TEMP TABLE new_rows AS {model.sql}")
        self._require_columns(model, "new_rows")
        return keyed.replace(self.db, model)

    def _add_days(self, model: Model, days: list[date]) -> int:
        """Rows of days of which the table has none yet and which take none from others: no detour is needed."""
        self._provide(model, days)
        return int(self._run(model, f"INSERT INTO {model.name} BY NAME {model.sql}")[0][0])

    def _replace_all(self, model: Model, sql: str) -> int:
        ((rows,),) = self._run(model, f"CREATE OR REPLACE TABLE {model.name} AS {sql}")
        self.together.remember(model, model.name)
        keyed.lose(self.db, self.models, model)
        self._require_columns(model, model.name)
        return int(rows)

    def _require_columns(self, model: Model, table: str) -> None:
        columns = {row[0] for row in self.db.execute(f"DESCRIBE {table}").fetchall()}
        if missing := columns ^ set(model.columns):
            told = f"column '{min(missing)}' is in only one of header and SELECT; write it in both"
            raise ModelError(f"{model.path}: {told}")

    def _run(self, model: Model, sql: str) -> list[Any]:
        try:
            return self.db.execute(sql).fetchall()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            if broken := next(
                (file for kind in contract.kinds() for file in self.catalog.files(kind) if file in str(error)), None
            ):
                raise LakeError(broken, reason) from error
            raise ModelError(f"{model.path}: {reason}; mend the SELECT") from error
