"""DuckDB and Spark build all models over one lake, the sample's times N; prints seconds of each, and whether they agree.

`python tests/bench/engines_bench.py 1 2 22`: about 45,000 events times each factor. Copies differ in every id and share
people, days and repositories. Spark needs its extra and a Java runtime.
"""

import contextlib
import io
import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conftest import LOCAL_SPARK, SAMPLE
from meterhouse import load, seeds
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir
from meterhouse.spark.engine import SparkBuilder, session
from meterhouse.storage import Storage
from models.compare import differences


def multiplied(source: DataDir, root: Path, factor: int) -> DataDir:
    """A data directory whose lake holds every event `factor` times under ids of its own, a file a kind and day."""
    data = DataDir(root)
    with Catalog(data) as catalog, duckdb.connect(str(source.catalog), read_only=True) as old:
        for table in ("load_ledger", "load_quarantine", "load_parked"):
            rows = old.sql(f"FROM {table}").to_arrow_table()  # noqa: F841 - DuckDB finds it by name
            catalog.db.execute(f"INSERT INTO {table} FROM rows")
        for kind, day, paths in old.execute("SELECT kind, day, list(path) FROM lake_files GROUP BY ALL").fetchall():
            files = [str(source.lake / path) for path in paths]
            path = Path(kind) / f"day={day}" / "00000001.parquet"
            (data.lake / path).parent.mkdir(parents=True, exist_ok=True)
            count = _copy(catalog.db, files, data.lake / path, factor)
            catalog.db.execute("INSERT INTO lake_files VALUES (?, ?, ?, ?, 1)", [kind, day, str(path), count])
    return data


def _copy(db: duckdb.DuckDBPyConnection, files: list[str], target: Path, factor: int) -> int:
    source = f"read_parquet({files}, union_by_name = true, hive_partitioning = false)"
    names = [name for name, type_, *_ in db.execute(f"DESCRIBE FROM {source}").fetchall()
             if type_ == "VARCHAR" and (name.endswith("_id") or name == "commit_sha")]  # fmt: skip
    changed = ", ".join(f"{name} || '-' || copy AS {name}" for name in names)
    db.execute(
        f"COPY (SELECT * EXCLUDE (copy) REPLACE ({changed}) FROM {source}, range({factor}) AS copies(copy)) TO '{target}'"
    )
    row = db.execute(f"SELECT count(*) FROM read_parquet('{target}')").fetchone()
    return row[0] if row else 0


def timed(data: DataDir, engine: str, spark=None) -> float:
    """Seconds to build all models from nothing."""
    data.build.unlink(missing_ok=True)
    began = time.perf_counter()
    given = seeds.read_seeds(Storage(str(SAMPLE)))
    with Catalog(data) as catalog, Builder(catalog, given) as builder, contextlib.redirect_stderr(io.StringIO()):
        SparkBuilder(builder, spark).build_all() if engine == "spark" else builder.build_all()
    seconds = time.perf_counter() - began
    data.build.replace(data.root / f"{engine}.duckdb")
    return seconds


def unequal(data: DataDir) -> list[str]:
    """Tables that the two engines did not agree on."""
    with duckdb.connect(str(data.root / "duckdb.duckdb"), read_only=True) as db:
        db.execute(f"ATTACH '{data.root / 'spark.duckdb'}' AS spark (READ_ONLY)")
        names = [name for (name,) in db.execute("SELECT model FROM model_state ORDER BY model").fetchall()]
        return [line for name in names for line in differences(db, name, db.sql(f"FROM spark.{name}").to_arrow_table())]


def main(factors: list[int]) -> None:
    """Print a line a factor."""
    with tempfile.TemporaryDirectory() as folder:
        source = DataDir(Path(folder) / "sample")
        with Catalog(source) as catalog:
            events = load.load(Storage(str(SAMPLE)), catalog).rows
        began = time.perf_counter()
        spark = session({**LOCAL_SPARK, "spark.driver.memory": "4g", "spark.log.level": "OFF"})
        print(f"Spark {spark.version}, local[2], starts in {time.perf_counter() - began:.0f} s")
        for factor in factors:
            data = multiplied(source, Path(folder) / f"times{factor}", factor)
            duck = timed(data, "duckdb")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
            told = unequal(data) if (sparks := timed(data, "spark", spark)) else []
            verdict = "all tables equal" if not told else f"{len(told)} differ: {told}"
            print(
                f"{events * factor:>11,} events: DuckDB {duck:6.1f} s (peak {peak:.1f} GiB), Spark {sparks:6.1f} s, {verdict}",
                flush=True,
            )
        spark.stop()


if __name__ == "__main__":
    main([int(value) for value in sys.argv[1:]] or [1])
