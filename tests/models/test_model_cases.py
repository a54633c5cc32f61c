"""Each model on rows small enough to judge by eye: `cases/<model>.yaml` holds what is given and what must come out.

`given` names tables: lake tables, seeds, or models that stand before the tested one; a model that is not given is built
from what is (rows.py). `expect` compares the columns that its rows name.
"""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from meterhouse.models import load_models
from models.rows import build, give  # tests/models

CASES = {
    f"{path.stem}: {case['name']}": (path.stem, case)
    for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
}


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
