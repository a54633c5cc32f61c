"""Gives rows to tables and builds a model from them, by its own SQL.

Columns left out are NULL, except those in `NEEDED`.
"""

import duckdb

from meterhouse.models import load_models

NEEDED = {"agent": "codex", "session_id": "s1", "source": "codex", "channel": "transcript", "status": "ok",
          "tool_name": "shell", "decision": "accept", "is_clock_suspect": False, "price_status": "priced"}  # fmt: skip


def give(db: duckdb.DuckDBPyConnection, table: str, rows: list[dict]) -> None:
    known = {
        name
        for (name,) in db.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ?", [table]).fetchall()
    }
    for number, row in enumerate(rows):
        values = {name: value for name, value in NEEDED.items() if name in known} | row
        if table.startswith("lake_"):
            values = {"event_id": f"{table}-{number}", "occurred_at": f"{values['day']}T12:00:00Z"} | values
        assert values.keys() <= known, f"{table} has no {values.keys() - known}"
        marks = ", ".join("?" for _ in values)
        db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))


def build(db: duckdb.DuckDBPyConnection, target: str, given: dict) -> list[dict]:
    models = load_models()
    for name, model in models.items():
        if model.kind == "view":
            db.execute(f"CREATE OR REPLACE VIEW {name} AS {model.sql}")
        elif name in upstream(target) and name not in given:
            db.execute(f"CREATE OR REPLACE TABLE {name} AS {model.sql}")
    result = db.execute(models[target].sql)
    names = [row[0] for row in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def upstream(target: str) -> set[str]:
    direct = load_models()[target].depends_on
    return set(direct).union(*(upstream(name) for name in direct))
