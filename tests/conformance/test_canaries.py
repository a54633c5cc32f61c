"""Privacy end to end: every string of a capture that is not a fact of the contract becomes a canary, and none comes out.

Spool, segments, every file of the data directory, every table cell, the collector's and the run's own words, and the
report are searched.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.ends import FIXTURES, needs_fixtures
from meterhouse.paths import DataDir
from meterhouse.snapshot import reading

pytestmark = needs_fixtures

CAPTURES = ["claude-edit", "claude-resume", "claude-subagent", "codex-edit", "gemini-edit", "gemini-fail"]
# keys whose strings are facts: ids, times, versions, models and the closed vocabularies that a parser must see to work
FACTS = {
    "id", "uuid", "parentUuid", "promptId", "sessionId", "session_id", "requestId", "timestamp", "type", "subtype", "role",
    "model", "version", "cli_version", "originator", "entrypoint", "source", "thread_source", "model_provider", "status",
    "name", "tool_use_id", "call_id", "thread_id", "turn_id", "root_turn_id", "response_id", "stop_reason", "service_tier",
    "speed", "kind", "startTime", "lastUpdated", "gitBranch", "branch", "repository_url", "commit_hash", "operation",
    "permissionMode", "userType", "promptSource", "history_mode", "agentId", "agentType", "toolUseId", "decision",
    "sourceToolAssistantUUID", "effort", "inference_geo", "forked_from_id", "parent_thread_id",
}  # fmt: skip


class Canaries:
    """Replaces strings and remembers what it put in their place."""

    def __init__(self) -> None:
        self.planted: set[str] = set()

    def plant(self, value: Any, key: str = "") -> Any:
        """The value with a canary for every string that is no fact; diffs keep their first characters, so lines count."""
        if isinstance(value, dict):
            return {name if "/" not in name else self._new(): self.plant(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.plant(item, key) for item in value]
        if not isinstance(value, str) or key in FACTS or not value:
            return value
        return "\n".join(line[:1] + self._new() for line in value.split("\n"))

    def _new(self) -> str:
        canary = f"canary{len(self.planted):06d}bird"
        self.planted.add(canary)
        return canary


def planted_home(capture: str, target: Path) -> Canaries:
    """A copy of a capture's home full of canaries."""
    canaries = Canaries()
    home = FIXTURES / "captures" / capture / "home"
    for file in (path for path in home.rglob("*") if path.is_file()):
        copy = target / file.relative_to(home)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".jsonl":
            lines = [json.dumps(canaries.plant(json.loads(line))) for line in file.read_text().splitlines()]
            copy.write_text("\n".join(lines) + "\n")
        else:
            copy.write_bytes(file.read_bytes())
    return canaries


def run(arguments: list[str], work: Path) -> str:
    """One command's own words."""
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=work, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def everything_written(work: Path) -> Iterator[tuple[str, bytes]]:
    """All bytes below a folder, compressed ones opened."""
    import gzip

    import polars as pl

    for path in (path for path in work.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".parquet":
            data = pl.read_parquet(path).write_ndjson().encode()
        yield str(path), data


def cells(data: Path) -> str:
    """Every cell of every published table."""
    with reading(DataDir(data)) as db:
        tables = [name for (name,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return "".join(str(db.execute(f"FROM {name}").fetchall()) for name in tables)


@pytest.mark.parametrize("capture", CAPTURES)
def test_no_content_leaves_the_laptop(capture: str, tmp_path: Path) -> None:
    canaries = planted_home(capture, tmp_path / "home")
    assert len(canaries.planted) > 20
    work = tmp_path / "work"
    work.mkdir()
    place = ["--home", str(tmp_path / "home"), "--spool", "spool", "--to", "raw"]
    words = run(["meterhouse_collector", "preview", *place], work)
    for command in ("once", "status", "doctor"):
        words += run(["meterhouse_collector", command, *place], work)
    words += run(["meterhouse", "run", "--plain", "--raw", "raw", "--data", "data"], work)
    words += run(["meterhouse", "report", "build", "--data", "data", "--week", "2026-W47", "--out", "report"], work)
    words += cells(work / "data")
    assert "transcript" in words
    assert "canary" not in words
    leaks = [name for name, data in everything_written(work) if b"canary" in data]
    assert not leaks
