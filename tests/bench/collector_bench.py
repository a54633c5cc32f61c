"""Measures the collector on this machine: start-up, an idle pass over 2,200 files, reading speed and peak memory.

    python tests/bench/collector_bench.py [--megabytes 200] [--python python3.9]

It judges nothing: clocks of shared machines lie. Lines are our own, shaped and sized like Claude Code's.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance import ccusage

COLLECTORS = Path(__file__).resolve().parents[2] / "collectors"
FILES, ROUNDS = 2200, 7


def exchange(number):
    """One prompt, one answer with usage, one large tool result: about 12 kB, as real transcripts have."""
    place = {
        "sessionId": "s-1",
        "timestamp": f"2026-10-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z",
    }
    place |= {"cwd": "/nowhere", "version": "2.1.328", "gitBranch": "main", "isSidechain": False, "entrypoint": "cli"}
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 500,
        "cache_read_input_tokens": 12000,
        "output_tokens": number % 900,
    }
    message = {"id": f"msg_{number}", "role": "assistant", "model": "claude-opus-4-8", "usage": usage}
    message["content"] = [
        {"type": "text", "text": "x" * 800},
        {"type": "tool_use", "id": f"toolu_{number}", "name": "Read", "input": {}},
    ]
    result = [{"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": "line of a file\n" * 600}]
    for kind, body in (
        ("user", {"role": "user", "content": "y" * 300}),
        ("assistant", message),
        ("user", {"role": "user", "content": result}),
    ):
        yield {"type": kind, "uuid": f"{kind}-{number}", "requestId": f"req_{number}", "message": body, **place}


def write(path, first, exchanges):
    """A transcript; returns its size."""
    with open(path, "w", encoding="utf-8") as file:
        for number in range(first, first + exchanges):
            file.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in exchange(number))
    return path.stat().st_size


def run(python, *arguments):
    """Best wall time in ms of several runs, and peak memory of the children so far in MB."""
    environment = {**os.environ, "PYTHONPATH": str(COLLECTORS), "METERHOUSE_PERSON": "p-1"}
    begin = time.perf_counter()
    subprocess.run([python, *arguments], env=environment, check=True, capture_output=True)
    return (time.perf_counter() - begin) * 1000


def best(python, *arguments):
    """The quickest of several runs, in ms."""
    return min(run(python, *arguments) for _ in range(ROUNDS))


def other(root):
    """The quickest of three runs of ccusage over the same files in ms, or None where it is not installed."""
    program = ccusage.find()
    if program is None:
        return None
    taken = []
    for _ in range(3):
        begin = time.perf_counter()
        subprocess.run(
            ccusage.command(program, "claude"), env=ccusage.environment(root / "large"), check=True, capture_output=True
        )
        taken.append((time.perf_counter() - begin) * 1000)
    return min(taken)


def main():
    """Print one figure a line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--megabytes", type=int, default=200)
    options.add_argument("--python", default=sys.executable)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        collector = ["-m", "meterhouse_collector"]
        print(f"bare python -c pass          {best(given.python, '-c', 'pass'):8.0f} ms")
        print(f"collector --version          {best(given.python, *collector, '--version'):8.0f} ms")
        many = root / "many" / ".claude" / "projects" / "p"
        many.mkdir(parents=True)
        for number in range(FILES):
            write(many / f"{number}.jsonl", number * 10, 1)
        places = ["--home", str(root / "many"), "--spool", str(root / "spool-many"), "--to", str(root / "lake")]
        print(f"once, {FILES} new files         {run(given.python, *collector, 'once', *places):8.0f} ms")
        print(f"once, {FILES} unchanged files   {best(given.python, *collector, 'once', *places):8.0f} ms")
        idle = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        large = root / "large" / ".claude" / "projects" / "p"
        large.mkdir(parents=True)
        size = write(large / "large.jsonl", 0, given.megabytes * 1_000_000 // 11_000)
        places = ["--home", str(root / "large"), "--spool", str(root / "spool-large"), "--to", str(root / "lake")]
        taken = run(given.python, *collector, "once", *places)
        print(f"once, one file of {size / 1e6:4.0f} MB    {taken:8.0f} ms   {size / 1e3 / taken:6.0f} MB/s")
        again = []
        for number in range(ROUNDS):
            with open(large / "large.jsonl", "a", encoding="utf-8") as file:
                file.writelines(json.dumps(record, separators=(",", ":")) + "\n" for record in exchange(10**6 + number))
            again.append(run(given.python, *collector, "once", *places))
        print(f"once, after one more exchange{min(again):8.0f} ms")
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # before node, whose memory is not ours
        theirs = other(root)
        print(ccusage.HOW if theirs is None else f"ccusage on the same file     {theirs:8.0f} ms, at every call")
        # Linux counts kilobytes, macOS bytes
        scale = 1024 if sys.platform != "darwin" else 1024 * 1024
        print(f"peak memory, many files      {idle / scale:8.0f} MB")
        print(f"peak memory, large file      {peak / scale:8.0f} MB")


if __name__ == "__main__":
    main()
