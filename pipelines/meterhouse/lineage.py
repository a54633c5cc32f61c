"""Column lineage: which columns of the tables a model reads make each of its columns, found by parsing, never written.

It follows values: what a row is filtered, joined or ordered by is not in it. `models/lineage.json` keeps the answers, made by
`make docs`, because finding them takes seconds; a model that differs from what was kept is looked at again.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node
from sqlglot.lineage import lineage as trace

from meterhouse import catalog, contract, seeds
from meterhouse.errors import ModelError
from meterhouse.models import DAYS_SEEN, Model, lineage_fingerprints, load_models
from meterhouse.paths import models_dir

KEPT = "lineage.json"
ROWS, CONSTANT = "(rows)", "(constant)"  # sources of a column that counts rows, or that names a case
Sources = tuple[str, ...]
"""What makes one column: `table.column` each, or one of ROWS and CONSTANT."""


@functools.cache
def load_lineage() -> Mapping[str, Mapping[str, Sources]]:
    """Sources of every column of every model, by model and column."""
    models, outside = load_models(), _outside()
    kept = _kept()
    known: dict[str, Mapping[str, Sources]] = {}
    for name, digest in _digests(models, outside).items():
        mine = kept.get(name, {})
        if mine.get("digest") == digest:
            known[name] = {column: tuple(sources) for column, sources in mine["columns"].items()}
        else:
            known[name] = find(models[name], {**outside, **known})
    return known


def find(model: Model, tables: Mapping[str, Any]) -> dict[str, Sources]:
    """Sources of one model's columns; `tables` names the columns of each table it reads.

    Raises ModelError for a column that cannot be traced.
    """
    schema = {name: dict.fromkeys(tables[name], "TEXT") for name in model.reads if name in tables}
    try:
        nodes = trace(None, model.sql, schema, dialect="duckdb", trim_selects=False)
    except SqlglotError as error:
        raise ModelError(f"{model.path}: its columns cannot be traced ({error}); mend the SELECT") from error
    nodes.pop(DAYS_SEEN, None)
    found = {column: tuple(sorted(_sources(model, column, node))) for column, node in nodes.items()}
    for column, sources in found.items():
        for table, _, name in (source.partition(".") for source in sources):
            if name not in schema.get(table, {name}):
                raise ModelError(
                    f"{model.path}: column '{column}' reads {table}.{name}, which is not there; mend the SELECT"
                )
    return found


def _sources(model: Model, column: str, node: Node) -> set[str]:
    ends = [end for end in node.walk() if not end.downstream]
    columns = {
        f"{end.expression.name}.{end.name.rpartition('.')[2]}" for end in ends if isinstance(end.expression, exp.Table)
    }
    if any(name.endswith(".*") for name in columns) or not ends:
        raise ModelError(f"{model.path}: where column '{column}' comes from cannot be told; name it instead of *")
    if columns:
        return columns
    return {ROWS if any(end.expression.find(exp.Count) for end in ends) else CONSTANT}


def _outside() -> dict[str, Sources]:
    """Columns of the tables that the runner provides."""
    with duckdb.connect() as db:
        db.execute(catalog.SCHEMA)
        ledger = {
            name: tuple(row[0] for row in db.execute(f"DESCRIBE {name}").fetchall()) for name in catalog.LEDGER_TABLES
        }
    lake = {f"lake_{name}": tuple(kind.columns) for name, kind in contract.kinds().items()}
    return {**ledger, **lake, **seeds.columns(), "run_days": ("day",)}


def _digests(models: Mapping[str, Model], outside: Mapping[str, Sources]) -> dict[str, str]:
    return lineage_fingerprints(models, {name: ",".join(columns) for name, columns in outside.items()})


def _kept() -> dict[str, Any]:
    path = models_dir() / KEPT
    return json.loads(path.read_bytes()) if path.exists() else {}


def text() -> str:
    """What `make docs` keeps: a line a column, so that a change of lineage is read in the diff."""
    digests = _digests(load_models(), _outside())
    return "{\n" + ",\n".join(_lines(digests)) + "\n}\n"


def _lines(digests: Mapping[str, str]) -> Iterator[str]:
    for name, columns in sorted(load_lineage().items()):
        rows = ",\n".join(f"  {json.dumps(column)}: {json.dumps(sources)}" for column, sources in columns.items())
        yield f' "{name}": {{"digest": "{digests[name]}", "columns": {{\n{rows}}}}}'
