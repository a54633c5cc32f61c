"""A made-up organisation in object storage whose every dollar is set by the test."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipelines import raw  # noqa: TID251 - tests/pipelines

TOKENS_PER_USD = 40_000  # output of claude-opus-4-8 at 25 USD a million
TEAMS = ("payments", "search", "platform")
RULES = """
version: 1
currency: USD
budgets:
  - {team: payments, month_usd: 1000, owner: payments-lead@example.com}
  - {team: search, month_usd: 1000, owner: search-lead@example.com}
  - {team: platform, month_usd: 100000, owner: platform-lead@example.com}
limits:
  - {name: session-cost, scope: session, usd: 150, severity: critical, owner: platform@example.com}
forecast: {alert_probability: 0.6}
"""


@dataclass(frozen=True)
class Spent:
    """Dollars of one session on one day."""

    day: date
    usd: int
    team: str = "payments"
    session: str = ""
    parent: str | None = None  # the session that spawned it


def workdays(first: date, last: date, usd: int, team: str = "payments") -> list[Spent]:
    """The same dollars on each workday."""
    days = [first + timedelta(step) for step in range((last - first).days + 1)]
    return [Spent(day, usd, team) for day in days if day.weekday() < 5]


def sessions(day: date, usd: int, team: str = "payments") -> list[Spent]:
    """Dollars of one day in sessions of at most a hundred."""
    return [Spent(day, min(100, usd - done), team) for done in range(0, usd, 100)]


def found(bucket: Path, rules: str = RULES) -> Path:
    """The roster and governance.yaml; each team is one person of the same name."""
    raw.roster(bucket, [f"{team},{team},engineer,true,2026-01-01," for team in TEAMS])
    (bucket / "governance.yaml").write_text(rules)
    return bucket


def ship(bucket: Path, rows: Iterable[Spent], seq: int = 1) -> None:
    """One segment."""
    raw.segment(bucket, [event for number, row in enumerate(rows) for event in _events(row, f"{seq}-{number}")], seq)


def _events(row: Spent, number: str) -> Iterable[dict]:
    shared = {"at": f"{row.day}T10:00:00Z", "key": (number,), "person_key": row.team,
              "session_id": row.session or f"session-{number}"}  # fmt: skip
    shared |= {"parent_session_id": row.parent} if row.parent else {}
    yield raw.event(
        model="claude-opus-4-8", input_tokens=0, output_tokens=row.usd * TOKENS_PER_USD, native_id=f"request-{number}",
        repository=f"github.com/example/{row.team}", is_subagent=row.parent is not None, **shared,
    )  # fmt: skip
    if row.parent:
        yield raw.event("session", started_by="subagent", **shared)
