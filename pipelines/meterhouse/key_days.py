"""Under which days keys lie, by digest: eight bytes are searched in a fifth of the time that ids take.

`placed_<model>` has a digest for each key of a model that places its keys itself. Two keys that share a digest cost a day that is
built once more, nothing else.
"""

import hashlib
from datetime import date

import duckdb

from meterhouse.models import Model


def is_kept(model: Model) -> bool:
    """Whether every build of the model searches all days for its keys."""
    return model.kind == "daily" and not model.is_by_day


def search(db: duckdb.DuckDBPyConnection, model: Model) -> list[date]:
    """Other days on which keys of `new_rows` lie, or rows that another id may show to have one of them."""
    if is_kept(model):
        _require(db, model)
    placed = _placed(model) if is_kept(model) else f"({_digests(model, model.name)})"
    rows = db.execute(
        f"SELECT DISTINCT day FROM {placed} WHERE day NOT IN (SELECT day FROM run_days) "
        f"AND digest IN (SELECT digest FROM ({_digests(model, 'new_rows')}))"
    ).fetchall()
    return [day for (day,) in rows]


def remember(db: duckdb.DuckDBPyConnection, model: Model, table: str) -> None:
    """Note the keys of a table: the model's, of which all rows are new, or rows that replace those of `run_days`."""
    if table == model.name:
        _make(db, model)
        return
    _require(db, model)
    db.execute(f"DELETE FROM {_placed(model)} WHERE day IN (SELECT day FROM run_days)")
    db.execute(f"INSERT INTO {_placed(model)} {_digests(model, table)}")


def _require(db: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Make the digests, if there are none that can be trusted."""
    made_by = db.execute("SELECT comment FROM duckdb_tables() WHERE table_name = ?", [_placed(model)]).fetchall()
    if made_by != [(_maker(db, model),)]:
        _make(db, model)


def _make(db: duckdb.DuckDBPyConnection, model: Model) -> None:
    db.execute(f"CREATE OR REPLACE TABLE {_placed(model)} AS {_digests(model, model.name)}")
    stamp(db, model)


def stamp(db: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Say that the digests are those of the model's rows as they are now, once its watermark has moved."""
    if is_kept(model):
        db.execute(f"COMMENT ON TABLE {_placed(model)} IS '{_maker(db, model)}'")


def _maker(db: duckdb.DuckDBPyConnection, model: Model) -> str:
    """DuckDB, whose next version may hash otherwise; what is hashed; and the watermark, which also code that knows no digests moves."""
    seen = db.execute("SELECT load_seq FROM model_state WHERE model = ?", [model.name]).fetchall()
    what = hashlib.sha256(_digests(model, model.name).encode()).hexdigest()[:16]
    return f"{duckdb.__version__} {what} {seen[0][0] if seen else -1}"


def _placed(model: Model) -> str:
    return f"placed_{model.name}"


def _digests(model: Model, table: str) -> str:
    """Of the key, and of each id that may show a key: also one that is the key of other rows."""
    keys = ", ".join(model.one_day)
    known = " AND ".join(f"{key} IS NOT NULL" for key in model.one_day)
    others = (
        f" UNION ALL SELECT hash({name}), day FROM {table} WHERE {name} IS NOT NULL" for name in model.also_known_by
    )
    return f"SELECT hash({keys}) AS digest, day FROM {table} WHERE {known}" + "".join(others)
