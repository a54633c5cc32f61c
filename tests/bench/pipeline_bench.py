"""`make bench`, the whole path against the bare floor, in fresh processes that take turns; prints ratios.

    python tests/bench/pipeline_bench.py [--engineers 1000] [--days 20] [--rounds 3]

Floor: DuckDB reads the same compressed lines, joined into few files, with explicit types and writes one Parquet file. Path: strict parse, quarantine,
ledger, dedupe, lake, late days, resolution, prices, all models, checks, snapshot. Great Expectations runs as an asset of its own.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from measure import FLOOR, Cost, generated, in_turns, joined, measure, table

LOAD = """
import sys
from pathlib import Path
from meterhouse.catalog import Catalog
from meterhouse.load import load
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
with Catalog(DataDir(Path(sys.argv[2]))) as catalog:
    load(Storage(sys.argv[1]), catalog)
"""
PATH = """
import sys
from pathlib import Path
from meterhouse.paths import DataDir
from meterhouse.run import run
run(sys.argv[1], DataDir(Path(sys.argv[2])))
"""
STEPS = """
import sys, time
from pathlib import Path
from meterhouse import checks, seeds, snapshot
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
data = DataDir(Path(sys.argv[2]))
data.build.unlink()
spent = [time.process_time()]
with Catalog(data) as catalog, Builder(catalog, seeds.read_seeds(Storage(sys.argv[1]))) as builder:
    builder.build_all()
    spent.append(time.process_time())
    checks.require(checks.check_all_news(builder))
    spent.append(time.process_time())
    snapshot.publish(builder)
    spent.append(time.process_time())
print(*(later - sooner for sooner, later in zip(spent, spent[1:])))
"""
AUDIT = """
import sys
from pathlib import Path
from meterhouse.audit import audit
from meterhouse.paths import DataDir
audit(DataDir(Path(sys.argv[2])))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engineers", type=int, default=1000)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        events = generated(asked.engineers, asked.days, 1, home / "bucket")

        large = joined(home / "bucket", home / "joined")

        def fresh(name: str, program: str) -> Cost:
            shutil.rmtree(home / name, ignore_errors=True)
            return measure(program, home / "bucket", home / name)

        costs = in_turns(asked.rounds, {
            "floor": lambda: measure(FLOOR, large, home / "floor.parquet"), "load": lambda: fresh("load", LOAD),
            "whole path": lambda: fresh("path", PATH),
            "no-op run": lambda: measure(PATH, home / "bucket", home / "path"),
            "audit": lambda: measure(AUDIT, home / "bucket", home / "path"),
        })  # fmt: skip
        print(f"{events:,} events, median of {asked.rounds} alternating rounds")
        table(costs, "floor", events)
        steps = map(float, measure(STEPS, home / "bucket", home / "path").told.split())
        for name, cpu in zip(("build", "checks", "publish"), steps, strict=True):
            print(f"of it {name}: {cpu:.2f} CPU s, {cpu / costs['floor'].cpu:.2f} × floor")
        share = costs["audit"].cpu / (costs["audit"].cpu + costs["whole path"].cpu)
        print(f"Great Expectations: {share:.0%} of the CPU of a run with its audit")


if __name__ == "__main__":
    main()
