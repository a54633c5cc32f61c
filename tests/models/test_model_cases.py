"""Each model on rows small enough to judge by eye: `cases/<model>.yaml` holds what is given and what must come out.

`given` names tables: lake tables, seeds, or models that stand before the tested one; a model that is not given is built
from what is. Columns left out are NULL, except those in `NEEDED`. `expect` compares the columns that its rows name.
"""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest
import yaml

from meterhouse import contract
from meterhouse.models import load_models
from pipelines import raw  # noqa: TID251 - the folder of these tests

CASES = {
    f"{path.stem}: {case['name']}": (path.stem, case)
    for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
}
NEEDED = {"agent": "codex", "session_id": "s1", "source": "codex", "channel": "transcript", "status": "ok",
          "tool_name": "shell", "decision": "accept", "is_clock_suspect": False, "price_status": "priced"}  # fmt: skip


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """The working database of a house without events: it knows the type of every column."""
    root = tmp_path_factory.mktemp("empty")
    raw.segment(root / "bucket", [])
    return raw.published(root / "bucket", root / "data").build


@pytest.fixture
def db(empty):
    """All tables that the runner provides and all models, without rows."""
    with duckdb.connect() as db:
        db.execute(f"SET TimeZone = 'UTC'; ATTACH '{empty}' AS built (READ_ONLY)")
        names = db.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'built'").fetchall()
        for (name,) in names:
            db.execute(f"CREATE TABLE {name} AS FROM built.{name} LIMIT 0")
        for name, kind in contract.kinds().items():
            columns = pl.DataFrame(schema=kind.columns).to_arrow()  # noqa: F841 - DuckDB finds it by name
            db.execute(f"CREATE TABLE lake_{name} AS FROM columns")
        db.execute("CREATE TABLE run_days (day DATE)")
        yield db


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
        elif name in _upstream(target) and name not in given:
            db.execute(f"CREATE OR REPLACE TABLE {name} AS {model.sql}")
    result = db.execute(models[target].sql)
    names = [row[0] for row in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _upstream(target: str) -> set[str]:
    direct = load_models()[target].depends_on
    return set(direct).union(*(_upstream(name) for name in direct))


def plain(value):
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat() if isinstance(value, date) else value


@pytest.mark.parametrize("name", CASES)
def test_case(db, name):
    target, case = CASES[name]
    for table, rows in case["given"].items():
        give(db, table, rows)
    asked = case.get("days")
    db.execute("INSERT INTO run_days SELECT unnest(?::DATE[])", [asked]) if asked else db.execute(
        "INSERT INTO run_days SELECT DATE '2026-02-25' + CAST(n AS INTEGER) FROM range(60) AS days(n)"
    )
    found = build(db, target, case["given"])
    columns = list(case["expect"][0]) if case["expect"] else []
    picked = [{column: plain(row[column]) for column in columns} for row in found]
    expected = [{column: plain(value) for column, value in row.items()} for row in case["expect"]]
    assert sorted(picked, key=repr) == sorted(expected, key=repr)


def test_every_fact_has_cases():
    facts = {name for name, model in load_models().items() if name.startswith("fct_") or name == "int_requests"}
    assert facts <= {target for target, _ in CASES.values()}
