"""Each case of tests/models, computed by DuckDB and by Spark: rows made to be awkward, for every model that has any.

Not only the case's own model is compared but each one built on the way to it, on the same rows.
"""

import hashlib

import pyarrow as pa
import pytest

from meterhouse.models import load_models
from meterhouse.spark.dialect import to_spark
from models.compare import differences  # tests/models
from models.rows import build, give, upstream
from models.test_model_cases import CASES

MODELS = load_models()
_done: set[str] = set()  # a model on rows that an earlier case had too


@pytest.mark.parametrize("name", CASES)
def test_a_case_gives_the_same_rows_on_spark(spark, db, name):
    target, case = CASES[name]
    for table, rows in case["given"].items():
        give(db, table, rows)
    db.execute("INSERT INTO run_days SELECT DATE '2026-02-25' + CAST(n AS INTEGER) FROM range(60) AS days(n)")
    build(db, target, case["given"])
    db.execute(f"CREATE OR REPLACE VIEW {target}_expected AS {MODELS[target].sql}")
    for model in MODELS:
        if model == target or (model in upstream(target) and model not in case["given"]):
            assert compared(spark, db, model, f"{target}_expected" if model == target else model) == []


def compared(spark, db, model: str, expected: str) -> list[str]:
    """What differs when the model's SQL runs on what it reads."""
    tables = {read: db.sql(f"FROM {read}").to_arrow_table() for read in sorted(MODELS[model].reads)}
    key = f"{model}{[(read, hashlib.sha256(repr(rows.to_pylist()).encode()).hexdigest()) for read, rows in tables.items()]}"
    if key in _done:
        return []
    _done.add(key)
    for read, rows in tables.items():
        batches = rows.to_batches() or [
            pa.RecordBatch.from_pylist([], rows.schema)
        ]  # Spark stumbles over no batch at all
        spark.createDataFrame(pa.Table.from_batches(batches)).createOrReplaceTempView(read)
    return differences(db, expected, spark.sql(to_spark(MODELS[model].sql)).toArrow())
