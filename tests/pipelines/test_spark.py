"""The sample organisation, built by DuckDB and by Spark from one lake: every model and view equal, and a run that publishes the same."""

import shutil

import duckdb
import pytest

from meterhouse import run, seeds
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.models import load_models
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
from models.compare import differences  # tests/models
from pipelines import raw  # noqa: TID251 - the folder of these tests

MODELS = load_models()


@pytest.fixture(scope="module")
def on_spark(spark, sample_data, tmp_path_factory):
    """The same lake with tables that Spark built and published; the session still holds every view."""
    from conftest import SAMPLE
    from meterhouse.spark.engine import SparkBuilder

    data = DataDir(tmp_path_factory.mktemp("spark") / "data")
    data.root.mkdir()
    shutil.copyfile(sample_data.catalog, data.catalog)
    shutil.copytree(sample_data.lake, data.lake)
    outcome = run.run(str(SAMPLE), data, lambda builder: SparkBuilder(builder, spark).build_all())
    assert outcome.published
    return data


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.kind != "view"])
def test_a_table_of_the_sample_is_the_same_on_spark(on_spark, sample_data, name):
    with (
        duckdb.connect(str(sample_data.build), read_only=True) as db,
        duckdb.connect(str(on_spark.build), read_only=True) as other,
    ):
        assert differences(db, name, other.sql(f"FROM {name}").to_arrow_table()) == []


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.kind == "view"])
def test_a_view_of_the_sample_is_the_same_on_spark(on_spark, spark, name):
    from conftest import SAMPLE

    with Catalog(on_spark) as catalog, Builder(catalog, seeds.read_seeds(Storage(str(SAMPLE)))) as builder:
        builder.build(MODELS[name])
        assert differences(builder.db, name, spark.table(name).toArrow()) == []


def test_readers_get_the_same_snapshot_whichever_engine_built_it(on_spark, sample_data):
    assert raw.fingerprint(on_spark) == raw.fingerprint(sample_data)


def test_after_spark_duckdb_goes_on_where_it_stopped(on_spark):
    from conftest import SAMPLE

    assert run.run(str(SAMPLE), on_spark).published is None
