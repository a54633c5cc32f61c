"""The tables beside what was billed: for every set of channels, what it can know of each scenario, each request once."""

import itertools
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from genai_prices import Usage, calc_price

from e2e.agents import Knows, union
from e2e.scenarios import Scenario
from e2e.stage import Stage
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.snapshot import reading

TOKENS = ("input", "cache_read", "cache_write", "output")
REQUESTS = """
    SELECT session_id, request_id, status, http_status, input_tokens - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0),
           coalesce(cache_read_tokens, 0), coalesce(cache_write_tokens, 0), output_tokens, parent_session_id, is_subagent, list_cost_usd
    FROM fct_requests WHERE NOT contains(quality, 'fallback_only')"""
CALLS = "SELECT session_id, count(*), count(*) FILTER (NOT success) FROM fct_tool_calls GROUP BY session_id"
LINES = """
    SELECT session_id, sum(lines_added), sum(lines_removed) FROM fct_code_changes WHERE decision = 'accept' GROUP BY session_id"""
Tokens = tuple[int, int, int, int]
PRICED_BY = {"anthropic": "anthropic", "responses": "openai", "gemini": "google", "chat": "zai"}


@dataclass(frozen=True)
class Row:
    """One line of the table; `differences` is empty when all is exact."""

    agent: str
    version: str
    scenario: str
    channels: tuple[str, ...]
    found: int
    billed: int
    tokens: int
    cost: Decimal | None  # none when nothing of it has a price
    differences: tuple[str, ...]

    def line(self) -> str:
        """One line of the table."""
        verdict = "exact" if not self.differences else "; ".join(self.differences)
        requests, cost = f"{self.found}/{self.billed}", "unpriced" if self.cost is None else f"{self.cost:.6f}"
        return f"{self.agent:<20}{self.version:<10}{self.scenario:<15}{' + '.join(self.channels):<30}{requests:>12}{self.tokens:>10,}{cost:>12}  {verdict}"


def judge(stage: Stage, played: list[Scenario]) -> Iterator[Row]:
    """Rows for every non-empty set of channels that the agent has."""
    known: dict[str, Knows] = stage.agent.KNOWS
    for size in range(1, len(known) + 1):
        for channels in itertools.combinations(known, size):
            bucket, data = stage.work / f"all-{'-'.join(channels)}", DataDir(stage.work / f"data-{'-'.join(channels)}")
            for channel in channels:
                shutil.copytree(stage.bucket(channel), bucket, dirs_exist_ok=True)
            with (stage.work / "load.log").open("a") as log, redirect_stderr(log):
                run(str(bucket), data)
            with reading(data) as db:
                tables = _Tables(stage, *(db.execute(query).fetchall() for query in (REQUESTS, CALLS, LINES)))
            knows = union(known[channel] for channel in channels)
            for scenario in played:
                yield tables.row(scenario, channels, knows)
            if strays := tables.strays():
                yield Row(stage.agent.__name__.rpartition(".")[2], stage.agent.VERSION, "-", channels, strays, 0, 0, None, (f"{strays} requests of unknown sessions",))  # fmt: skip


class _Tables:
    """What was found, by scenario."""

    def __init__(self, stage: Stage, requests: list[Any], calls: list[Any], lines: list[Any]) -> None:
        self.stage, self.requests, self.calls, self.lines = stage, requests, calls, lines

    def _of(self, rows: list[Any], scenario: str) -> list[Any]:
        return [row for row in rows if self.stage.sessions.get(row[0]) == scenario]

    def strays(self) -> int:
        """Requests of sessions that no file told of."""
        return sum(row[0] not in self.stage.sessions for row in self.requests)

    def row(self, scenario: Scenario, channels: tuple[str, ...], knows: Knows) -> Row:
        """One scenario beside its truth."""
        truth = [row for row in self.stage.provider.truth if row["scenario"] == scenario.name]
        billed = [row for row in truth if row["status"] == 200 and row["role"] in knows.roles]
        found = self._of(self.requests, scenario.name)
        answered = [row for row in found if row[2] == "ok"]
        calls, priced = self._of(self.calls, scenario.name), [row[10] for row in answered if row[10] is not None]
        hidden = sum(kind in knows.hides for kind in scenario.fails)
        wrong = [
            *_tokens([row[4:8] for row in answered], [tuple(row[name] for name in TOKENS) for row in billed]),
            *(_ids(answered, billed) if knows.ids else ()),
            *_number("cost", sum(priced, Decimal(0)), sum(map(_list_price, billed), Decimal(0))),
            *_number("tool calls", sum(row[1] for row in calls), (sum(row["tools"] for row in billed) - hidden) * knows.tools),
            *_number("429s", sum(row[3] == 429 or row[2] == "rate_limited" for row in found), sum(row["status"] == 429 for row in truth) * knows.limits),
            *_number("failed tools", sum(row[2] for row in calls), sum(kind in knows.fails for kind in scenario.fails)),
            *_number("sessions", len({row[0] for row in answered if not row[9]}), scenario.sessions),
        ]  # fmt: skip
        if knows.lines:
            changed = self._of(self.lines, scenario.name)
            wrong += _number(
                "lines", tuple(sum(int(row[place] or 0) for row in changed) for place in (1, 2)), scenario.lines
            )
        if scenario.name == "sub-agent":
            sub = sum(row["role"] == "sub" for row in billed)
            if knows.subs:
                wrong += _number("requests of sub-agents", sum(bool(row[9]) for row in answered), sub)
            wrong += [] if sub else ["no sub-agent ran"]
        name = self.stage.agent.__name__.rpartition(".")[2]
        return Row(name, self.stage.agent.VERSION, scenario.name, channels, len(answered), len(billed), sum(sum(row[4:8]) for row in answered), sum(priced, Decimal(0)) if priced else None, tuple(wrong))  # fmt: skip


def _list_price(row: dict[str, Any]) -> Decimal:
    """The response at list price as genai-prices reckons it; nothing when it does not know the model."""
    whole = row["input"] + row["cache_read"] + row["cache_write"]
    usage = Usage(input_tokens=whole, cache_read_tokens=row["cache_read"], cache_write_tokens=row["cache_write"], output_tokens=row["output"])  # fmt: skip
    try:
        return calc_price(usage, row["model"], provider_id=PRICED_BY.get(row["api"])).total_price
    except LookupError:
        return Decimal(0)


def _tokens(found: list[Tokens], billed: list[Tokens]) -> list[str]:
    too_many, missing = Counter(found) - Counter(billed), Counter(billed) - Counter(found)
    parts = ((too_many, "too many"), (missing, "missing"))
    return [f"{sum(rows.values())} {word}: {sorted(rows)[:2]}" for rows, word in parts if rows]


def _ids(found: list[Any], billed: list[dict[str, Any]]) -> list[str]:
    """Every row that has a provider's id has the tokens of that response."""
    by_id = {row[name]: row for row in billed for name in ("id", "request_id")}
    known = [(row, by_id[row[1]]) for row in found if row[1] in by_id]
    wrong = sum(tuple(row[4:8]) != tuple(truth[name] for name in TOKENS) for row, truth in known)
    return [*_number("ids", len(known), len(billed)), *_number("ids with other tokens", wrong, 0)]


def _number(what: str, found: Any, expected: Any) -> list[str]:
    return [] if found == expected else [f"{what} {found} instead of {expected}"]
