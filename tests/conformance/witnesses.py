"""What several channels saw of the same runs: each channel collected once, any subset of them loaded and compared with the truth.

Run as a program (`make conformance`) it prints a table agent × set of channels; test_channels.py asserts every row of it.
"""

import itertools
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from conformance import ccusage
from conformance.ends import FIXTURES
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.snapshot import reading

MEASURES = ("requests", "input", "cache_read", "cache_write", "output")
# of the responses of a capture, which its session files do not hold (docs/conformance.md)
UNSEEN_BY_FILES = {"claude": (0,), "gemini": (0,), "opencode": (0,)}
# the agent exported only sums over its run, in metrics; they tell of no request
METRICS_ONLY = ("copilot-edit",)
AGENT_FOLDERS = {"claude": ".claude", "codex": ".codex", "gemini": ".gemini", "qwen": ".qwen"}
ROWS = """
    SELECT input_tokens - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0), coalesce(cache_read_tokens, 0),
           coalesce(cache_write_tokens, 0), output_tokens, list_cost_usd, request_id
    FROM fct_requests WHERE status = 'ok' AND NOT contains(quality, 'fallback_only')"""
Tokens = tuple[int, int, int, int]


@dataclass
class Runs:
    """Runs of one agent that several channels saw; `known` is what each channel can know, as tokens of each request."""

    name: str
    home: Path | None
    known: dict[str, Counter[Tokens]]
    imports: dict[str, list[str]] = field(default_factory=dict)  # channel: words after `import`

    @property
    def subsets(self) -> list[tuple[str, ...]]:
        """Every non-empty set of the channels there are."""
        sizes = range(1, len(self.known) + 1)
        return [chosen for size in sizes for chosen in itertools.combinations(self.known, size)]

    def expected(self, channels: tuple[str, ...]) -> Counter[Tokens]:
        """The union of what the channels can know: each request once."""
        union: Counter[Tokens] = Counter()
        for channel in channels:
            union |= self.known[channel]
        return union

    def collect(self, channel: str, work: Path) -> Path:
        """The channel's segments in a folder of their own, as the real collector ships them."""
        to = work / channel
        if to.exists():
            return to
        spool = ["--spool", str(work / f"{channel}-spool"), "--to", str(to)]
        words = ["once", "--home", str(self.home)] if channel == "transcript" else ["import", *self.imports[channel]]
        done = subprocess.run([sys.executable, "-m", "meterhouse_collector", *words, *spool], capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        to.mkdir(exist_ok=True)  # nothing was shipped
        return to

    def load(self, channels: tuple[str, ...], work: Path, in_turn: bool = False) -> DataDir:
        """The tables of some channels; `in_turn` loads one after the other, as if on different days."""
        name = "+".join(channels)
        bucket, data = work / f"bucket-{name}-{in_turn}", DataDir(work / f"data-{name}-{in_turn}")
        for number, channel in enumerate(channels):
            shutil.copytree(self.collect(channel, work), bucket, dirs_exist_ok=True)
            if in_turn or number == len(channels) - 1:
                run(str(bucket), data)
        return data


@dataclass(frozen=True)
class Verdict:
    """What was found for one set of channels, beside what it can know."""

    runs: str
    channels: tuple[str, ...]
    found: Counter[Tokens]
    expected: Counter[Tokens]
    cost: Any

    @cached_property
    def difference(self) -> str:
        """Empty when exact, else what is too much or missing."""
        parts = [(self.found - self.expected, "too many"), (self.expected - self.found, "missing")]
        return ", ".join(f"{sum(rows.values())} {word}" for rows, word in parts if rows)

    def line(self) -> str:
        """One row of the table."""
        numbers = (sum(self.found.values()), *summed(self.found))
        verdict = "exact" if self.expected else "exact: tells of no request"
        return row(self.runs, " + ".join(self.channels), numbers, self.cost, self.difference or verdict)


def summed(requests: Counter[Tokens]) -> Tokens:
    """Tokens of all requests, by class."""
    sums = [sum(tokens[place] * count for tokens, count in requests.items()) for place in range(4)]
    return sums[0], sums[1], sums[2], sums[3]


def row(runs: str, witness: str, numbers: tuple[int | None, ...], cost: Any, verdict: str) -> str:
    """One line of the table; None is what a witness does not tell."""
    shown = "".join(f"{'-' if number is None else format(number, ','):>12}" for number in numbers)
    return f"{runs:<22}{witness:<28}{shown}{'unpriced' if cost is None else format(cost, '.6f'):>12}  {verdict}"


def beside(runs: Runs, program: str) -> str | None:
    """ccusage's line for the same session files, with what it has more or less than they hold; None when it has none."""
    found = ccusage.totals(program, re.split("[- ]", runs.name)[0], runs.home) if runs.home else None
    if found is None:
        return None
    known = summed(runs.known["transcript"])
    differences = zip(MEASURES[1:], map(int.__sub__, found.tokens, known), strict=True)
    parts = [f"{name} {more:+,}" for name, more in differences if more]
    parts += [f"{found.unclassed:,} in its total alone"] if found.unclassed else []
    verdict = ", ".join(parts) or "equal tokens"
    return row(runs.name, "(ccusage, same files)", (None, *found.tokens), found.cost, verdict)


def judge(runs: Runs, channels: tuple[str, ...], work: Path) -> Verdict:
    """Load one set of channels and compare."""
    with reading(runs.load(channels, work)) as db:
        rows = db.execute(ROWS).fetchall()
    costs = [row[4] for row in rows if row[4] is not None]
    return Verdict(runs.name, channels, Counter(tuple(row[:4]) for row in rows), runs.expected(channels), sum(costs) if costs else None)  # fmt: skip


def captures() -> Iterator[Runs]:
    """Scripted runs of real agents against a provider that noted what it billed."""
    for folder in sorted(path for path in (FIXTURES / "captures").iterdir() if path.is_dir()):
        rows = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
        billed = [
            (row["input"], row["cache_read"], row["cache_write"], row["output"])
            for row in rows
            if row.get("status") != 429
        ]
        hidden = UNSEEN_BY_FILES.get(folder.name.split("-")[0], ())
        known = {"transcript": Counter(row for number, row in enumerate(billed) if number not in hidden)}
        imports = {}
        if bodies := sorted(map(str, folder.glob("otlp-*.jsonl"))):
            known["otlp"] = Counter() if folder.name in METRICS_ONLY else Counter(billed)
            imports["otlp"] = ["otlp", *bodies]
        if (folder / "gateway").is_dir():
            known["gateway"] = Counter(billed)
            imports["gateway"] = ["litellm", str(folder / "gateway" / "litellm")]
        yield Runs(folder.name, folder / "home", known, imports)


def generated(work: Path) -> Iterator[Runs]:
    """Longer runs with resumes, forks, sub-agents and failures; here the agent's own export says what happened."""
    for agent, folder in AGENT_FOLDERS.items():
        root = FIXTURES / agent / "generated"
        home = work / agent / "home"
        home.mkdir(parents=True, exist_ok=True)
        (home / folder).symlink_to(root.resolve(), target_is_directory=True)
        exported = Counter(_exported(agent, root / "otlp"))
        told = (
            exported - Counter(_exported(agent, root / "otlp", only_auxiliary=True)) if agent == "gemini" else exported
        )
        bodies = sorted(map(str, (root / "otlp").glob("*.jsonl")))
        yield Runs(f"{agent} generated", home, {"transcript": told, "otlp": exported}, {"otlp": ["otlp", *bodies]})


def _exported(agent: str, folder: Path, only_auxiliary: bool = False) -> Iterator[Tokens]:
    """Tokens of each request in the agent's own words, read here without any of our code."""
    names = {
        "claude": ("api_request", "input_tokens", "cache_read_tokens", "cache_creation_tokens", "output_tokens", False),
        "codex": ("codex.sse_event", "input_token_count", "cached_token_count", "cache_write_token_count", "output_token_count", True),
        "gemini": ("gemini_cli.api_response", "input_token_count", "cached_content_token_count", None, "output_token_count", True),
        "qwen": ("qwen-code.api_response", "input_token_count", "cached_content_token_count", None, "output_token_count", True),
    }  # fmt: skip
    event, whole, read, write, output, includes_cache = names[agent]
    for record in _records(folder):
        if record.get("event.name") != event or whole not in record:
            continue
        if only_auxiliary and not str(record.get("role", "")).startswith("utility"):
            continue
        parts = [int(record.get(name) or 0) if name else 0 for name in (whole, read, write, output)]
        thoughts = int(record.get("thoughts_token_count") or 0) if agent == "gemini" else 0
        yield parts[0] - (parts[1] + parts[2] if includes_cache else 0), parts[1], parts[2], parts[3] + thoughts


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*_logs.jsonl")):
        for line in path.read_text().splitlines():
            for resource in json.loads(line)["resourceLogs"]:
                for scope in resource["scopeLogs"]:
                    for record in scope["logRecords"]:
                        yield {row["key"]: next(iter(row["value"].values()), None) for row in record["attributes"]}


def main() -> int:
    """Print the table; 1 when a row is not exact."""
    head = "".join(f"{name:>12}" for name in (*MEASURES, "list USD"))
    print(f"{'runs':<22}{'channels':<28}{head}  against the truth")
    wrong, program = 0, ccusage.find()
    with tempfile.TemporaryDirectory() as folder:
        for runs in [*captures(), *generated(Path(folder))]:
            for channels in runs.subsets:
                verdict = judge(runs, channels, Path(folder) / runs.name)
                wrong += bool(verdict.difference)
                print(verdict.line(), flush=True)
            if program and (line := beside(runs, program)):
                print(line, flush=True)
    if not program:
        print(ccusage.HOW)
    print(f"{wrong} rows differ" if wrong else "every row is exact for what its channels can know")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
