"""`make bench`, readers: every page of the dashboards and some ad-hoc questions on a published snapshot; prints p50, p95 and the slowest.

    python tests/bench/queries_bench.py [--data DIR] [--engineers 1000] [--days 60]
    python tests/bench/queries_bench.py --engineers 10000 --days 365 --events-per-day 5 --segment-days 30   (a quarter of an hour)

Times are those of the queries as the pages ask them, by way of Streamlit's own runner, without its drawing.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measure import generated, measure
from pipeline_bench import PATH

from dashboards.pages import VIEWS, open_page  # noqa: TID251 - tests/dashboards
from meterhouse import snapshot
from meterhouse.paths import DataDir
from meterhouse_dashboards import warehouse

AD_HOC = (
    "SELECT team, sum(list_cost_usd) FROM fct_requests GROUP BY ALL ORDER BY 2 DESC LIMIT 20",
    "SELECT model, count(*), sum(output_tokens) FROM fct_requests WHERE day >= (SELECT max(day) - 7 FROM dim_days) GROUP BY ALL",
    "SELECT person_key, sum(list_cost_usd) FROM fct_requests WHERE day >= (SELECT max(day) - 28 FROM dim_days) GROUP BY ALL ORDER BY 2 DESC LIMIT 50",
    "SELECT agent, approx_quantile(list_cost_usd, 0.95) FROM fct_sessions GROUP BY ALL",
    "SELECT date_trunc('month', day) AS month, tool_name, count(*) FROM fct_tool_calls GROUP BY ALL",
)
ROUNDS = 5


class Timed:
    """A connection that keeps how long each statement took."""

    def __init__(self, db: Any, times: list[tuple[float, str]]) -> None:
        self._db, self._times = db, times

    def execute(self, statement: str, *arguments: Any) -> Any:
        begun = time.perf_counter()
        answer = self._db.execute(statement, *arguments)
        self._times.append((time.perf_counter() - begun, statement))
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def of_pages(data: DataDir) -> list[tuple[float, str]]:
    """Open every page once, on the default period."""
    times: list[tuple[float, str]] = []

    @contextlib.contextmanager
    def timed(*arguments: Any):
        with snapshot.reading(*arguments) as db:
            yield Timed(db, times)

    warehouse.reading = timed
    os.environ["METERHOUSE_STORAGE_DATA"] = str(data.root)
    for view in VIEWS:
        print(f"page {view}", file=sys.stderr)
        open_page(view)
    return times


def of_people(data: DataDir) -> list[tuple[float, str]]:
    """Ask the ad-hoc questions, each a few times on a connection of its own."""
    times: list[tuple[float, str]] = []
    for statement in AD_HOC * ROUNDS:
        with snapshot.reading(data) as db:
            begun = time.perf_counter()
            db.execute(statement).fetchall()
            times.append((time.perf_counter() - begun, statement))
    return times


def told(name: str, times: list[tuple[float, str]]) -> None:
    """Print one line, and the slowest statement."""
    seconds = sorted(second for second, _ in times)
    p95 = statistics.quantiles(seconds, n=20)[-1]
    slowest = " ".join(max(times)[1].split())[:160]
    print(f"{name}: {len(seconds)} queries, p50 {statistics.median(seconds) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, "
          f"slowest {seconds[-1] * 1000:.0f} ms: {slowest}")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a data directory that holds a snapshot; otherwise an organisation is generated")
    parser.add_argument("--engineers", type=int, default=1000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--events-per-day", type=float, default=100, help="of an engineer, on a workday")
    parser.add_argument("--segment-days", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = DataDir(Path(asked.data) if asked.data else Path(folder) / "data")
        if not asked.data:
            options = ("--events-per-day", asked.events_per_day, "--segment-days", asked.segment_days)
            events = generated(asked.engineers, asked.days, 1, Path(folder) / "bucket", *options)
            print(f"{events:,} events of {asked.engineers:,} engineers on {asked.days} days")
            measure(PATH, Path(folder) / "bucket", data.root)
        told("pages", of_pages(data))
        told("ad hoc", of_people(data))


if __name__ == "__main__":
    main()
