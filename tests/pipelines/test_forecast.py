"""The month-end forecast: only the past, the same every time, and as sure as it may be."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import duckdb
import numpy as np
import pytest

from meterhouse.forecast import forecast_month, simulate

START, AS_OF = date(2026, 8, 3), date(2026, 11, 10)  # a Monday and a Tuesday


def spending(first=START, last=date(2026, 11, 30), team="payments", weekend=4, workday=40):
    """Workdays that cost ten times a weekend day, with a little noise."""
    noise = np.random.default_rng(7).integers(-5, 6, 400)
    days = [first + timedelta(step) for step in range((last - first).days + 1)]
    return [(day, team, Decimal((workday if day.weekday() < 5 else weekend) * 10 + int(noise[index])) / 10)
            for index, day in enumerate(days)]  # fmt: skip


@pytest.fixture
def warehouse():
    db = duckdb.connect()
    db.execute("CREATE TABLE rpt_usage_daily (day DATE, team VARCHAR, list_cost_usd DECIMAL(38, 12))")

    def fill(rows):
        db.execute("DELETE FROM rpt_usage_daily")
        db.executemany("INSERT INTO rpt_usage_daily VALUES (?, ?, ?)", rows)
        return db

    yield fill
    db.close()


def test_what_comes_after_the_day_changes_nothing(warehouse):
    rows = spending()
    whole = forecast_month(warehouse(rows), AS_OF, "payments")
    cut = forecast_month(warehouse([row for row in rows if row[0] <= AS_OF]), AS_OF, "payments")
    assert whole == cut
    assert whole.totals == cut.totals


def test_the_same_team_and_month_give_the_same_figures_and_another_team_its_own(warehouse):
    db = warehouse(spending() + spending(team="search"))
    assert forecast_month(db, AS_OF, "payments").totals == forecast_month(db, AS_OF, "payments").totals
    assert forecast_month(db, AS_OF, "payments").totals != forecast_month(db, AS_OF, "search").totals


def test_the_whole_organisation_is_the_sum_of_its_teams_so_far(warehouse):
    db = warehouse(spending() + spending(team="search"))
    teams = [forecast_month(db, AS_OF, team).actual for team in ("payments", "search")]
    everyone = forecast_month(db, AS_OF)
    assert everyone.actual == sum(teams)
    assert everyone.team is None


def test_a_steady_month_ends_where_it_must(warehouse):
    rows = spending()
    truth = sum(usd for day, _, usd in rows if day.month == 11)
    for day in range(1, 31):
        month = forecast_month(warehouse(rows), date(2026, 11, day), "payments")
        assert abs(month.p50 - truth) < truth / 10
        assert month.p10 <= month.p50 <= month.p90


def test_weekends_weigh_what_they_cost(warehouse):
    """A Friday: the next two days are cheap, which a straight line would not know."""
    month = forecast_month(warehouse(spending()), date(2026, 11, 13), "payments")
    middles = [row.p50 for row in month.daily if row.p50 is not None]
    steps = [after - before for before, after in pairwise(middles)]
    assert max(steps[:2]) < 8
    assert min(steps[2:7]) > 25


def test_the_fan_starts_at_what_was_spent_and_never_falls(warehouse):
    month = forecast_month(warehouse(spending()), AS_OF, "payments")
    assert [row.day for row in month.daily] == [date(2026, 11, number) for number in range(1, 31)]
    past, today, future = month.daily[:9], month.daily[9], month.daily[10:]
    assert all(row.actual is not None and row.p50 is None for row in past)
    assert today.p10 == today.p50 == today.p90 == today.actual.quantize(Decimal("0.01"))
    assert month.actual == today.actual
    assert all(row.actual is None for row in future)
    for quantile in ("p10", "p50", "p90"):
        values = [getattr(row, quantile) for row in month.daily[9:]]
        assert values == sorted(values)
    assert (month.p10, month.p90) == (month.daily[-1].p10, month.daily[-1].p90)
    assert month.p90 - month.p10 > today.p90 - today.p10


def test_the_chance_of_passing_a_budget_falls_as_the_budget_grows(warehouse):
    month = forecast_month(warehouse(spending()), AS_OF, "payments")
    chances = [month.probability_over(Decimal(budget)) for budget in range(100, 2000, 50)]
    assert chances == sorted(chances, reverse=True)
    assert (chances[0], chances[-1]) == (1, 0)
    assert month.probability_over(month.p50) == pytest.approx(0.5, abs=0.01)


def test_on_the_last_day_nothing_is_open(warehouse):
    month = forecast_month(warehouse(spending()), date(2026, 11, 30), "payments")
    assert month.p10 == month.p90 == month.actual.quantize(Decimal("0.01"))
    assert month.probability_over(month.actual) == 0
    assert month.probability_over(month.actual - Decimal("0.01")) == 1


def test_one_runaway_does_not_move_the_middle_far(warehouse):
    rows = spending()
    quiet = forecast_month(warehouse(rows), AS_OF, "payments")
    loud = [(day, team, usd + 400 if day == AS_OF else usd) for day, team, usd in rows]
    month = forecast_month(warehouse(loud), AS_OF, "payments")
    assert month.p50 - 400 - quiet.p50 < 100


@pytest.mark.parametrize(("days", "is_known"), [(1, False), (13, False), (14, True)])
def test_below_two_weeks_nothing_is_claimed(warehouse, days, is_known):
    rows = spending(first=AS_OF - timedelta(days - 1), last=AS_OF)
    month = forecast_month(warehouse(rows), AS_OF, "payments")
    assert month.actual == sum(usd for day, _, usd in rows if day.month == 11)
    assert (month.p50 is not None) is is_known
    assert (month.probability_over(Decimal(10_000)) is not None) is is_known
    assert month.probability_over(month.actual - 1) == 1


def test_without_any_spending_there_is_no_forecast(warehouse):
    month = forecast_month(warehouse(spending()), AS_OF, "nobody")
    assert (month.actual, month.p50, len(month.daily)) == (0, None, 30)


@pytest.mark.parametrize("spent", [np.zeros(60), np.r_[np.zeros(59), 900.0], np.tile([9.0, 0, 0, 0, 0, 0, 0], 9)])
def test_sparse_spending_gives_finite_paths(spent):
    paths = simulate(spent, AS_OF, 20, "seed")
    assert np.isfinite(paths).all()
    assert (paths >= 0).all()


def test_four_bands_out_of_five_hold(warehouse):
    """40 made-up teams with a walking level and skewed noise; the promise is 80 %."""
    draw = np.random.default_rng(11)
    profile = np.array([1.05, 1.12, 1.10, 1.08, 0.95, 0.16, 0.12])
    held = []
    for team in range(40):
        level = 100 * np.exp(np.cumsum(draw.normal(0.005, 0.06, 14))).repeat(7)
        spent = level * np.tile(profile, 14) * draw.lognormal(0, 0.3, 98)
        for known in (76, 83, 90):
            last = START + timedelta(known - 1)
            totals = simulate(spent[:known], last, 8, f"team-{team}")[:, -1]
            low, high = np.quantile(totals, (0.1, 0.9))
            held.append(low <= spent[known : known + 8].sum() <= high)
    assert 0.7 < np.mean(held) < 0.9
