"""Captures of real agents: what the tables hold equals what the provider billed, for all that a transcript can know."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conformance.ends import FIXTURES, needs_fixtures, tables_of
from meterhouse.snapshot import reading

pytestmark = needs_fixtures

# capture: responses that no session file records, lines added, lines removed, failed tool calls
CAPTURES = {
    "claude-edit": (["session title"], 26, 1, 0),
    "claude-resume": (["session title"], 26, 1, 0),
    "claude-subagent": (["session title"], 24, 0, 0),
    "claude-gateway-edit": (["session title"], 26, 1, 0),
    "codex-edit": ([], 24, 1, 0),
    "gemini-edit": (["utility router"], 26, 1, 0),
    "gemini-fail": (["utility router"], 4, 0, 2),
    "copilot-edit": ([], 24, 1, 0),
    "opencode-edit": (["session title"], 26, 1, 0),
    "pi-edit": ([], 26, 1, 0),
    "qwen-edit": ([], 0, 0, 4),
}
REQUESTS = """
    SELECT request_id, model, input_tokens - cache_read_tokens - coalesce(cache_write_tokens, 0) AS input, output_tokens AS output,
           cache_read_tokens AS cache_read, coalesce(cache_write_tokens, 0) AS cache_write
    FROM fct_requests ORDER BY started_at"""


def truth(capture: str) -> list[dict[str, Any]]:
    """What the provider billed, in its order."""
    rows = [json.loads(line) for line in (FIXTURES / "captures" / capture / "truth.jsonl").read_text().splitlines()]
    return [row for row in rows if row.get("status") != 429]


def tokens(row: dict[str, Any]) -> tuple[Any, ...]:
    """The tuple that must agree."""
    return row["model"], row["input"], row["cache_read"], row["cache_write"], row["output"]


@pytest.mark.parametrize("capture", CAPTURES)
def test_requests_equal_what_the_provider_billed(capture: str, tmp_path: Path, record_property: Any) -> None:
    unseen, added, removed, failures = CAPTURES[capture]
    data = tables_of(FIXTURES / "captures" / capture / "home", tmp_path)
    with reading(data) as db:
        columns = [row[0] for row in db.execute(f"DESCRIBE {REQUESTS}").fetchall()]
        seen = [dict(zip(columns, row, strict=True)) for row in db.execute(REQUESTS).fetchall()]
        lines = db.execute(
            "SELECT coalesce(sum(lines_added), 0), coalesce(sum(lines_removed), 0) FROM fct_code_changes WHERE decision = 'accept'"
        ).fetchone()
        failed = db.execute("SELECT count(*) FILTER (WHERE NOT success) FROM fct_tool_calls").fetchone()
    billed = truth(capture)
    missing = Counter(map(tokens, billed)) - Counter(map(tokens, seen))
    assert not Counter(map(tokens, seen)) - Counter(map(tokens, billed)), "a request that nobody billed"
    assert sum(missing.values()) == len(unseen)
    if not capture.startswith(("gemini", "opencode")):  # their files hold no provider ids
        known = [row["id"] for row in billed if tokens(row) not in missing]
        assert sorted(row["request_id"] for row in seen) == sorted(known)
    assert lines == (added, removed)
    assert failed == (failures,)
    record_property("printed", table(capture, billed, missing, unseen))


def table(capture: str, billed: list[dict[str, Any]], missing: Counter[Any], unseen: list[str]) -> str:
    """Which responses the transcript knows, for a person to read."""
    why = iter(unseen)
    rows = [f"{capture}: {len(billed) - len(unseen)} of {len(billed)} responses are in the session files"]
    for row in billed:
        known = "unknown to a transcript: " + next(why) if tokens(row) in missing else "exact"
        rows.append(f"  {row['id'][:32]:<33}{row['model']:<24}{row['input']:>6}{row['cache_read']:>8}{row['cache_write']:>7}"
                    f"{row['output']:>7}  {known}")  # fmt: skip
    return "\n".join(rows)


@pytest.mark.parametrize("capture", ["claude-resume", "claude-subagent"])
def test_collecting_twice_ships_nothing_new(capture: str, tmp_path: Path) -> None:
    home = FIXTURES / "captures" / capture / "home"
    tables_of(home, tmp_path)
    before = sorted((tmp_path / "raw").rglob("*.gz"))
    tables_of(home, tmp_path)
    assert sorted((tmp_path / "raw").rglob("*.gz")) == before
