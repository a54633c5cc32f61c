"""Every model has a Spark translation, and each rewrite says what it turns into. `make test-spark` compares the results."""

import sys

import pytest
import sqlglot
from sqlglot import exp

from meterhouse.errors import ModelError, SettingsError
from meterhouse.models import load_models
from meterhouse.spark import engine
from meterhouse.spark.dialect import REWRITES, to_spark


@pytest.mark.parametrize("name", load_models())
def test_every_model_has_a_spark_translation(name):
    tree = sqlglot.parse_one(to_spark(load_models()[name].sql), dialect="spark")
    assert isinstance(tree, exp.Query)
    assert not tree.find(exp.Qualify), "older Sparks have none"


TRANSLATED = {  # DuckDB: Spark
    "SELECT epoch_ms(a)": "SELECT UNIX_MILLIS(a)",
    "SELECT isodow(a)": "SELECT (WEEKDAY(a) + 1)",
    "SELECT strftime(a, '%G-W%V')": (
        "SELECT CONCAT(CAST(EXTRACT(YEAROFWEEK FROM a) AS STRING), '-W', LPAD(CAST(WEEKOFYEAR(a) AS STRING), 2, '0'))"
    ),
    "SELECT strftime(a, '%Y-%m')": "SELECT DATE_FORMAT(a, 'yyyy-MM')",
    "SELECT date_diff('minute', a, b)": "SELECT (UNIX_SECONDS(b) DIV 60 - UNIX_SECONDS(a) DIV 60)",
    "SELECT len(coalesce(a, [])), length(b)": "SELECT CAST(SIZE(COALESCE(a, ARRAY())) AS BIGINT), LENGTH(b)",
    "SELECT CAST(unnest(a) AS DATE)": "SELECT EXPLODE(CAST(a AS ARRAY<DATE>))",
    "SELECT arg_min(a, b)": "SELECT MIN_BY(a, CASE WHEN NOT a IS NULL THEN b END)",
    "SELECT arg_max(a, b)": "SELECT MAX_BY(a, CASE WHEN NOT a IS NULL THEN b END)",
    "SELECT regexp_replace(a, '^b', ''), list(a)": "SELECT REGEXP_REPLACE(a, '^b', ''), COLLECT_LIST(a)",
    "SELECT rank() OVER (ORDER BY a)": "SELECT CAST(RANK() OVER (ORDER BY a NULLS LAST) AS BIGINT)",
    "WITH c AS (SELECT 1 AS a) SELECT *, 2 AS b FROM c QUALIFY count(*) OVER () > 1": (
        "WITH c AS (SELECT 1 AS a) SELECT * EXCEPT (is_kept_row) FROM "
        "(SELECT *, 2 AS b, (COUNT(*) OVER () > 1) AS is_kept_row FROM c) AS qualified WHERE is_kept_row"
    ),
    "WITH c AS NOT MATERIALIZED (SELECT 1 AS a) SELECT a FROM c": "WITH c AS (SELECT 1 AS a) SELECT a FROM c",
    "SELECT a FROM b QUALIFY row_number() OVER (ORDER BY epoch_ms(c)) = 1": (
        "SELECT * EXCEPT (is_kept_row) FROM (SELECT a, (CAST(ROW_NUMBER() OVER (ORDER BY UNIX_MILLIS(c) NULLS LAST) AS BIGINT) = 1) "
        "AS is_kept_row FROM b) AS qualified WHERE is_kept_row"
    ),
}


@pytest.mark.parametrize("sql", TRANSLATED)
def test_a_construct_keeps_its_meaning(sql):
    assert to_spark(sql) == TRANSLATED[sql]


def test_every_rewrite_has_an_example():
    seen = {type(node) for sql in TRANSLATED for node in sqlglot.parse_one(sql, dialect="duckdb").walk()}
    assert set(REWRITES) <= seen


REFUSED = {  # what would run on Spark and mean something else
    "SELECT date_diff('month', a, b)": "only minutes are translated",
    "SELECT strftime(a, '%U')": "is neither of the formats",
    "SELECT regexp_replace(a, 'b', 'c')": "anchor the pattern",
    "SELECT list(a ORDER BY b)": "loses its order",
    "SELECT quantile_cont(a, 0.5)": "is not known to mean the same on Spark",
    "SELECT hash(a)": "is not known to mean the same on Spark",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_what_would_mean_something_else_is_refused(sql):
    with pytest.raises(ModelError, match=REFUSED[sql]):
        to_spark(sql)


def test_without_the_extra_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(SettingsError, match=r"pyspark is not installed; run `pip install 'meterhouse\[spark\]'`"):
        engine.session()
