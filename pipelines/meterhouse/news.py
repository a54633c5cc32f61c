"""What readers do not have yet: all rows of a table, its rows of some days, or those of some keys.

Days and whole tables are in `changed_days`; `news_<table>` has the keys of a table that is kept by key.
"""

from collections.abc import Iterable, Mapping
from datetime import date

import duckdb

from meterhouse.models import Model

_KEYS = "news_"
_TABLES = f"SELECT table_name FROM duckdb_tables() WHERE NOT temporary AND starts_with(table_name, '{_KEYS}')"


def remember(db: duckdb.DuckDBPyConnection, table: str, keys: Iterable[str], source: str) -> None:
    """Note keys of a table, given as rows of another one."""
    listed = ", ".join(keys)
    db.execute(f"CREATE TABLE IF NOT EXISTS {_KEYS}{table} AS SELECT {listed} FROM {source} WHERE false")
    db.execute(f"INSERT INTO {_KEYS}{table} SELECT DISTINCT {listed} FROM {source}")


def conditions(
    db: duckdb.DuckDBPyConnection,
    models: Mapping[str, Model],
    changes: Mapping[str, list[date] | None],
    others: Mapping[str, tuple[str, ...]],
) -> dict[str, str | None]:
    """By table a condition on the new rows, None for all of them; `others` has the keys of tables that are no models."""
    keys = {name: model.grain for name, model in models.items() if model.kind == "keyed"} | {**others}
    tables = [name.removeprefix(_KEYS) for (name,) in db.execute(_TABLES).fetchall()]
    found: dict[str, str | None] = {name: condition(keys[name], f"{_KEYS}{name}") for name in tables if name in keys}
    for name, days in changes.items():
        if name in models or name in others:
            is_daily = name in models and models[name].kind == "daily"
            found[name] = _on(days) if is_daily and days is not None else None
    return found


def forget(db: duckdb.DuckDBPyConnection, table: str) -> None:
    """Forget keys of a table of which all rows are new."""
    db.execute(f"DROP TABLE IF EXISTS {_KEYS}{table}")


def told(db: duckdb.DuckDBPyConnection) -> None:
    """Readers have everything now."""
    for (name,) in db.execute(_TABLES).fetchall():
        db.execute(f"DROP TABLE {name}")


def condition(keys: Iterable[str], table: str) -> str:
    """What holds for rows whose key is in a table of keys; keys are never NULL."""
    listed = ", ".join(keys)
    return f"({listed}) IN (SELECT {listed} FROM {table})"


def _on(days: Iterable[date]) -> str:
    listed = ", ".join(f"DATE '{day}'" for day in days)
    return f"day IN ({listed})"
