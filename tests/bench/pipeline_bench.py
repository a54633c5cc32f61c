"""`make bench`, server half: the whole path against the bare floor, in fresh processes that take turns; prints ratios.

Floor: DuckDB parses the same JSONL with explicit types and writes one Parquet file. Path: strict parse, quarantine, ledger,
dedupe, lake, models, prices, checks, snapshot.
"""

import argparse
import hashlib
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 3
FLOOR = """
import sys, duckdb
db = duckdb.connect(config={"threads": 2, "memory_limit": "4GB"})
db.execute("SET preserve_insertion_order = false")
columns = "{" + ", ".join(f"{name}: '{type_}'" for name, type_ in COLUMNS.items()) + "}"
db.execute(f"COPY (SELECT * FROM read_json('{sys.argv[1]}/**/*.jsonl', format='newline_delimited', ignore_errors=true, "
           f"columns={columns})) TO '{sys.argv[2]}' (FORMAT parquet, COMPRESSION zstd)")
"""
PATH = """
import sys
from pathlib import Path
from meterhouse.paths import DataDir
from meterhouse.run import run
run(sys.argv[1], DataDir(Path(sys.argv[2])))
"""
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


def events(count: int) -> "list[bytes]":
    """Observations of requests spread over 30 days, about as wide as real ones."""
    rows = []
    for number in range(count):
        day, session = 1 + number % 30, number // 60
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        rows.append(json.dumps({
            "schema_version": 1, "kind": "model_request", "event_id": digest[:32],
            "occurred_at": f"2026-10-{day:02d}T{number % 24:02d}:{number % 60:02d}:{number % 59:02d}.{number % 1000:03d}Z",
            "source": "claude_code", "channel": "transcript", "agent": "claude_code", "agent_version": "2.1.197",
            "session_id": f"{session:08x}-51fc-4500-ad94-b74a07e8f0df", "status": "ok", "provider": "anthropic",
            "model": ("claude-opus-4-8", "claude-sonnet-5", "claude-haiku-4-5")[number % 3],
            "response_id": f"msg_{digest[32:56]}", "provider_request_id": f"req_{digest[40:60]}",
            "input_tokens": 21000 + number % 900, "cache_read_tokens": 14954, "cache_write_tokens": 100,
            "output_tokens": 1 + number % 4000, "person_key": f"p{session % 500}", "branch": "main",
            "repository": f"github.com/example/service-{session % 40}",
        }, separators=(",", ":")).encode())  # fmt: skip
    return rows


def write(folder: Path, rows: "list[bytes]", per_object: int = 50_000) -> None:
    """Segments of many events, uncompressed, so that both sides read the same bytes."""
    target = folder / "raw" / "v1" / "direct" / "bench"
    target.mkdir(parents=True)
    for seq, start in enumerate(range(0, len(rows), per_object), start=1):
        (target / f"b-{seq:012d}-bench.jsonl").write_bytes(b"\n".join(rows[start : start + per_object]) + b"\n")


def measure(program: str, source: Path, target: Path) -> "tuple[float, float, float]":
    """Wall seconds, CPU seconds and peak MiB of one fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    code = program + "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(source), str(target)], capture_output=True, text=True, check=True
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, int(done.stdout.split()[-1]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    count = parser.parse_args().events
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        rows = events(count)
        write(home, rows)
        types = {"input_tokens": "BIGINT", "cache_read_tokens": "BIGINT", "cache_write_tokens": "BIGINT",
                 "output_tokens": "BIGINT", "schema_version": "BIGINT", "occurred_at": "TIMESTAMPTZ"}  # fmt: skip
        columns = {name: types.get(name, "VARCHAR") for name in json.loads(rows[0])}
        programs = {"floor": f"COLUMNS = {columns!r}\n{FLOOR}", "load": LOAD, "path": PATH}
        results: dict[str, list[tuple[float, float, float]]] = {name: [] for name in programs}
        for number in range(ROUNDS):
            for name, program in programs.items():
                print(f"round {number + 1} of {ROUNDS}: {name}", file=sys.stderr)
                target = home / f"out-{name}"
                results[name].append(measure(program, home, target))
                shutil.rmtree(target) if target.is_dir() else target.unlink()
        report(count, sum(map(len, rows)), results)


def report(count: int, size: int, results: "dict[str, list[tuple[float, float, float]]]") -> None:
    """Medians, and each as a ratio to the floor."""
    middle = {
        name: [statistics.median(row[index] for row in rows) for index in range(3)] for name, rows in results.items()
    }
    print(f"{count:,} events, {size / 1e6:.0f} MB, median of {ROUNDS} alternating rounds")
    print(f"{'':<8}{'wall s':>8}{'CPU s':>8}{'peak MiB':>10}{'events/s':>11}{'wall ÷ floor':>14}{'CPU ÷ floor':>13}")
    for name, (wall, cpu, peak) in middle.items():
        floor_wall, floor_cpu, _ = middle["floor"]
        print(
            f"{name:<8}{wall:>8.2f}{cpu:>8.2f}{peak:>10.0f}{count / wall:>11,.0f}{wall / floor_wall:>14.1f}{cpu / floor_cpu:>13.1f}"
        )


if __name__ == "__main__":
    main()
