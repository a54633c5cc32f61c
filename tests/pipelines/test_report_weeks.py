"""Weeks that are not like the others: the first, a late one, a shrinking one, one without budget, price or anything."""

import os
import re
from datetime import date, timedelta
from decimal import Decimal

import pytest

from meterhouse.errors import MeterhouseError
from meterhouse.forecast import MonthForecast
from meterhouse.metrics import Figure, load_metrics
from meterhouse.paths import DataDir
from meterhouse.report import build, render
from meterhouse.report.course import Course
from meterhouse.report.outlook import Outlook, headline, subject
from meterhouse.report.read import report_of
from meterhouse.report.week import parse_week
from meterhouse.run import run
from pipelines import raw, spending  # noqa: TID251 - tests/pipelines

LATER = 1_800_000_000  # 2027-01-15: after every event below, so that no clock is suspect
AMOUNTS = [Decimal(text) for text in ("0.004", "1234567.891", "1234567890.12")]


def published(folder, rows, rules=spending.RULES, teams=()):
    """A data directory of made-up spending; none means no governance.yaml."""
    bucket = spending.found(folder / "raw", rules or "version: 1\n")
    if not rules:
        (bucket / "governance.yaml").unlink()
    raw.roster(bucket, [f"{team},{team},engineer,true,2026-01-01," for team in spending.TEAMS], list(teams))
    spending.ship(bucket, rows)
    return rerun(folder)


def rerun(folder):
    for path in (folder / "raw").rglob("*.gz"):
        os.utime(path, (LATER, LATER))
    data = DataDir(folder / "data")
    run(str(folder / "raw"), data)
    return data


@pytest.fixture(scope="module")
def winter(tmp_path_factory):
    """Ten weeks over a year of 53 weeks: 100 dollars a workday, 60 from Christmas on; the last week breaks off."""
    rows = spending.workdays(date(2026, 11, 2), date(2026, 12, 18), 100)
    rows += spending.workdays(date(2026, 12, 21), date(2027, 1, 13), 60)
    owners = ["payments,commerce,CC-1,payments-lead@example.com,2026-01-01,"]
    return published(tmp_path_factory.mktemp("winter"), rows, teams=owners)


def test_the_first_week_ever_compares_with_nothing_and_forecasts_nothing(winter):
    report = report_of(winter, "2026-W45")
    assert report.subject == "AI coding, 2026-W45: $500"
    assert report.headline == "Agents cost $500 this week; nothing needs a decision."
    assert report.tiles[0].last_week == "no comparison with last week"
    assert report.month.words == "A forecast needs two weeks of data."
    assert report.decisions_note == "Nothing needs a decision."
    assert report.teams.rows[0].cells == ("payments", "$500.00", "–", "–")


def test_a_week_that_has_hardly_begun_in_the_data_is_called_provisional(winter):
    report = report_of(winter, "2027-W02")
    assert report.notice.startswith("Provisional: the data end on 13 January, before the week does.")
    assert "(so far)" in report.subject
    assert report.tiles[0].last_week == "no comparison with last week"
    assert report.notice in render.text(report).replace("\n", " ")


def test_a_year_of_53_weeks_has_its_last_week_and_compares_across_the_year(winter):
    last, first = report_of(winter, "2026-W53"), report_of(winter, "2027-W01")
    assert last.period == "28 December 2026 – 3 January 2027"
    assert last.month.title == "December closed at $1,940"
    assert first.tiles[0].last_week == "±0% vs last week"
    assert first.month.title.startswith("January: $360 spent, ")


def test_a_smaller_week_has_a_minus_everywhere(winter):
    report = report_of(winter, "2026-W52")
    assert report.tiles[0].last_week == "−40.0% vs last week"
    assert "(−40.0%)" in report.subject


def test_a_passed_budget_names_its_owner_and_a_team_without_one_is_told_so(winter):
    (decision,) = report_of(winter, "2026-W53").decisions
    assert decision.what == "Team payments has passed its December budget"
    assert (decision.size, decision.owner) == ("$940 over $1,000", "payments-lead@example.com")


def test_figures_that_no_source_tells_are_dashes_not_zeros(winter):
    report = report_of(winter, "2026-W47")
    assert (report.tiles[1].value, report.tiles[1].note) == ("–", "no prompts seen yet")
    assert (report.tiles[2].label, report.tiles[2].value) == ("Commits with agent evidence", "–")
    assert "Merged pull requests" not in [row.cells[0] for row in report.activity.rows]


