"""What needs a decision, whose it is and how large: budgets passed or forecast to be, and sessions above a limit.

No row without an owner: a team that has none is told so, because that is itself a finding.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import duckdb

from meterhouse.forecast import MonthForecast, forecast_month
from meterhouse.governance import DEFAULT_PROBABILITY
from meterhouse.report import wording
from meterhouse.report.model import Decision
from meterhouse.report.week import Week

LIMIT = 5  # rows of the report; the dashboard has them all
NO_OWNER = "no owner: add one to roster/teams.csv"
NO_TEAM = "(no team)"


@dataclass(frozen=True)
class Runaway:
    """One session above its limit."""

    team: str | None
    agent: str
    day: date
    requests: int
    cost: Decimal
    limit: Decimal


def read_decisions(db: duckdb.DuckDBPyConnection, week: Week, as_of: date) -> list[Decision]:
    """All decisions, biggest first. Budgets are judged by what was known on `as_of`, sessions are those of the week."""
    chance = alert_probability(db)
    first = as_of.replace(day=1)
    in_month = read_runaways(db, first, as_of)
    found = []
    for team, budget in read_budgets(db, as_of):
        forecast = forecast_month(db, as_of, team)
        probability = forecast.probability_over(budget)
        if probability is not None and probability >= chance:
            found.append(_of_budget(team, budget, forecast, probability, owner(db, team, as_of), in_month))
    found += [_of_runaway(row, owner(db, row.team, row.day)) for row in read_runaways(db, week.start, week.last_day)]
    return sorted(found, key=lambda row: (-row.size_usd, row.what))


def alert_probability(db: duckdb.DuckDBPyConnection) -> Decimal:
    """From which chance on an owner is told, as governance.yaml states it."""
    row = db.execute("SELECT max(alert_probability) FROM rpt_budget_forecasts").fetchone()
    return row[0] if row and row[0] is not None else DEFAULT_PROBABILITY


def read_budgets(db: duckdb.DuckDBPyConnection, as_of: date) -> list[tuple[str, Decimal]]:
    """Teams with their budget of the month."""
    return db.execute(
        "SELECT team, budget_usd FROM rpt_budget_status WHERE month_start = date_trunc('month', $1::DATE) ORDER BY team",
        [as_of],
    ).fetchall()


def read_runaways(db: duckdb.DuckDBPyConnection, first: date, last: date) -> list[Runaway]:
    """Sessions that began between two days and passed a limit, each once with the lowest limit it passed."""
    rows = db.execute(
        "SELECT any_value(team), agent, any_value(day), any_value(requests), any_value(list_cost_usd), min(limit_usd) "
        "FROM rpt_runaway_sessions WHERE day BETWEEN $1 AND $2 GROUP BY agent, session_id ORDER BY 5 DESC, session_id",
        [first, last],
    ).fetchall()
    return [Runaway(*row) for row in rows]


def owner(db: duckdb.DuckDBPyConnection, team: str | None, on: date) -> str:
    """Who answers for a team's spend on a day."""
    row = db.execute(
        "SELECT owner FROM dim_teams WHERE team = $1 AND valid_from <= $2 AND valid_to > $2", [team, on]
    ).fetchone()
    return wording.name(row[0] if row else None, NO_OWNER)


def _of_budget(
    team: str, budget: Decimal, forecast: MonthForecast, probability: Decimal, owner: str, runaways: list[Runaway]
) -> Decision:
    who, month, size = wording.name(team, NO_TEAM), f"{forecast.month:%B}", wording.money(budget)
    cause = _cause(team, runaways)
    is_complete = forecast.daily[-1].day == forecast.as_of
    end = forecast.actual if is_complete or forecast.p50 is None else forecast.p50
    if forecast.actual > budget:
        over = wording.money(forecast.actual - budget)
        ahead = "" if is_complete or forecast.p50 is None else f", {wording.money(end)} forecast"
        return Decision(
            f"Team {who} has passed its {month} budget",
            f"{over} over {size}{ahead}",
            owner,
            "Raise the budget or set a cap for the months to come"
            if is_complete
            else "Raise the budget or set a cap now",
            f"Team {who} has passed its {month} budget of {size} by {over}{cause}.",
            end - budget,
        )
    over = wording.money(end - budget)
    crossing = next((row.day for row in forecast.daily if row.p50 is not None and row.p50 > budget), None)
    return Decision(
        f"Team {who} is forecast to pass its {month} budget",
        f"{over} over {size}, {wording.chance(probability)}",
        owner,
        "Raise the budget or set a cap" + (f" before {wording.day(crossing)}" if crossing else ""),
        f"Team {who} is forecast to end {month} {over} over its budget of {size}{cause}.",
        end - budget,
    )


def _cause(team: str, runaways: list[Runaway]) -> str:
    mine = [row for row in runaways if row.team == team]
    if not mine:
        return ""
    cost = wording.money(sum((row.cost for row in mine), Decimal(0)))
    if len(mine) == 1:
        return f"; one session on {wording.day(mine[0].day)} alone cost {cost}"
    return f"; {len(mine)} sessions above the limit cost {cost}"


def _of_runaway(row: Runaway, owner: str) -> Decision:
    who, agent, when = wording.name(row.team, NO_TEAM), wording.agent(row.agent, "agent"), wording.day(row.day)
    cost, limit = wording.money(row.cost), wording.money(row.limit)
    return Decision(
        f"One {agent} session of team {who} cost {cost} on {when}",
        f"{wording.money(row.cost - row.limit)} over the limit of {limit}",
        owner, f"Find the cause of its {wording.plural(row.requests, 'request')}; stop the next one",
        f"One session of team {who} cost {cost} on {when}, {row.cost / row.limit:.1f} times the limit of {limit}.",
        row.cost - row.limit,
    )  # fmt: skip
