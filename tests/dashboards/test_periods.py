"""Periods are complete ISO weeks, whatever days the data begins and ends on."""

from datetime import date

import pytest

from meterhouse_dashboards import periods

MONDAY = date(2026, 11, 16)


@pytest.mark.parametrize(
    ("first", "last", "weeks", "start", "end"),
    [
        (date(2026, 8, 10), date(2026, 11, 19), 1, date(2026, 11, 9), MONDAY),
        (date(2026, 8, 10), date(2026, 11, 19), 4, date(2026, 10, 19), MONDAY),
        (date(2026, 8, 10), date(2026, 11, 15), None, date(2026, 8, 10), MONDAY),
        (date(2026, 8, 12), date(2026, 11, 15), None, date(2026, 8, 17), MONDAY),
        (date(2026, 11, 2), date(2026, 11, 15), 13, date(2026, 11, 2), MONDAY),
    ],
    ids=["last week", "four weeks", "all weeks", "all weeks, the first one broken", "fewer weeks than asked for"],
)
def test_a_period_is_made_of_complete_weeks(first, last, weeks, start, end):
    period = periods.choose(first, last, weeks)
    assert (period.start, period.end, period.is_complete) == (start, end, True)


@pytest.mark.parametrize(("first", "last"), [(MONDAY, MONDAY), (date(2026, 11, 11), date(2026, 11, 18))])
def test_without_a_complete_week_the_days_so_far_are_shown_and_not_compared(first, last):
    period = periods.choose(first, last, 4)
    assert period.start <= first
    assert period.end > last
    assert not period.is_complete
    assert period.before is None
    assert all(week.weekday() == 0 for week in period.shown_weeks)


def test_a_period_is_compared_only_when_the_data_reaches_back():
    assert periods.choose(date(2026, 8, 10), date(2026, 11, 19), 4).before == periods.Period(
        date(2026, 9, 21), date(2026, 10, 19), date(2026, 8, 10)
    )
    assert periods.choose(date(2026, 10, 12), date(2026, 11, 19), 4).before is None


def test_charts_show_the_weeks_around_a_short_period():
    period = periods.choose(date(2026, 8, 10), date(2026, 11, 19), 1)
    assert period.shown_weeks[0] == date(2026, 8, 17)
    assert period.shown_weeks[-1] == date(2026, 11, 9)
    assert len(period.shown_weeks) == periods.CONTEXT_WEEKS
