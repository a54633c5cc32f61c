"""The month that the week belongs to, and the lines above everything: headline and subject.

The headline is the biggest fact by dollars that somebody may have to act on, with its cause. Rules choose and word it.
"""

import calendar
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import duckdb

from meterhouse.forecast import MonthForecast, forecast_month
from meterhouse.metrics import metric
from meterhouse.report import wording
from meterhouse.report.course import Course
from meterhouse.report.decisions import NO_TEAM, read_budgets
from meterhouse.report.model import Decision, Month
from meterhouse.report.week import Week

SUBJECT_LIMIT = 78
RANGE_WEEKS = 4  # with fewer earlier weeks there is no ordinary range to leave
SHIFT = Decimal("0.1")  # a growing figure leaves its range every week; less than this is no news


@dataclass(frozen=True)
class Outlook:
    """Forecast and budget of the month; `probability` is that of passing the budget."""

    forecast: MonthForecast
    budget: Decimal | None
    budgets: int

    @property
    def is_over(self) -> bool:
        """Whether the month is complete."""
        return self.forecast.as_of.day == calendar.monthrange(self.forecast.month.year, self.forecast.month.month)[1]

    @property
    def end(self) -> Decimal | None:
        """What the month will have cost, as far as anyone can tell."""
        return self.forecast.actual if self.is_over else self.forecast.p50

    @property
    def probability(self) -> Decimal | None:
        """Chance that it passes the budget."""
        return None if self.budget is None else self.forecast.probability_over(self.budget)


def read_outlook(db: duckdb.DuckDBPyConnection, as_of: date) -> Outlook:
    """The month of a day as it was known at its end; its budget is the sum of the teams' budgets."""
    budgets = [budget for _, budget in read_budgets(db, as_of)]
    return Outlook(forecast_month(db, as_of), sum(budgets, Decimal(0)) if budgets else None, len(budgets))


def month(outlook: Outlook) -> Month:
    """Title, words and chart data."""
    forecast = outlook.forecast
    name, spent = f"{forecast.month:%B}", wording.money(forecast.actual)
    if outlook.is_over:
        title, words = f"{name} closed at {spent}", "The month is complete."
    elif forecast.p50 is None:
        title, words = f"{name}: {spent} spent", "A forecast needs two weeks of data."
    else:
        title = f"{name}: {spent} spent, {wording.money(forecast.p50)} forecast"
        words = f"In four cases of five the month ends between {wording.money(forecast.p10)} and {wording.money(forecast.p90)}."
    chart = f"{title}, by {wording.day(forecast.as_of)}. {words}"
    return Month(title, words, _budget_words(outlook), chart, forecast.daily, outlook.budget)


def _budget_words(outlook: Outlook) -> str:
    if outlook.budget is None:
        return "No budget is set."
    budget = f"{wording.money(outlook.budget)}, the sum of {wording.plural(outlook.budgets, 'team budget')}"
    if outlook.is_over or outlook.forecast.actual > outlook.budget:
        room = outlook.budget - outlook.forecast.actual
        side = "left of" if room >= 0 else "over"
        return f"{wording.money(abs(room))} {side} {budget}."
    if outlook.probability is None:
        return f"The budget is {budget}."
    return f"The budget is {budget}; passing it is {wording.chance(outlook.probability)}."


def subject(week: Week, spend: Course, outlook: Outlook) -> str:
    """Numbers first; of several forms the first that fits."""
    moved = "so far" if spend.is_late else spend.against_last_week()
    lead = f"AI coding, {week.label}: {spend.text}" + ("" if moved == wording.UNKNOWN else f" ({moved})")
    name, end = f"{outlook.forecast.month:%b}", wording.money(outlook.end)
    verb = "closed at" if outlook.is_over else "forecast"
    forms = [lead]
    if outlook.end is not None:
        forms.append(f"{lead}, {name} {verb} {end}")
        if outlook.budget is not None:
            forms.append(f"{lead}, {name} {verb} {end} vs {wording.money(outlook.budget)}")
            forms.append(f"{forms[-1]} budget")
    return next(form for form in reversed(forms) if len(form) <= SUBJECT_LIMIT or form is lead)


def headline(
    db: duckdb.DuckDBPyConnection,
    week: Week,
    spend: Course,
    outlook: Outlook,
    decisions: list[Decision],
    chance: Decimal,
) -> str:
    """The fact with the most dollars behind it, or that there is none."""
    facts = [(row.size_usd, row.sentence) for row in decisions[:1]]
    if outlook.budget is not None and outlook.end is not None and (outlook.probability or 0) >= chance:
        over, budget = outlook.end - outlook.budget, wording.money(outlook.budget)
        state = "closed" if outlook.is_over else "is forecast to end"
        text = f"{outlook.forecast.month:%B} {state} {wording.money(over)} over the budget of {budget}."
        facts.append((over, text))
    if _is_unusual(spend):
        facts.append(_unusual(db, week, spend))
    if facts:
        return max(facts, key=lambda fact: fact[0])[1]
    return _quiet(spend)


def _is_unusual(spend: Course) -> bool:
    """Whether spend left the range of the weeks before by a jump."""
    earlier = [row.value for row in spend.figures[:-1] if row.value is not None]
    now = spend.now.value
    if spend.is_late or now is None or len(earlier) < RANGE_WEEKS:
        return False
    return not min(earlier) <= now <= max(earlier) and abs(now - earlier[-1]) >= SHIFT * earlier[-1]


def _unusual(db: duckdb.DuckDBPyConnection, week: Week, spend: Course) -> tuple[Decimal, str]:
    """The change against last week, and the team that did most of it."""
    before = (spend.before.value if spend.before else None) or Decimal(0)
    moved = (spend.now.value or Decimal(0)) - before
    teams: dict[str | None, Decimal] = {}
    for sign, start, end in ((1, week.start, week.end), (-1, week.before(1).start, week.start)):
        for row in metric(db, "agent_spend", start, end, ["team"]):
            team = row.dimensions["team"]
            teams[team] = teams.get(team, Decimal(0)) + sign * (row.value or Decimal(0))
    verb = "rose" if moved > 0 else "fell"
    team = max(teams, key=lambda name: (teams[name] * (1 if moved > 0 else -1), name or ""))
    text = f"Agent spend {verb} by {wording.money(abs(moved))} to {spend.text}, outside its range of the last weeks"
    if moved and teams[team] / moved >= Decimal("0.3"):
        text += f"; team {wording.name(team, NO_TEAM)} alone by {wording.money(abs(teams[team]))}"
    return abs(moved), f"{text}."


def _quiet(spend: Course) -> str:
    if not spend.is_measured:
        return "No agent spend is known for this week."
    if spend.is_late:
        return f"Agents have cost {spend.text} so far this week; the week is not over."
    moved = spend.against_last_week()
    change = "" if moved == wording.UNKNOWN else f", {moved} on last week"
    return f"Agents cost {spend.text} this week{change}; nothing needs a decision."
