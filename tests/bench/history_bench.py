"""`make bench`, a late batch on histories of several lengths: some 100,000 events of ten late days, loaded, built, checked, published.

    python tests/bench/history_bench.py [--engineers 1000] [--days 15 150] [--rounds 3]   (1 and 10 million events; 1500 days: 100)

The organisation is as large in each, so the days that the batch touches are too; what a longer history adds is overhead. Another
such batch came before: the first one after a whole build makes DuckDB tidy up what was written side by side, once.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from measure import Cost, generated, in_turns, measure
from pipeline_bench import LOAD, PATH

BATCH_ENGINEERS, BATCH_DAYS = 150, 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engineers", type=int, default=1000)
    parser.add_argument("--days", type=int, nargs="+", default=[15, 150])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        batch = generated(BATCH_ENGINEERS, BATCH_DAYS, 2, home / "batch")
        generated(BATCH_ENGINEERS, BATCH_DAYS, 3, home / "sooner")
        sizes = {}
        for days in asked.days:
            sizes[days] = generated(asked.engineers, days, 1, home / f"bucket{days}")
            shutil.copytree(home / f"bucket{days}" / "roster", home / "sooner" / "roster", dirs_exist_ok=True)
            for bucket in (f"bucket{days}", "sooner"):
                measure(PATH, home / bucket, home / f"history{days}")

        def late(program: str, days: int) -> Cost:
            shutil.rmtree(home / "data", ignore_errors=True)
            shutil.copytree(home / f"history{days}", home / "data", symlinks=True)
            shutil.copytree(home / f"bucket{days}" / "roster", home / "batch" / "roster", dirs_exist_ok=True)
            return measure(program, home / "batch", home / "data")

        costs = in_turns(asked.rounds, {
            f"{name} {days}": lambda program=program, days=days: late(program, days)
            for name, program in (("load", LOAD), ("everything", PATH)) for days in asked.days})  # fmt: skip
        print(f"a batch of {batch:,} events on ten late days, median of {asked.rounds} alternating rounds")
        for name in ("load", "everything"):
            for days in asked.days:
                cost, least = costs[f"{name} {days}"], costs[f"{name} {asked.days[0]}"]
                print(f"{name:<11} on {sizes[days]:>11,} events of {days:>4} days: {cost.wall:6.2f} s, CPU {cost.cpu:6.2f} s, "
                      f"peak {cost.peak:5.0f} MiB, CPU ratio {cost.cpu / least.cpu:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
