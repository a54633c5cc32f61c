"""Builds all models on Spark, from the lake's files of the catalog; ours is the SQL, the engine is yours.

The results are those of DuckDB, row for row. Where Spark runs is Spark's own configuration (spark-defaults.conf,
SPARK_REMOTE, spark-submit); here is set only what the meaning of the SQL depends on.
"""

import shutil
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from meterhouse import contract, scores
from meterhouse.build import Builder, Built
from meterhouse.catalog import LEDGER_TABLES
from meterhouse.errors import ModelError, SettingsError
from meterhouse.models import Model
from meterhouse.spark.dialect import to_spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession  # pyright: ignore[reportMissingImports] - an extra

MEANING = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # an overflow is an error, never another number
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}
_SPARK_TYPES = {"Int64": "BIGINT", "Boolean": "BOOLEAN", "String": "STRING", "Date": "DATE",
                "Datetime(time_unit='us', time_zone='UTC')": "TIMESTAMP", "Decimal(precision=38, scale=12)":
                "DECIMAL(38,12)", "List(String)": "ARRAY<STRING>"}  # fmt: skip


def session(options: Mapping[str, str] | None = None) -> "SparkSession":
    """The session of Spark's own configuration, on this machine when that names none."""
    try:
        from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise SettingsError(
            "spark: pyspark is not installed; run `pip install 'meterhouse[spark]'` and see docs/scale.md"
        ) from error
    builder = SparkSession.builder.appName("meterhouse")
    for name, value in (options or {}).items():
        builder = builder.config(name, value)
    try:
        spark = builder.getOrCreate()
    except _spark_errors() as error:
        raise SettingsError(
            f"spark: does not start ({str(error).splitlines()[0]}); install a Java runtime such as openjdk-17-jre-headless"
        ) from error
    for name, value in MEANING.items():
        spark.conf.set(name, value)
    return spark


class SparkBuilder:
    """Builds every model whole and hands the rows to a `Builder`, which checks and publishes them as its own."""

    def __init__(self, builder: Builder, spark: "SparkSession") -> None:
        self.builder = builder
        self.spark = spark
        self.folder = builder.catalog.data.spark
        shutil.rmtree(self.folder, ignore_errors=True)

    def build_all(self) -> list[Built]:
        """Build every model, in order; the tables are left in the data directory as Parquet."""
        self._provide()
        return [self._build(model) for model in self.builder.models.values()]

    def _provide(self) -> None:
        """What models read and no model makes: lake, seeds, ledger, and the days to build, which are all."""
        catalog = self.builder.catalog
        for kind in contract.kinds():
            self._lake(kind).createOrReplaceTempView(f"lake_{kind}")
        names = self.builder.db.execute(
            "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'seed@_%' ESCAPE '@' ORDER BY 1"
        ).fetchall()
        for name in [*LEDGER_TABLES, *(name for (name,) in names)]:
            self._hand_over(name)
        touched = {day + timedelta(days=step) for day in catalog.days_since(-1) for step in (-1, 0, 1)}
        dates = ", ".join(f"DATE '{day}'" for day in sorted(touched))
        self.spark.sql(f"SELECT explode(CAST(array({dates}) AS ARRAY<DATE>)) AS day").createOrReplaceTempView(
            "run_days"
        )

    def _lake(self, kind: str) -> "DataFrame":
        """Files of one kind under the columns of the contract; those that an older file lacks are NULL."""
        columns = {name: _SPARK_TYPES[str(type_)] for name, type_ in contract.kinds()[kind].columns.items()}
        if files := self.builder.catalog.files(kind):
            return self.spark.read.schema(", ".join(f"`{name}` {type_}" for name, type_ in columns.items())).parquet(
                *files
            )
        nothing = ", ".join(f"CAST(NULL AS {type_}) AS `{name}`" for name, type_ in columns.items())
        return self.spark.sql(f"SELECT {nothing} WHERE false")  # not createDataFrame, which asks Python for every row

    def _hand_over(self, name: str) -> None:
        """A small table that DuckDB holds, by way of a file."""
        path = self.folder / "given" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.builder.db.execute(f"COPY (FROM {name}) TO '{str(path).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)")
        self.spark.read.parquet(str(path)).createOrReplaceTempView(name)

    def _build(self, model: Model) -> Built:
        for name in sorted(model.reads & scores.SCORES.keys()):
            scores.provide(self.builder.db, name)
            self._hand_over(name)
        try:
            rows = self.spark.sql(to_spark(model.sql))
            if model.kind == "view" and not _has_steps(model):
                rows.createOrReplaceTempView(model.name)
                return Built(model.name, 0, ())
            path = self.folder / ("views" if model.kind == "view" else "tables") / model.name
            rows.write.mode("overwrite").parquet(str(path))
        except _spark_errors() as error:
            raise ModelError(f"{model.path}: {str(error).splitlines()[0]}; mend the SELECT") from error
        self.spark.read.schema(rows.schema).parquet(str(path)).createOrReplaceTempView(model.name)
        return Built(model.name, 0, ()) if model.kind == "view" else self.builder.adopt(model, path)


def _has_steps(model: Model) -> bool:
    """Whether the view is worth keeping: Spark copies its steps into the plan of each reader, for each time it is read."""
    return sqlglot.parse_one(model.sql, dialect="duckdb").find(exp.CTE) is not None


def _spark_errors() -> Any:
    from pyspark.errors import PySparkException  # pyright: ignore[reportMissingImports]

    return PySparkException


def build(builder: Builder, options: Mapping[str, str] | None = None) -> list[Built]:
    """Build every model on Spark, and end the session."""
    spark = session(options)
    try:
        return SparkBuilder(builder, spark).build_all()
    finally:
        spark.stop()
