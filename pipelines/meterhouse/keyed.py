"""Tables kept by key: after the first time only rows of keys that changed are computed anew.

`due_<model>` has the keys that changed in the model that it follows since it was last built; where that table is missing not all
are known, and the model is built whole.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

import duckdb

from meterhouse import news
from meterhouse.models import Model


def note(db: duckdb.DuckDBPyConnection, models: Mapping[str, Model], followed: Model, rows: str) -> None:
    """Rows of a followed model come or go: `rows` is what stands behind FROM."""
    for model in _followers(models, followed):
        if is_known(db, model):
            db.execute(f"INSERT INTO {_due(model)} SELECT DISTINCT {', '.join(model.grain)} FROM {rows}")


def lose(db: duckdb.DuckDBPyConnection, models: Mapping[str, Model], followed: Model) -> None:
    """All rows of a model are new: which keys of it changed no longer matters, nor is known to those that follow it."""
    news.forget(db, followed.name)
    for model in _followers(models, followed):
        db.execute(f"DROP TABLE IF EXISTS {_due(model)}")


def _followers(models: Mapping[str, Model], followed: Model) -> Iterable[Model]:
    return (model for model in models.values() if model.follows == followed.name)


def is_known(db: duckdb.DuckDBPyConnection, model: Model) -> bool:
    """Whether all keys are known that changed since the model was last built."""
    return bool(db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [_due(model)]).fetchall())


def is_due(db: duckdb.DuckDBPyConnection, model: Model) -> bool:
    """Whether a key of a keyed model is known to be due."""
    return is_known(db, model) and bool(db.execute(f"SELECT 1 FROM {_due(model)} LIMIT 1").fetchall())


@contextlib.contextmanager
def narrowed(db: duckdb.DuckDBPyConnection, model: Model) -> Iterator[None]:
    """Show the model, of what it follows, the rows of the keys that are due."""
    ((here,),) = db.execute("SELECT current_database()").fetchall()
    db.execute(f"CREATE OR REPLACE TEMP VIEW {model.follows} AS "
               f"SELECT * FROM {here}.main.{model.follows} WHERE {news.condition(model.grain, _due(model))}")  # fmt: skip
    yield
    db.execute(f"DROP VIEW temp.{model.follows}")  # what fails is rolled back, and the view with it


def replace(db: duckdb.DuckDBPyConnection, model: Model) -> int:
    """Put `new_rows` in place of the rows of the keys that are due, by column name; gives their number."""
    where = news.condition(model.grain, _due(model))
    db.execute(f"DELETE FROM {model.name} WHERE {where}")
    ((rows,),) = db.execute(f"INSERT INTO {model.name} BY NAME SELECT * FROM new_rows").fetchall()
    news.remember(db, model.name, model.grain, _due(model))
    db.execute("DROP TABLE new_rows")
    return int(rows)


def settle(db: duckdb.DuckDBPyConnection, model: Model) -> None:
    """A keyed model is as what it follows: from here on changes are noted."""
    if model.kind == "keyed":
        keys = ", ".join(model.grain)
        db.execute(f"CREATE OR REPLACE TABLE {_due(model)} AS SELECT {keys} FROM {model.name} WHERE false")


def _due(model: Model) -> str:
    return f"due_{model.name}"
