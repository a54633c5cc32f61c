"""Every page renders on full, empty and missing data, and says what the metrics say."""

import ast
from datetime import date

import pytest

from dashboards import pages  # noqa: TID251 - the folder of these tests
from meterhouse.metrics import load_metrics, metric, total
from meterhouse.paths import DataDir
from meterhouse.report import wording
from meterhouse.run import run
from meterhouse.snapshot import reading
from meterhouse_dashboards import navigation

LAST_4_WEEKS = (date(2026, 10, 19), date(2026, 11, 16))
LEDGER_TABLES = {
    "rpt_accounting",
    "rpt_dropped_events",
    "rpt_price_exceptions",
    "load_quarantine",
    "load_parked",
    "load_ledger",
}


@pytest.fixture(scope="session")
def empty_data(tmp_path_factory: pytest.TempPathFactory) -> DataDir:
    """A snapshot of an organisation that has not shipped anything yet."""
    bucket = tmp_path_factory.mktemp("bucket")
    data = DataDir(tmp_path_factory.mktemp("empty") / "data")
    run(str(bucket), data)
    return data


@pytest.mark.parametrize("name", pages.VIEWS)
def test_a_page_renders_on_the_sample(name, sample_data, monkeypatch):
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(sample_data.root))
    app = pages.open_page(name)
    assert pages.problems(app) == []
    assert [row.value for row in app.title] == [navigation.read(navigation.VIEWS / name).title]
    assert len(app.metric) >= 5
    assert all(row.value != wording.UNKNOWN for row in app.metric)


@pytest.mark.parametrize("name", pages.VIEWS)
def test_a_page_stays_friendly_on_an_empty_snapshot(name, empty_data, monkeypatch):
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(empty_data.root))
    app = pages.open_page(name)
    assert pages.problems(app) == []
    assert "No events yet" in pages.markup(app) or "Nothing is in quarantine" in pages.markup(app)


@pytest.mark.parametrize("name", pages.VIEWS)
def test_without_a_snapshot_a_page_gives_the_command_to_run(name, tmp_path, monkeypatch):
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(tmp_path))
    app = pages.open_page(name)
    assert pages.problems(app) == []
    assert [row.value for row in app.code] == ["meterhouse run --raw DEST --data DIR"]
    assert len(app.metric) == 0


def test_without_a_data_directory_a_page_names_the_setting(tmp_path, monkeypatch):
    monkeypatch.delenv("METERHOUSE_STORAGE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    app = pages.open_page("overview.py")
    assert pages.problems(app) == []
    assert "METERHOUSE_STORAGE_DATA" in app.text[0].value


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DELETE FROM dim_days WHERE day NOT BETWEEN '2026-11-11' AND '2026-11-13'", "No complete week yet"),
        ("DELETE FROM dim_days WHERE day < '2026-11-04'", "does not reach back far enough"),
        ("DELETE FROM dim_teams", "compared with the 4 weeks before"),
    ],
    ids=["the first days", "one complete week", "no roster"],
)
@pytest.mark.parametrize("name", ["overview.py", "models.py"])
def test_a_page_says_how_far_young_data_reach(name, change, told, sample_data, tmp_path, monkeypatch):
    data = pages.copy_snapshot(sample_data, tmp_path, change)
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    app = pages.open_page(name)
    assert pages.problems(app) == []
    assert told in pages.markup(app)


@pytest.mark.parametrize(
    "filters", [{}, {"team": "search"}, {"division": "product", "agent": "codex"}, {"agent": "gemini_cli"}]
)
def test_tiles_and_table_say_what_the_metrics_say(filters, sample_data, monkeypatch):
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(sample_data.root))
    app = pages.open_page("overview.py")
    for key, value in filters.items():
        app.selectbox(key=key).set_value(value)
    app.run()
    assert pages.problems(app) == []
    labels = {row.label: name for name, row in load_metrics().items()}
    with reading(sample_data) as db:
        for tile in app.metric:
            exact = total(db, labels[tile.label], *LAST_4_WEEKS, **filters)
            assert tile.value == wording.figure(exact, load_metrics()[labels[tile.label]].unit), tile.label
        spend = metric(db, "agent_spend", *LAST_4_WEEKS, ["team"], **filters)
    table = app.dataframe[0].value
    assert dict(zip(table["Team"], table["Agent spend"], strict=True)) == {
        row.dimensions["team"]: pytest.approx(float(row.value or 0)) for row in spend
    }


def test_cells_of_few_people_are_worded_and_not_shown(sample_data, tmp_path, monkeypatch):
    two = "(SELECT min(person_key) FROM fct_prompts WHERE team IN ('search', 'growth') GROUP BY team)"
    few = f"DELETE FROM fct_prompts WHERE team IN ('search', 'growth') AND person_key NOT IN {two}"
    data = pages.copy_snapshot(sample_data, tmp_path, few)
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    app = pages.open_page("overview.py")
    table = app.dataframe[0].value.set_index("Team")["Active engineers"]
    assert table["search"] == table["growth"] == "fewer than 5 people"
    assert table["payments"].isdigit()
    app.selectbox(key="team").set_value("search").run()
    tile = next(row for row in app.metric if row.label == "Active engineers")
    assert tile.value == "fewer than 5 people"


def test_a_filter_shows_no_figure_of_people_that_the_table_hides(sample_data):
    window = (date(2026, 11, 9), date(2026, 11, 16))
    with reading(sample_data) as db:
        for name, dimension in (("active_engineers", "team"), ("cost_per_active_engineer", "agent")):
            table = metric(db, name, *window, [dimension])
            assert table
            for row in table:
                assert total(db, name, *window, **row.dimensions) == row.value


@pytest.mark.parametrize("name", pages.VIEWS)
def test_a_view_says_what_it_is_and_holds_no_sql_of_figures(name):
    path = navigation.VIEWS / name
    view = navigation.read(path)
    assert view.title
    assert view.caption
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 120
    assert "unsafe_allow_html" not in source
    texts = [
        row.value for row in ast.walk(ast.parse(source)) if isinstance(row, ast.Constant) and isinstance(row.value, str)
    ]
    tables = {text.split("FROM ")[1].split()[0] for text in texts if "FROM " in text}
    assert tables <= LEDGER_TABLES


def test_views_have_different_places_in_the_navigation():
    views = navigation.views()
    assert len({view.order for view in views}) == len({view.title for view in views}) == len(views)


@pytest.mark.parametrize("source", ['"""Title."""\n', "ORDER = 10\n", '"""Title."""\nORDER = len("ab")\n'])
def test_a_view_that_does_not_say_what_it_is_is_named(source, tmp_path):
    (tmp_path / "half.py").write_text(source)
    with pytest.raises(ValueError, match=r"half\.py: a page needs a docstring"):
        navigation.views(tmp_path)


def test_what_collectors_left_out_is_shown_with_its_reason(sample_data, tmp_path, monkeypatch):
    left_out = "INSERT INTO rpt_dropped_events VALUES ('dev-1', DATE '2026-11-09', 'made_up_reason', 7)"
    data = pages.copy_snapshot(sample_data, tmp_path / "data", left_out)
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    app = pages.open_page("quality.py")
    tables = [table.value.to_csv(index=False) for table in app.dataframe]
    assert pages.problems(app) == []
    assert any("made_up_reason,7,1" in table for table in tables), tables
