"""Model files: the rules of the header, the messages that name a broken one, and the way out to another engine."""

import shutil

import duckdb
import pytest
import sqlglot

from meterhouse import checks
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.errors import ModelError
from meterhouse.metrics import load_metrics
from meterhouse.models import load_models, read_model
from meterhouse.paths import models_dir
from pipelines import raw  # noqa: TID251 - the folder of these tests

MODELS = load_models()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_what_a_row_is_and_what_each_column_means(name):
    model = MODELS[name]
    assert len(model.description) > 20
    if model.kind != "view":
        assert set(model.grain) <= set(model.columns), "the grain is made of columns"
    if model.is_public:
        missing = [column.name for column in model.columns.values() if not column.about.strip().endswith(".")]
        assert missing == [], "every public column has a sentence"
        assert all("not_null" in model.columns[key].tests for key in model.grain), "a key is never NULL"


@pytest.mark.parametrize("name", load_metrics())
def test_a_metric_runs_on_spark_as_far_as_its_grammar_goes(name):
    sqlglot.transpile(
        load_metrics()[name].sql, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE
    )


def test_documented_columns_are_the_published_ones(tmp_path):
    raw.segment(tmp_path / "bucket", [raw.event()])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    for name, model in MODELS.items():
        if model.is_public:
            found = [
                column
                for (column,) in raw.rows(data, f"SELECT column_name FROM duckdb_columns() WHERE table_name = '{name}'")
            ]
            assert sorted(found) == sorted(model.columns)
    comments = raw.rows(data, "SELECT count(*) FROM duckdb_columns() WHERE comment IS NULL AND table_name LIKE 'fct_%'")
    assert comments == [(0,)], "the words travel with the tables"


GOOD = """/*
description: One row for the test of models.
grain: [day]
kind: table
columns: {day: {about: "The day.", tests: [not_null]}}
*/
SELECT day FROM fct_requests
"""


@pytest.fixture
def folder(tmp_path):
    """A copy of the models that a test may spoil."""
    shutil.copytree(models_dir(), tmp_path / "models")
    return tmp_path / "models"


SPOILT = {  # what is done to the good file: message
    "no header": ("SELECT 1 AS day", "has no header comment; begin the file with /* description"),
    "header that is no YAML": (GOOD.replace("grain: [day]", "grain: [day"), "the header is no YAML"),
    "header that is no mapping": ("/* words */ SELECT 1 AS day", "the header is no mapping"),
    "unknown key": (
        GOOD.replace("kind:", "kinds:"),
        "unknown header key 'kinds'; the keys are alarms, also_known_by, checks, columns, description",
    ),
    "unknown kind": (
        GOOD.replace("kind: table", "kind: incremental"),
        "kind is 'incremental'; it is one of view, table, daily",
    ),
    "no description": (
        GOOD.replace("description: One row for the test of models.\n", ""),
        "needs a description and a grain",
    ),
    "no grain": (GOOD.replace("grain: [day]\n", ""), "needs a description and a grain"),
    "two statements": (GOOD + ";\nSELECT 2", "must hold one SELECT and nothing else"),
    "no SELECT": (GOOD.replace("SELECT day FROM fct_requests", "DROP TABLE fct_requests"), "must hold one SELECT"),
    "daily without run_days": (GOOD.replace("kind: table", "kind: daily"), "a daily model filters on run_days"),
    "unknown table": (
        GOOD.replace("FROM fct_requests", "FROM fct_request"),
        "reads 'fct_request', which no model provides",
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_broken_model_file_is_named_with_what_is_wrong_and_what_to_do(folder, what):
    text, message = SPOILT[what]
    path = folder / "marts" / "rpt_spoilt.sql"
    path.write_text(text)
    with pytest.raises(ModelError) as caught:
        load_models.__wrapped__(folder)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_model_file_with_a_name_of_another_layer_is_refused(folder):
    (folder / "staging" / "fct_spoilt.sql").write_text(GOOD)
    with pytest.raises(ModelError, match=r"a model in staging/ is named stg_…; rename the file"):
        load_models.__wrapped__(folder)


def test_a_layer_may_not_read_a_later_one(folder):
    (folder / "staging" / "stg_spoilt.sql").write_text(GOOD)
    with pytest.raises(ModelError, match=r"staging may not read marts \('fct_requests'\)"):
        load_models.__wrapped__(folder)


def test_models_that_read_each_other_in_a_circle_are_named(folder):
    (folder / "marts" / "rpt_one.sql").write_text(GOOD.replace("fct_requests", "rpt_two"))
    (folder / "marts" / "rpt_two.sql").write_text(GOOD.replace("fct_requests", "rpt_one"))
    with pytest.raises(
        ModelError, match=r"read each other in a circle: rpt_(one → rpt_two → rpt_one|two → rpt_one → rpt_two)"
    ):
        load_models.__wrapped__(folder)


def test_an_unknown_test_of_a_column_is_refused(folder):
    (folder / "marts" / "rpt_spoilt.sql").write_text(GOOD.replace("not_null", "never_null"))
    model = read_model(folder / "marts" / "rpt_spoilt.sql")
    with pytest.raises(ModelError, match="unknown test 'never_null' of day; use not_null"):
        list(checks.checks_of(model))


@pytest.mark.parametrize(
    ("change", "column"), [(("SELECT day", "SELECT day, team"), "team"), (("SELECT day", "SELECT 1 AS one"), "day")]
)
def test_a_column_that_is_only_in_header_or_select_is_named(folder, tmp_path, change, column):
    (folder / "marts" / "rpt_spoilt.sql").write_text(GOOD.replace(*change))
    raw.segment(tmp_path / "bucket", [raw.event()])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    model = read_model(folder / "marts" / "rpt_spoilt.sql")
    with Catalog(data) as catalog, Builder(catalog, []) as builder:
        builder.fingerprints[model.name] = model.fingerprint
        message = rf"rpt_spoilt.sql: column '{column}' is in only one of header and SELECT"
        with pytest.raises(ModelError, match=message):
            builder.build(model)


CHECKED = {  # a promise: rows that break it
    "not_null": [None],
    "unique": [1, 1],
    ">= 0": [-1],
    "> 0": [0],
    "<= 1": [2],
    "in": [7],
}


@pytest.mark.parametrize("test", CHECKED)
def test_every_kind_of_check_finds_the_row_that_breaks_it_and_passes_good_rows(tmp_path, test):
    promise = "[1, 2]" if test == "in" else test if test.isidentifier() else f'"{test}"'
    path = tmp_path / "marts" / "rpt_checked.sql"
    path.parent.mkdir()
    path.write_text(
        GOOD.replace("[day]", "[a]", 1).replace(
            '{day: {about: "The day.", tests: [not_null]}}', f'{{a: {{about: "One.", tests: [{promise}]}}}}'
        )
    )
    model = read_model(path)
    with duckdb.connect() as db:
        db.execute("CREATE TABLE rpt_checked (a BIGINT); INSERT INTO rpt_checked VALUES (1)")
        assert all(row.is_passed for row in checks.run_checks(db, model))
        db.execute("DELETE FROM rpt_checked")
        db.executemany("INSERT INTO rpt_checked VALUES (?)", [[value] for value in CHECKED[test]])
        broken = [row for row in checks.run_checks(db, model) if not row.is_passed]
        assert broken
        with pytest.raises(Exception, match=r"rpt_checked: 1 rows break '.*'; nothing was published"):
            checks.require(broken[-1:])
