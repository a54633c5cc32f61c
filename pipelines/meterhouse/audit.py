"""The auditor: Great Expectations over bounded frames of the snapshot, with suites derived from the model headers.

No rule is written here: the same header promises that `checks.py` counts in SQL are handed to a second engine on a sample.
The only module that imports great_expectations, because the import alone takes seconds.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from meterhouse.models import Model, load_models
from meterhouse.paths import DataDir
from meterhouse.snapshot import reading

MAX_ROWS = 20_000  # newest rows of each table: enough to disagree with a check, few enough to be quick


@dataclass(frozen=True)
class Audited:
    """One table's result."""

    model: str
    rows: int
    expectations: int
    failed: tuple[str, ...]


def audit(data: DataDir) -> list[Audited]:
    """Validate every public table of the current snapshot; results are kept in `audit.json` of the data directory."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context: Any = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    with reading(data) as db:
        done = [_audit_table(context, db, model) for model in load_models().values() if model.is_public]
    text = json.dumps([vars(row) for row in done], indent=1)
    (data.root / "audit.json").write_text(text + "\n", encoding="utf-8")
    return done


def _audit_table(context: Any, db: duckdb.DuckDBPyConnection, model: Model) -> Audited:
    import great_expectations as gx

    newest = "ORDER BY day DESC" if "day" in model.columns else f"ORDER BY {', '.join(model.grain)}"
    frame = db.execute(f"SELECT * FROM {model.name} {newest} LIMIT {MAX_ROWS}").df()
    batch = (
        context.data_sources.add_pandas(model.name)
        .add_dataframe_asset(model.name)
        .add_batch_definition_whole_dataframe("all")
    )
    suite = gx.ExpectationSuite(name=model.name, expectations=list(_expectations(model)))
    result = batch.get_batch({"dataframe": frame}).validate(suite)
    failed = tuple(row.expectation_config.type for row in result.results if not row.success)
    return Audited(model.name, len(frame), len(suite.expectations), failed)


def _expectations(model: Model) -> Iterator[Any]:
    """Each promise of the header in Great Expectations' words."""
    import great_expectations.expectations as expectations_module

    gxe: Any = expectations_module  # its names are not marked as exported

    keys = list(model.grain)
    if len(keys) > 1:
        yield gxe.ExpectCompoundColumnsToBeUnique(column_list=keys)
    else:
        yield gxe.ExpectColumnValuesToBeUnique(column=keys[0])
    for column in model.columns.values():
        for test in column.tests:
            if test == "not_null":
                yield gxe.ExpectColumnValuesToNotBeNull(column=column.name)
            elif isinstance(test, list):
                yield gxe.ExpectColumnValuesToBeInSet(column=column.name, value_set=test)
            elif str(test).startswith((">= ", "> ")):
                operator, _, limit = str(test).partition(" ")
                yield gxe.ExpectColumnValuesToBeBetween(
                    column=column.name, min_value=int(limit), strict_min=operator == ">"
                )
