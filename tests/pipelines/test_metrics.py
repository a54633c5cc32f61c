"""Metrics: exact ratios, bound filters, and no cell from which a few people's figures could be read."""

from datetime import date
from decimal import Decimal

import duckdb
import pytest

from meterhouse.errors import ModelError
from meterhouse.metrics import MIN_GROUP, load_metrics, metric, read_metric, total
from meterhouse.snapshot import reading

FROM, TO = date(2026, 3, 2), date(2026, 3, 9)


@pytest.fixture
def db():
    """The columns that these metrics read."""
    with duckdb.connect() as db:
        for table in ("fct_requests", "fct_prompts"):
            db.execute(
                f"CREATE TABLE {table} (day DATE, person_key VARCHAR, team VARCHAR, division VARCHAR, cost_centre VARCHAR, agent VARCHAR, "
                "model VARCHAR, provider VARCHAR, repository VARCHAR, origin VARCHAR, status VARCHAR, list_cost_usd DECIMAL(38,12), "
                "input_tokens BIGINT, cache_read_tokens BIGINT)"
            )
        db.execute("CREATE TABLE dim_people (person_key VARCHAR, is_engineer BOOLEAN, valid_from DATE, valid_to DATE)")
        yield db


def people(db, team: str | None, count: int, day: str = "2026-03-03", cost: str = "1", agent: str = "codex") -> None:
    """So many people of a team with one prompt and one request each."""
    name = team or "none"
    for number in range(count):
        row = [day, f"{name}-{number}", team, agent, cost]
        db.execute(
            "INSERT INTO fct_prompts (day, person_key, team, agent, origin) VALUES (?, ?, ?, ?, 'person')", row[:4]
        )
        db.execute(
            "INSERT INTO fct_requests (day, person_key, team, agent, list_cost_usd, status) VALUES (?, ?, ?, ?, ?, 'ok')",
            row,
        )


def by_team(db, name: str = "active_engineers", *by: str) -> dict:
    return {tuple(row.dimensions.values()): row.value for row in metric(db, name, FROM, TO, by=("team", *by))}


SIZES = {  # people of each team: the teams that are shown
    "large teams": ({"a": 5, "b": 9}, {"a", "b"}),
    "one small team hides the next smallest too": ({"a": 4, "b": 6, "c": 20}, {"c"}),
    "two small teams that are few together hide a third": ({"a": 1, "b": 2, "c": 7, "d": 20}, {"d"}),
    "two small teams that are many together hide no third": ({"a": 4, "b": 4, "c": 7}, {"c"}),
    "nobody's team is a team": ({None: 2, "b": 6, "c": 20}, {"c"}),
    "a small team alone": ({"a": 4}, set()),
    "of equals the first in order": ({"a": 1, "c": 6, "b": 6}, {"c"}),
}


@pytest.mark.parametrize("name", SIZES)
def test_cells_of_few_people_are_emptied_with_what_would_give_them_away(db, name):
    sizes, shown = SIZES[name]
    for team, count in sizes.items():
        people(db, team, count)
    figures = metric(db, "active_engineers", FROM, TO, by=["team"])
    assert {row.dimensions["team"] for row in figures} == set(sizes), (
        "an emptied cell stays, so that it can be told from none"
    )
    assert {row.dimensions["team"] for row in figures if not row.is_suppressed} == shown
    for row in figures:
        assert row.value == (None if row.is_suppressed else sizes[row.dimensions["team"]])
        assert (row.numerator is None and row.denominator is None) == row.is_suppressed
    hidden = sum(count for team, count in sizes.items() if team not in shown)
    assert hidden == 0 or hidden >= MIN_GROUP or not shown, "total less shown cells is never a small group"


def test_a_filter_does_not_undo_the_protection(db):
    for team, count in {"a": 4, "b": 6, "c": 20}.items():
        people(db, team, count)
    shown = {team: total(db, "active_engineers", FROM, TO, team=team) for team in "abc"}
    assert shown == {"a": None, "b": None, "c": 20}


def test_each_week_is_judged_by_itself(db):
    people(db, "a", 6, "2026-03-02")
    people(db, "a", 2, "2026-03-10")
    people(db, "b", 8, "2026-03-02")
    people(db, "b", 8, "2026-03-10")
    figures = metric(db, "active_engineers", FROM, date(2026, 3, 16), by=["week", "team"])
    assert [(str(row.dimensions["week"]), row.dimensions["team"], row.value) for row in figures] == [
        ("2026-03-02", "a", 6), ("2026-03-02", "b", 8), ("2026-03-09", "a", None), ("2026-03-09", "b", None)]  # fmt: skip


