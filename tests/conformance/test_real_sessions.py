"""Published real sessions, and generated ones: totals through the whole line equal each folder's truth.json.

Why ccusage differs on the same files is explained in docs/conformance.md.
"""

import json
from typing import Any

import pytest

from conformance.ends import FIXTURES, needs_fixtures, tables_of
from meterhouse.paths import DataDir
from meterhouse.snapshot import reading

pytestmark = needs_fixtures

ROOTS = {"claude": ".claude", "codex": ".codex", "gemini": ".gemini"}
SUMS = """
    SELECT count(*) AS requests, sum(input_tokens) AS input, sum(cache_read_tokens) AS cache_read,
           sum(coalesce(cache_write_tokens, 0)) AS cache_write, sum(coalesce(cache_write_5m_tokens, 0)) AS cache_write_5m,
           sum(coalesce(cache_write_1h_tokens, 0)) AS cache_write_1h, sum(output_tokens) AS output,
           sum(coalesce(reasoning_tokens, 0)) AS reasoning
    FROM fct_requests WHERE status = 'ok' AND """


def sums(data: DataDir, where: str) -> dict[str, int]:
    """Totals of the successful requests that fulfil a condition."""
    with reading(data) as db:
        cursor = db.execute(SUMS + where)
        names = [column[0] for column in cursor.description or []]
        return dict(zip(names, (int(value or 0) for value in cursor.fetchone() or ()), strict=True))


@pytest.fixture(scope="module", params=[(agent, name) for agent in ROOTS for name in ("real", "generated")],
                ids=lambda row: "-".join(row))  # fmt: skip
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any], DataDir]:
    """One set of one agent, read below a home folder that links to the fixture."""
    agent, name = request.param
    truth = json.loads((FIXTURES / agent / "truth.json").read_text())["sets"][name]
    work = tmp_path_factory.mktemp(f"{agent}-{name}")
    home = work / "home"
    home.mkdir()
    (home / ROOTS[agent]).symlink_to((FIXTURES / agent / truth["dir"]).resolve(), target_is_directory=True)
    return agent, truth, tables_of(home, work)


def test_totals_equal_the_truth(loaded: tuple[str, dict[str, Any], DataDir]) -> None:
    agent, truth, data = loaded
    got = sums(data, "NOT contains(quality, 'fallback_only')")
    assert got == pytest.approx(expected(agent, truth["totals"], got), abs=0)


def test_usage_inside_progress_records_is_counted_apart(loaded: tuple[str, dict[str, Any], DataDir]) -> None:
    agent, truth, data = loaded
    got = sums(data, "contains(quality, 'fallback_only')")
    known = truth.get("agent_progress_only") or {}
    want = expected(agent, known, got) if known else dict.fromkeys(got, 0)
    assert {key: got[key] for key in ("requests", "input", "cache_read", "cache_write", "output")} == {
        key: want[key] for key in ("requests", "input", "cache_read", "cache_write", "output")
    }


def expected(agent: str, totals: dict[str, int], got: dict[str, int]) -> dict[str, int]:
    """The truth in the words of our tables; what a folder's truth does not state is taken from `got`."""
    if agent == "claude":
        parts = totals["input"] + totals["cache_read"] + totals["cache_write"]
        return {**got, **{key: totals[key] for key in totals if key in got}, "input": parts}
    if agent == "codex":
        return {**got, "input": totals["input_tokens"], "cache_read": totals["cached_input_tokens"],
                "cache_write": totals["cache_write_input_tokens"], "output": totals["output_tokens"],
                "reasoning": totals["reasoning_output_tokens"]}  # fmt: skip
    return {**got, "requests": totals["requests"], "input": totals["input"] + totals["tool"], "cache_read": totals["cached"],
            "output": totals["output"] + totals["thoughts"], "reasoning": totals["thoughts"]}  # fmt: skip
