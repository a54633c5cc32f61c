"""The lake's Delta tables, read by engines that know nothing of us: the same rows for all, and those that the catalog names.

DuckDB reads the file list of the table's version: its own Delta extension is downloaded at run time. So does Spark, whose Delta
jars are on Maven, not on PyPI (`make test-spark`).
"""

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable

from meterhouse import contract
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir


def by_deltalake(folder):
    return DeltaTable(folder).to_pyarrow_table()


def by_polars(folder):
    return pl.read_delta(str(folder)).to_arrow()


def by_duckdb(folder):
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        return db.read_parquet(
            DeltaTable(folder).file_uris(), union_by_name=True, hive_partitioning=False
        ).to_arrow_table()


READERS = {"deltalake": by_deltalake, "polars": by_polars, "duckdb": by_duckdb}


def content(rows, kind: contract.Kind) -> tuple:
    """Number of rows and an order-free hash over the columns of the contract."""
    columns = ", ".join(f'"{name}"' for name in sorted(kind.columns))
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("rows", rows)
        return db.execute(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM (SELECT {columns} FROM rows) AS t").fetchone()


@pytest.fixture(scope="module")
def kinds(sample_data: DataDir):
    """Each kind that the sample has, with its Delta table."""
    found = {
        row.name: row for row in contract.kinds().values() if DeltaTable.is_deltatable(str(sample_data.lake / row.name))
    }
    assert {"model_request", "prompt", "tool_call", "commit", "session"} <= set(found)
    return {name: (row, sample_data.lake / name) for name, row in found.items()}


def test_deltalake_polars_and_duckdb_read_the_same_rows_of_every_kind(kinds):
    for kind, folder in kinds.values():
        found = {name: content(read(folder), kind) for name, read in READERS.items()}
        assert len(set(found.values())) == 1, (kind.name, found)


def test_the_tables_hold_the_rows_that_the_catalog_names(kinds, sample_data):
    with Catalog(sample_data) as catalog:
        counts = dict(catalog.db.execute("SELECT kind, sum(row_count) FROM lake_files GROUP BY kind").fetchall())
    assert {name: by_deltalake(folder).num_rows for name, (_, folder) in kinds.items()} == counts


def test_spark_reads_the_same_rows_of_every_kind(spark, kinds):
    for kind, folder in kinds.values():
        files = [uri.removeprefix("file://") for uri in DeltaTable(folder).file_uris()]
        rows = spark.read.option("mergeSchema", "true").parquet(*files).toArrow()
        assert content(rows, kind) == content(by_deltalake(folder), kind), kind.name
