"""`make bench`, 15 million events in one go: load, then all models, checks and the snapshot; beside the floor of the same run.

    python tests/bench/volume_bench.py [--engineers 6500] [--days 30]

One round: what it shows is memory, and whether a cost grows faster than the events.
"""

import argparse
import tempfile
from pathlib import Path

from measure import FLOOR, generated, joined, measure, table
from pipeline_bench import LOAD, PATH


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engineers", type=int, default=6500)
    parser.add_argument("--days", type=int, default=30)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        events = generated(asked.engineers, asked.days, 3, home / "bucket")
        costs = {"floor": measure(FLOOR, joined(home / "bucket", home / "joined"), home / "floor.parquet")}
        costs["load"] = measure(LOAD, home / "bucket", home / "data")
        costs["models, snapshot"] = measure(PATH, home / "bucket", home / "data")  # finds everything loaded
        print(f"{events:,} events of {asked.engineers:,} engineers in one go")
        table(costs, "floor", events)


if __name__ == "__main__":
    main()
