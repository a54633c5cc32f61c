"""`make bench`, late batches on histories of several lengths: some 100,000 events of ten late days each, loaded, built, checked, published.

    python tests/bench/history_bench.py [--engineers 1000] [--days 15 150] [--rounds 3]

1500 days are 100 million events: two hours, and 80 GB of disk. The organisation is as large in each history, so the days that a batch
touches are too; what a longer history adds is overhead. The first batch is not counted: after a whole build DuckDB tidies up what was
written side by side, once.
"""

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from measure import Cost, generated, measure
from pipeline_bench import LOAD, PATH

BATCH_ENGINEERS, BATCH_DAYS = 150, 10
FIRST_SEED = 2  # of the batches; the histories have 1


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engineers", type=int, default=1000)
    parser.add_argument("--days", type=int, nargs="+", default=[15, 150])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sizes = {days: history(home, asked.engineers, days) for days in asked.days}
        found: dict[int, list[tuple[Cost, Cost]]] = {days: [] for days in asked.days}
        for number in range(asked.rounds + 1):
            batch = home / f"batch{number}"
            events = generated(BATCH_ENGINEERS, BATCH_DAYS, FIRST_SEED + number, batch)
            for days in asked.days:
                costs = late(home, batch, days)
                found[days] += [costs] if number else []
        print(
            f"a batch of some {events:,} events on ten late days, median of {asked.rounds} batches, each on every history"
        )
        report(sizes, found)


def history(home: Path, engineers: int, days: int) -> int:
    """An organisation's events, loaded and published; gives their number."""
    bucket = home / f"bucket{days}"
    events = generated(engineers, days, 1, bucket)
    measure(PATH, bucket, home / f"history{days}")
    shutil.rmtree(bucket / "raw")
    return events


def late(home: Path, batch: Path, days: int) -> tuple[Cost, Cost]:
    """What it costs to load a batch, and all the rest."""
    shutil.copytree(home / f"bucket{days}" / "roster", batch / "roster", dirs_exist_ok=True)
    return measure(LOAD, batch, home / f"history{days}"), measure(PATH, batch, home / f"history{days}")


def report(sizes: dict[int, int], found: dict[int, list[tuple[Cost, Cost]]]) -> None:
    """Print medians, and their ratios to those of the first history."""
    for name, of in (("load", slice(0, 1)), ("everything", slice(0, 2))):
        least = 0.0
        for days, rounds in found.items():
            wall, cpu = (statistics.median(sum(getattr(one, what) for one in costs[of]) for costs in rounds) for what in ("wall", "cpu"))  # fmt: skip
            least = least or cpu
            peak = max(one.peak for costs in rounds for one in costs[of])
            print(f"{name:<11} on {sizes[days]:>11,} events of {days:>4} days: {wall:6.2f} s, CPU {cpu:6.2f} s, "
                  f"peak {peak:5.0f} MiB, CPU ratio {cpu / least:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