def test_a_cell_of_two_dimensions_cannot_be_computed_from_either_margin(db):
    people(db, "a", 2, agent="codex")
    people(db, "a", 9, agent="gemini_cli")
    people(db, "b", 9, agent="codex")
    people(db, "b", 9, agent="gemini_cli")
    shown = by_team(db, "active_engineers", "agent")
    assert shown[("a", "codex")] is None
    assert shown[("a", "gemini_cli")] is None, "it and the team's total would give the small cell"
    assert shown[("b", "codex")] is None, "it and the agent's total would give the small cell"
    assert shown[("b", "gemini_cli")] == 9


def test_a_ratio_is_the_ratio_of_sums_for_any_grouping(db):
    people(db, "a", 5, cost="10")
    people(db, "b", 15, cost="2")
    assert total(db, "cost_per_active_engineer", FROM, TO) == Decimal(80) / 20
    assert by_team(db, "cost_per_active_engineer") == {("a",): 10, ("b",): 2}


def test_people_are_counted_anew_for_each_window(db):
    for day in ("2026-03-02", "2026-03-03", "2026-03-04"):
        people(db, "a", 7, day)
    assert [row.value for row in metric(db, "active_engineers", FROM, TO, by=["day"])] == [7, 7, 7]
    assert total(db, "active_engineers", FROM, TO) == 7


def test_money_is_exact_and_nothing_divided_by_nothing_is_unknown(db):
    people(db, "a", 5, cost="0.000000000001")
    assert total(db, "agent_spend", FROM, TO) == Decimal("0.000000000005")
    assert total(db, "cost_per_active_engineer", date(2027, 1, 1), date(2027, 1, 2)) is None
    assert total(db, "agent_spend", date(2027, 1, 1), date(2027, 1, 2)) is None


def test_the_last_day_of_a_window_is_outside(db):
    people(db, "a", 5, "2026-03-08")
    people(db, "a", 5, "2026-03-09")
    assert total(db, "agent_spend", FROM, TO) == 5


HOSTILE = ["' OR 1=1 --", "a'; DROP TABLE fct_requests; --", "a\0b", "$start", "{team}", '"team"', "x" * 10_000]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_filter_is_a_value_like_any_other(db, value):
    people(db, "a", 6)
    people(db, value, 7)
    assert total(db, "agent_spend", FROM, TO, team=value) == 7
    assert total(db, "active_engineers", FROM, TO, team=value) == 7
    assert total(db, "agent_spend", FROM, TO) == 13


def test_unknown_names_are_errors_that_list_the_known_ones(db):
    with pytest.raises(ModelError, match=r"metric 'spend': does not exist; the metrics are .*agent_spend"):
        metric(db, "spend", FROM, TO)
    for broken in ({"by": ["person_key"]}, {"person_key": "p1"}, {"by": ["1; DROP TABLE x"]}):
        with pytest.raises(ModelError, match=r"cannot be cut by '.*'; it has day, week, month, team"):
            metric(db, "active_engineers", FROM, TO, **broken)


def test_no_metric_can_be_cut_by_person():
    assert [
        name for name, row in load_metrics().items() if any("person" in dimension for dimension in row.dimensions)
    ] == []


def test_every_metric_that_counts_people_is_protected():
    for name, row in load_metrics().items():
        if "person_key" in row.sql.lower():
            assert row.people, name


GOOD = "/*\nlabel: Things\ndescription: Things in the window.\nunit: requests\n*/\nSELECT count(*) AS numerator, 1 AS denominator FROM t"
SPOILT = {
    "no label": (GOOD.replace("label: Things\n", ""), "header key 'label' is missing"),
    "unknown unit": (GOOD.replace("requests", "apples"), "unit is 'apples'; it is one of usd"),
    "one more column": (GOOD.replace("1 AS", "team, 1 AS"), "must select numerator and denominator and nothing else"),
    "unknown key": (GOOD.replace("label:", "lable: x\nlabel:"), "unknown header key 'lable'"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_broken_metric_file_is_named(tmp_path, what):
    text, message = SPOILT[what]
    (tmp_path / "things.sql").write_text(text)
    with pytest.raises(ModelError, match=message):
        read_metric(tmp_path / "things.sql")


def test_every_metric_runs_with_every_dimension_it_promises(sample_data):
    with reading(sample_data) as snapshot:
        for name, row in load_metrics().items():
            for dimension in row.dimensions:
                assert metric(snapshot, name, date(2026, 8, 1), date(2026, 12, 1), by=[dimension]), name


def test_a_metric_without_days_says_so_when_it_is_cut_by_week(sample_data):
    with reading(sample_data) as snapshot, pytest.raises(ModelError, match="cannot be cut by week; ask for one window"):
        metric(snapshot, "active_engineer_share", date(2026, 8, 1), date(2026, 12, 1), by=["week"])
