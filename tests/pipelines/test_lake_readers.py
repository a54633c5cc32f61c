"""The lake's Delta tables, read by engines that know nothing of us: the same rows for all, and those that the catalog names.

DuckDB reads the file list of the table's version: its own Delta extension is downloaded at run time. So does Spark, whose Delta
jars are on Maven, not on PyPI (`make test-spark`).
"""

from dataclasses import replace

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from meterhouse import compaction, contract, delta, load
from meterhouse.catalog import Catalog
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests


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


@pytest.fixture
def grown(tmp_path, monkeypatch):
    """A lake whose contract learnt an optional field between two loads, and the kind with that field."""
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")

    def loaded(seq: int, **more) -> None:
        raw.segment(bucket, [raw.event(key=(seq,), response_id=f"msg_{seq:030d}") | more], seq=seq)
        with run_lock(data), Catalog(data) as catalog:
            load.load(Storage(str(bucket)), catalog)
            delta.follow(catalog)

    loaded(1)
    kind = contract.kinds()["model_request"]
    field = replace(next(row for row in kind.fields if row.name == "branch"), name="made_up", pattern=None)
    grown = {**contract.kinds(), kind.name: replace(kind, fields=(*kind.fields, field))}
    monkeypatch.setattr(contract, "kinds", lambda: grown)
    for cached in (contract.struct_types, contract.decoder):
        cached.cache_clear()
    before = {path: path.stat().st_mtime_ns for path in data.lake.rglob("*.parquet")}
    loaded(2, made_up="x")
    assert before.items() <= {path: path.stat().st_mtime_ns for path in data.lake.rglob("*.parquet")}.items()
    yield data, grown[kind.name]
    for cached in (contract.struct_types, contract.decoder):
        cached.cache_clear()


def test_a_field_that_the_contract_learns_is_null_in_older_rows_and_no_file_is_rewritten(grown):
    data, kind = grown
    folder = data.lake / kind.name
    found = {name: content(read(folder), kind) for name, read in READERS.items()}
    assert len(set(found.values())) == 1, found
    assert sorted(by_deltalake(folder)["made_up"].to_pylist(), key=str) == [None, "x"]
    assert by_polars(folder).schema.field("made_up").type in (pa.string(), pa.large_string(), pa.string_view())
    assert "made_up" not in pl.read_delta(str(folder), version=1).columns, "the past is read as it was"


def test_compaction_of_rows_from_before_and_after_gives_the_same_rows(grown, monkeypatch):
    data, kind = grown
    before = content(by_deltalake(data.lake / kind.name), kind)
    monkeypatch.setattr(compaction, "MAX_FILES", 1)
    with run_lock(data), Catalog(data) as catalog:
        assert len(compaction.compact(catalog)) == 1
    assert {name: content(read(data.lake / kind.name), kind) for name, read in READERS.items()} == dict.fromkeys(
        READERS, before
    )


def test_spark_reads_a_table_that_learnt_a_field(spark, grown):
    data, kind = grown
    files = [uri.removeprefix("file://") for uri in DeltaTable(data.lake / kind.name).file_uris()]
    rows = spark.read.option("mergeSchema", "true").parquet(*files).toArrow()
    assert content(rows, kind) == content(by_deltalake(data.lake / kind.name), kind)


def test_spark_reads_the_same_rows_of_every_kind(spark, kinds):
    for kind, folder in kinds.values():
        files = [uri.removeprefix("file://") for uri in DeltaTable(folder).file_uris()]
        rows = spark.read.option("mergeSchema", "true").parquet(*files).toArrow()
        assert content(rows, kind) == content(by_deltalake(folder), kind), kind.name
