"""The auditor: Great Expectations over bounded frames of what was loaded, with suites derived from contract and model headers.

No rule is written here: what msgspec enforced on each line and `checks.py` counts in SQL is asked of a second engine. It
looks at the days that were touched since its last look. Results hold verdicts and never values: values are people's data.
The only module that imports great_expectations, because the import alone takes seconds.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from meterhouse import contract, delta
from meterhouse.models import Model, load_models
from meterhouse.paths import DataDir
from meterhouse.snapshot import reading

MAX_ROWS = 20_000  # newest rows of each table: enough to disagree with a check, few enough to be quick
KEEP = 20  # results a table


@dataclass(frozen=True)
class Audited:
    """One table's result: `lake_<kind>` against the contract, a model against its header."""

    table: str
    rows: int
    expectations: int
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Audit:
    """One look: what it found, which load it has seen, what it cost."""

    tables: list[Audited]
    load_seq: int
    seconds: float

    @property
    def failed(self) -> list[str]:
        """Each broken expectation, by table."""
        return [f"{row.table}: {name}" for row in self.tables for name in row.failed]


def tables() -> list[str]:
    """All that is ever audited."""
    return [f"lake_{kind}" for kind in contract.kinds()] + [row.name for row in load_models().values() if row.is_public]


def audit(data: DataDir) -> Audit:
    """Validate what was touched since the last audit; results go to `audit.json`, Data Docs to `audit/` of the data directory."""
    began = time.monotonic()
    context = _context(data)
    files = {kind: delta.files(data, kind) for kind in contract.kinds()}
    days = sorted({row.day for rows in files.values() for row in rows if row.load_seq > _last(data)})
    load_seq = max((row.load_seq for rows in files.values() for row in rows), default=0)
    done = [
        _validate(context, f"lake_{kind.name}", _of_lake(touched), _of_contract(kind))
        for kind in contract.kinds().values()
        if (touched := [row.path for row in files[kind.name] if row.day in days])
    ]
    with reading(data) as db:
        for model in load_models().values():
            if model.is_public:
                done.append(_validate(context, model.name, _newest(db, model, days), _of_header(model)))
    _build_docs(context, data)
    result = Audit(done, load_seq, round(time.monotonic() - began, 1))
    data.audit.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    return result


def _last(data: DataDir) -> int:
    """Last load that an audit has seen; 0 before the first."""
    try:
        return int(json.loads(data.audit.read_text(encoding="utf-8"))["load_seq"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _context(data: DataDir) -> Any:
    """A project on disk, whose suites are made anew each time, because they are derived, and whose results are kept."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    project = data.audit_docs.parents[4]
    for old in ("expectations", "validation_definitions", "great_expectations.yml"):
        path = project / "gx" / old
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    project.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(mode="file", project_root_dir=str(project))
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    context.data_sources.add_pandas("warehouse")
    return context


def _build_docs(context: Any, data: DataDir) -> None:
    results = data.audit_docs.parents[2] / "validations"
    for suite in results.iterdir() if results.is_dir() else ():
        for old in sorted(suite.glob("*/*"))[:-KEEP] if suite.is_dir() else ():
            shutil.rmtree(old)
    shutil.rmtree(data.audit_docs.parent, ignore_errors=True)
    context.build_data_docs()


def _of_lake(files: list[str]) -> Any:
    with duckdb.connect() as db:
        query = (
            "SELECT * FROM read_parquet(?, union_by_name = true, hive_partitioning = false) ORDER BY day DESC LIMIT ?"
        )
        return db.execute(query, [files, MAX_ROWS]).df()


def _newest(db: duckdb.DuckDBPyConnection, model: Model, days: list[date]) -> Any:
    """Of a model that is built by day the touched days; of any other the rows that come last."""
    order = "day DESC" if "day" in model.columns else f"{', '.join(model.grain)} DESC"
    touched = "WHERE day IN (SELECT unnest(?::DATE[]))" if model.kind == "daily" else "WHERE ?::DATE[] IS NOT NULL"
    return db.execute(f"SELECT * FROM {model.name} {touched} ORDER BY {order} LIMIT ?", [days, MAX_ROWS]).df()


def _validate(context: Any, name: str, frame: Any, expectations: Iterable[Any]) -> Audited:
    import great_expectations as gx

    source = context.data_sources.get("warehouse")
    batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("touched")
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=list(expectations)))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    result = definition.run(batch_parameters={"dataframe": frame}, result_format="BOOLEAN_ONLY")
    failed = [row.expectation_config for row in result.results if not row.success]
    told = tuple(
        f"{row.type} {row.kwargs.get('column') or row.kwargs.get('column_list') or ''}".strip() for row in failed
    )
    return Audited(name, len(frame), len(suite.expectations), told)


def _of_contract(kind: contract.Kind) -> Iterator[Any]:
    """Each rule of the published contract in Great Expectations' words."""
    import great_expectations.expectations as expectations_module

    gxe: Any = expectations_module  # its names are not marked as exported
    for row in kind.fields:
        if row.name == contract.KIND_FIELD:
            continue
        if row.is_required:
            yield gxe.ExpectColumnValuesToNotBeNull(column=row.name)
        if row.pattern and row.polars_type == pl.String:
            yield gxe.ExpectColumnValuesToMatchRegex(column=row.name, regex=row.pattern)
        if row.type == "count":
            yield gxe.ExpectColumnValuesToBeBetween(column=row.name, min_value=0)
    yield gxe.ExpectColumnValuesToBeUnique(column="event_id")


def _of_header(model: Model) -> Iterator[Any]:
    """Each promise of a model's header in Great Expectations' words."""
    import great_expectations.expectations as expectations_module

    gxe: Any = expectations_module
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
