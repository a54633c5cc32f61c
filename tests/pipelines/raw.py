"""Writes segments as a collector does, runs the server on them and fingerprints what was published."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from meterhouse.paths import DataDir
from meterhouse.run import Outcome, run
from meterhouse.snapshot import reading
from meterhouse_collector import events

SENDER, EPOCH = "00112233aabbccdd", "0a0b0c0d"
RECEIVED = 1_780_000_000  # 2026-05-28: later than every event below, so that no clock is suspect
WINDOW = {"report": "made_up", "fetched_at": "2026-03-04T08:00:00Z", "window_start": "2026-03-03T00:00:00Z",
          "window_end": "2026-03-04T00:00:00Z"}  # fmt: skip
LEDGER = ("load_ledger", "load_quarantine", "load_parked")
SHARED = Path(__file__).resolve().parents[2] / "../shared/fixtures"


def shared(*parts: str) -> Path:
    """A third-party fixture, read in place; the test skips when it is not there."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is absent: this test needs the shared fixtures")
    return path


def event(kind: str = "model_request", at: str = "2026-03-02T10:00:00Z", key: tuple = (), **values) -> dict:
    """A good event; `values` that are given win over those that its kind needs."""
    needed = {
        "model_request": {"agent": "claude_code", "session_id": "s1", "status": "ok", "provider": "anthropic",
                          "model": "claude-sonnet-4-5", "input_tokens": 100, "output_tokens": 10},
        "tool_call": {"agent": "claude_code", "session_id": "s1", "tool_name": "Bash", "success": True},
        "code_change": {"agent": "claude_code", "session_id": "s1", "decision": "accept", "lines_added": 3,
                        "lines_removed": 1},
        "prompt": {"agent": "claude_code", "session_id": "s1", "origin": "person"},
        "session": {"agent": "claude_code", "session_id": "s1"},
        "commit": {"commit_sha": "c" * 40, "repository": "github.com/acme/shop", "lines_added": 5, "lines_removed": 2},
        "pull_request": {"repository": "github.com/acme/shop", "pull_request_number": 7, "pull_request_state": "open"},
        "launch": {"agent": "claude_code", "launch_id": "l-1"},
        "inventory": {"item_kind": "agent", "item_name": "claude_code", "item_version": "2.1", "platform": "linux"},
        "vendor_window": {**WINDOW, "row_count": 1},
        "vendor_usage": {**WINDOW, "provider": "anthropic", "model": "claude-sonnet-4-5", "input_tokens": 100},
        "usage_delta": {"agent": "omnigent", "session_id": "s1", "window_start": "2026-03-01T00:00:00Z",
                        "window_end": "2026-03-03T00:00:00Z", "model": "claude-sonnet-4-5", "input_tokens": 100,
                        "output_tokens": 10, "reported_cost_usd": "0.5"},
        "seat": {**WINDOW, "agent": "claude_code", "seat_state": "active", "person_key": "p1"},
    }  # fmt: skip
    given = needed[kind] | values
    source = given.pop("source", "git" if kind == "commit" else "claude_code")
    channel = given.pop("channel", "transcript")
    identity = key or tuple(sorted((name, str(value)) for name, value in given.items()))
    return events.make(kind, source=source, channel=channel, occurred_at=at, key=(at, *identity), **given)


def line(one: dict) -> bytes:
    """The bytes of one event; also of one that the contract forbids."""
    return json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def text(lines: list[bytes], **header) -> bytes:
    """A segment before compression: header line, then the lines."""
    head = {"meterhouse_segment": 1, "sender": SENDER, "epoch": EPOCH, "seq": 1, "count": len(lines), "dropped": {},
            "collector_version": "0.1.0", "sealed_at": "2026-03-02T11:00:00Z"} | header  # fmt: skip
    return b"".join(row + b"\n" for row in [json.dumps(head).encode(), *lines])


def put(bucket: Path, data: bytes, name: str | None = None, seq: int = 1, sender: str = SENDER) -> str:
    """Store bytes under a name, or under the one that a collector gives; gives the key."""
    digest = hashlib.sha256(data).hexdigest()[:16]
    key = f"raw/v1/direct/{sender}/{name or f'{EPOCH}-{seq:012d}-{digest}.jsonl.gz'}"
    path = bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (RECEIVED, RECEIVED))
    return key


def segment(bucket: Path, lines: list, seq: int = 1, sender: str = SENDER) -> str:
    """Ship events, or raw lines, as one segment; gives the key."""
    rows = [row if isinstance(row, bytes) else line(row) for row in lines]
    return put(bucket, gzip.compress(text(rows, seq=seq, sender=sender), mtime=0), seq=seq, sender=sender)


def roster(bucket: Path, people: list[str], teams: list[str] = ()) -> None:
    """Write both roster files; each row is one CSV line."""
    (bucket / "roster").mkdir(parents=True, exist_ok=True)
    heads = {"people": "person_key,team,role,is_engineer,valid_from,valid_to",
             "teams": "team,division,cost_centre,owner,valid_from,valid_to"}  # fmt: skip
    for name, rows in (("people", people), ("teams", teams)):
        (bucket / "roster" / f"{name}.csv").write_text("\n".join([heads[name], *rows]) + "\n", encoding="utf-8")


def published(bucket: Path, data: Path) -> DataDir:
    """Run once; gives the data directory."""
    run(str(bucket), DataDir(data))
    return DataDir(data)


def rows(data: DataDir | Path, statement: str) -> list[tuple]:
    """The answer of the published snapshot."""
    with reading(data if isinstance(data, DataDir) else DataDir(data)) as db:
        return db.execute(statement).fetchall()


def fingerprint(data: DataDir | Path) -> dict[str, tuple]:
    """Row count and order-free hash of every published table; of the ledger, what does not depend on how it came in."""
    found = {}
    with reading(data if isinstance(data, DataDir) else DataDir(data)) as db:
        for (table,) in db.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall():
            if table == "snapshot_info" or table in LEDGER:
                continue
            found[table] = db.execute(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {table} AS t").fetchone()
    return found


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """The command line as a user calls it."""
    keep = {
        name: value for name, value in os.environ.items() if not name.startswith(("METERHOUSE_", "AWS_", "DAGSTER_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "meterhouse", *arguments], capture_output=True, text=True, env=keep | environment, check=False
    )  # fmt: skip


__all__ = ["Outcome", "run"]
