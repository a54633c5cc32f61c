"""What the server's benches share: fresh processes that take turns, medians, ratios to a floor, generated events."""

import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from meterhouse import contract

_TYPES = {"count": "BIGINT", "integer": "BIGINT", "boolean": "BOOLEAN", "texts": "VARCHAR[]", "instant": "TIMESTAMPTZ",
          "day": "DATE", "money": "DECIMAL(38,12)", "share": "DECIMAL(38,12)"}  # fmt: skip
COLUMNS = {field.name: _TYPES.get(field.type, "VARCHAR") for kind in contract.kinds().values() for field in kind.fields}
# the cheapest thing that reads the same bytes and keeps them: from few large files, because a small one costs DuckDB a millisecond
FLOOR = f"""
import sys, duckdb
db = duckdb.connect(config={{"threads": 2, "memory_limit": "4GB"}})
db.execute("SET preserve_insertion_order = false")
columns = {json.dumps(COLUMNS)}
listed = "{{" + ", ".join(f"{{name}}: '{{type_}}'" for name, type_ in columns.items()) + "}}"
source = f"read_json('{{sys.argv[1]}}/*.jsonl.gz', format='newline_delimited', ignore_errors=true, columns={{listed}})"
db.execute(f"COPY (SELECT * FROM {{source}}) TO '{{sys.argv[2]}}' (FORMAT parquet, COMPRESSION zstd)")
"""


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds and peak MiB of one fresh process, and the last line that it printed."""

    wall: float
    cpu: float
    peak: float
    told: str = ""


def measure(program: str, *arguments: object) -> Cost:
    """Run a Python program in a process of its own; from a file, for with -c pyspark takes it for its doctests and ends it."""
    start = time.perf_counter()
    with (
        tempfile.NamedTemporaryFile("w", suffix=".py") as file,
        tempfile.TemporaryFile("w+") as told,
        tempfile.TemporaryFile("w+") as trouble,
    ):
        file.write(program)
        file.flush()
        process = subprocess.Popen([sys.executable, file.name, *map(str, arguments)], stdout=told, stderr=trouble)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        told.seek(0)
        trouble.seek(0)
        if process.returncode:
            raise SystemExit(trouble.read()[-2000:])
        return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, (told.read().splitlines() or [""])[-1])


def in_turns(rounds: int, candidates: Mapping[str, Callable[[], Cost]]) -> dict[str, Cost]:
    """Medians of candidates that take turns, so that a busy minute hits all of them."""
    found: dict[str, list[Cost]] = {name: [] for name in candidates}
    for number in range(rounds):
        for name, candidate in candidates.items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            found[name].append(candidate())
    return {name: _median(costs) for name, costs in found.items()}


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        *(statistics.median(getattr(cost, name) for cost in costs) for name in ("wall", "cpu", "peak")), costs[-1].told
    )


def table(costs: Mapping[str, Cost], floor: str, events: int) -> None:
    """Print a line a candidate."""
    print(f"{'':<18}{'wall s':>8}{'CPU s':>8}{'peak MiB':>10}{'events/s':>11}{'wall ÷ floor':>14}{'CPU ÷ floor':>13}")
    low = costs[floor]
    for name, cost in costs.items():
        print(f"{name:<18}{cost.wall:>8.2f}{cost.cpu:>8.2f}{cost.peak:>10.0f}{events / cost.wall:>11,.0f}"
              f"{cost.wall / low.wall:>14.2f}{cost.cpu / low.cpu:>13.2f}")  # fmt: skip


def generated(engineers: int, days: int, seed: int, target: Path, *options: object) -> int:
    """An organisation's segments, with more options of `meterhouse generate`; gives the number of their events."""
    print(f"generating {engineers} engineers, {days} days …", file=sys.stderr)
    done = subprocess.run(
        [sys.executable, "-m", "meterhouse", "generate", "--engineers", str(engineers), "--days", str(days),
         "--seed", str(seed), "--to", str(target), *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)  # fmt: skip
    return int(json.loads(done.stdout)["events"])


def joined(bucket: Path, target: Path, files: int = 8) -> Path:
    """The same segments as members of a few gzip files; those that are damaged are left out."""
    target.mkdir()
    outs = [(target / f"{number}.jsonl.gz").open("wb") for number in range(files)]
    for number, path in enumerate(sorted(bucket.rglob("*.jsonl.gz"))):
        data = path.read_bytes()
        try:
            gzip.decompress(data)
        except (OSError, EOFError):
            continue
        outs[number % files].write(data)
    for out in outs:
        out.close()
    return target
