"""Names from outside: whatever a team, model or agent is called, pages render and no name is read as markup."""

import json
from pathlib import Path

import duckdb
import pytest

from dashboards import pages  # noqa: TID251 - the folder of these tests
from meterhouse.paths import DataDir

STRINGS = Path(__file__).resolve().parents[2] / "../shared/fixtures/hostile/strings.jsonl"
OWN = [
    "<img src=x onerror=alert(1)>",
    "**bold** [link](javascript:alert(1))",
    "$x^2$ and :red[text]",
    "=HYPERLINK(1)",
    "a\u202eb",
    "\n# head",
]
TABLES = ("fct_requests", "fct_sessions", "fct_prompts", "fct_code_changes")


def _named(sample: DataDir, to: Path, names: list[str]) -> DataDir:
    data = pages.copy_snapshot(sample, to, "CREATE TABLE names (number BIGINT, name VARCHAR)")
    with duckdb.connect(str(data.current.resolve())) as db:
        db.executemany("INSERT INTO names VALUES (?, ?)", list(enumerate(names)))
        pick = "(SELECT name FROM names WHERE number = hash({}) % (SELECT count(*) FROM names))"
        for table in TABLES:
            chosen = pick.format("person_key").replace("SELECT name", "SELECT any_value(name)")
            db.execute(f"UPDATE {table} SET team = {chosen}, division = {chosen}")
        db.execute(
            f"UPDATE fct_requests SET model = {pick.format('request_id').replace('SELECT name', 'SELECT any_value(name)')}"
        )
        db.execute("UPDATE fct_requests SET agent = 'a' || agent || '<b>*x*</b>'")
        db.execute(
            "INSERT INTO dim_teams SELECT name, name, NULL, NULL, DATE '2026-01-01', DATE '9999-12-31' FROM names"
        )
        db.execute("UPDATE load_parked SET kind = $1", [names[0]])
        db.execute("UPDATE rpt_price_exceptions SET model = $1 || model", [names[1]])
        db.execute("DROP TABLE names")
    return data


def _check(data: DataDir, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    for view in pages.VIEWS:
        app = pages.open_page(view)
        assert pages.problems(app) == [], view
        told = pages.markup(app)
        assert [name for name in names if len(name) > 12 and name in told] == [], view


def test_names_made_of_markup_stay_text(sample_data, tmp_path, monkeypatch):
    _check(_named(sample_data, tmp_path, OWN), OWN, monkeypatch)


def test_a_team_with_a_hostile_name_can_be_chosen(sample_data, tmp_path, monkeypatch):
    data = _named(sample_data, tmp_path, OWN)
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    app = pages.open_page("overview.py")
    for name in OWN:
        app.selectbox(key="team").set_value(name).run()
        assert pages.problems(app) == []
        assert app.selectbox(key="team").value == name


def test_all_hostile_strings_as_names(sample_data, tmp_path, monkeypatch):
    if not STRINGS.exists():
        pytest.skip(
            f"{STRINGS.name}: the shared fixtures are not beside the repository, so hostile names are not tried"
        )
    texts = [json.loads(line)["text"] for line in STRINGS.read_text(encoding="utf-8").splitlines()]
    names = [text for text in dict.fromkeys(texts) if text and "\0" not in text]
    _check(_named(sample_data, tmp_path, names), names, monkeypatch)