def test_without_governance_there_is_no_budget_and_the_headline_is_an_unusual_week(tmp_path):
    spent = spending.workdays(date(2026, 2, 2), date(2026, 3, 6), 100)
    spent += spending.workdays(date(2026, 2, 2), date(2026, 3, 13), 20, team="search")
    spent += spending.workdays(date(2026, 3, 9), date(2026, 3, 13), 40)
    report = report_of(published(tmp_path, spent, rules=""), "2026-W11")
    assert report.month.budget_words == "No budget is set."
    assert (report.decisions, report.decisions_note) == ((), "Nothing needs a decision.")
    assert report.headline == (
        "Agent spend fell by $300 to $300, outside its range of the last weeks; team payments alone by $300."
    )


def test_a_team_over_budget_that_nobody_owns_shows_what_to_do(tmp_path):
    data = published(tmp_path, spending.workdays(date(2026, 2, 2), date(2026, 3, 13), 200))
    assert {row.owner for row in report_of(data, "2026-W11").decisions} == {"no owner: add one to roster/teams.csv"}


def test_a_week_without_any_price_is_unknown_not_free(tmp_path):
    bucket = tmp_path / "raw"
    raw.segment(bucket, [raw.event(model="model-nobody-knows", at="2026-03-06T10:00:00Z", person_key="p1")])
    report = report_of(rerun(tmp_path), "2026-W10")
    assert report.headline == "No agent spend is known for this week."
    assert report.tiles[0].value == "–"
    assert report.models.rows[0].cells == ("model-nobody-knows", "no price", "–")
    assert render.pdf(report)


def test_with_many_teams_the_mail_stays_below_what_clients_clip_and_sums_up_the_rest(tmp_path):
    teams = [f"team-{number:03d}" for number in range(40)]
    raw.roster(tmp_path / "raw", [f"{team},{team},engineer,true,2026-01-01," for team in teams])
    spent = [spending.Spent(date(2026, 3, 2), 10 + at, team) for at, team in enumerate(teams)]
    spending.ship(tmp_path / "raw", spent)
    report = report_of(rerun(tmp_path), "2026-W10")
    assert report.teams.rows[0].cells[:2] == ("team-039", "$49.00")
    assert report.teams.rows[-1].cells == ("25 others", "$550.00", "–", "–")
    assert report.teams.total.cells[1] == "$1,180.00"
    assert len(render.html(report, str).encode()) < 90_000


def test_an_empty_snapshot_says_so(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(MeterhouseError, match="the snapshot holds no events"):
        report_of(rerun(tmp_path), "2026-W10")


def test_events_of_later_days_change_no_byte_of_an_earlier_week(tmp_path):
    spent = spending.workdays(date(2026, 2, 2), date(2026, 3, 22), 90)
    data = published(tmp_path, [row for row in spent if row.day < date(2026, 3, 7)])
    before = [path.read_bytes() for path in build(data, "2026-W10", tmp_path / "one")]
    spending.ship(tmp_path / "raw", [row for row in spent if row.day >= date(2026, 3, 9)], seq=2)
    after = build(rerun(tmp_path), "2026-W10", tmp_path / "two")
    assert [path.read_bytes() for path in after] == before


@pytest.mark.parametrize("spent", AMOUNTS, ids=str)
@pytest.mark.parametrize("budget", [None, *AMOUNTS[1:]], ids=str)
def test_subject_and_headline_keep_their_length_with_any_amount(spent, budget):
    week = parse_week("2026-W53")
    figures = tuple(Figure({}, value, Decimal(1), False) for value in (spent / 30, spent))
    course = Course(load_metrics()["agent_spend"], (week.before(1).start, week.start), figures, True, False)
    december = date(2026, 12, 1)
    forecast = MonthForecast(None, december, date(2026, 12, 30), spent, spent, spent * 3, spent * 4, (), (1.0,))
    outlook = Outlook(forecast, budget, 40)
    line = subject(week, course, outlook)
    assert len(line) <= 78
    assert re.match(r"AI coding, 2026-W53: <?\$[0-9]", line)
    assert len(headline(None, week, course, outlook, [], Decimal("0.6"))) <= 160


@pytest.mark.parametrize(
    ("label", "start", "end", "month_day"),
    [
        ("2026-W46", date(2026, 11, 9), date(2026, 11, 16), date(2026, 11, 15)),
        ("2026-W44", date(2026, 10, 26), date(2026, 11, 2), date(2026, 10, 31)),  # clocks change on its last day
        ("2026-W40", date(2026, 9, 28), date(2026, 10, 5), date(2026, 10, 4)),  # its Thursday lies in October
        ("2026-W53", date(2026, 12, 28), date(2027, 1, 4), date(2026, 12, 31)),
        ("2026-W01", date(2025, 12, 29), date(2026, 1, 5), date(2026, 1, 4)),
    ],
)
def test_a_week_has_seven_utc_days_and_belongs_to_the_month_of_its_thursday(label, start, end, month_day):
    week = parse_week(label)
    assert (week.start, week.end, week.month_day, week.label) == (start, end, month_day, label)
    assert week.end - week.start == timedelta(days=7)
