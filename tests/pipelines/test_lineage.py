"""Column lineage: every column of every model says which columns it is made of, and what is kept of that is current."""

from dataclasses import replace

import pytest

from meterhouse import contract, lineage, seeds
from meterhouse.errors import ModelError
from meterhouse.models import load_models
from meterhouse.paths import models_dir

MODELS = load_models()
LINEAGE = lineage.load_lineage()
CONSTANTS = {  # columns that name the branch of a UNION a row came from
    "int_request_disagreements.field",
    "int_request_links.is_only_witness",
    "rpt_silent_witnesses.witness",
    "stg_superseded_events.kind",
}


def test_a_column_is_made_of_columns_or_counts_rows_or_names_the_branch_of_a_union():
    found = {f"{model}.{column}": sources for model, columns in LINEAGE.items() for column, sources in columns.items()}
    assert all(found.values())
    assert {name for name, sources in found.items() if lineage.CONSTANT in sources} == CONSTANTS
    counted = {name for name, sources in found.items() if lineage.ROWS in sources}
    assert {"fct_session_days.requests", "rpt_accounting.objects"} <= counted


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.kind != "view"])
def test_every_column_of_the_header_has_a_lineage(name):
    assert set(LINEAGE[name]) == set(MODELS[name].columns)


@pytest.mark.parametrize("name", MODELS)
def test_sources_are_columns_of_what_the_model_reads(name):
    lake = {f"lake_{kind}": tuple(row.columns) for kind, row in contract.kinds().items()}
    columns = {**LINEAGE, **lake, **seeds.columns()}
    sources = {source for row in LINEAGE[name].values() for source in row if "." in source}
    for table, column in (source.split(".") for source in sources):
        assert table in MODELS[name].reads
        assert table not in columns or column in columns[table], f"{table} has no {column}"


KNOWN = {  # followed by hand
    "fct_requests.list_cost_usd": ("int_request_costs.list_cost_pico", "int_requests.is_gateway_cache_hit"),
    "fct_requests.team": ("dim_people.team",),
    "rpt_usage_daily.model": ("fct_requests.model",),
    "stg_prices.is_timed": ("seed_prices.utc_from",),
    "rpt_missing_segments.noticed_at": ("load_ledger.received_at",),
    "fct_launches.origin": ("lake_launch.origin",),
}


@pytest.mark.parametrize("column", KNOWN)
def test_known_columns_come_from_where_they_do(column):
    model, _, name = column.partition(".")
    assert LINEAGE[model][name] == KNOWN[column]


def test_what_is_kept_is_current():
    assert (models_dir() / lineage.KEPT).read_text() == lineage.text(), "models/lineage.json is stale; run `make docs`"


def test_a_model_that_changed_since_is_looked_at_again(monkeypatch):
    sql = MODELS["dim_teams"].sql.replace("division", "upper(owner) AS division")
    changed = {**MODELS, "dim_teams": replace(MODELS["dim_teams"], sql=sql)}
    monkeypatch.setattr(lineage, "load_models", lambda: changed)
    again = lineage.load_lineage.__wrapped__()
    assert again["dim_teams"]["division"] == ("stg_teams.owner",)
    assert again["dim_people"] == LINEAGE["dim_people"]


UNTRACED = {
    "SELECT * FROM score_unheard_of": r"where column '\*' comes from cannot be told",
    "SELECT unheard_of FROM stg_teams": r"column 'unheard_of' reads stg_teams.unheard_of, which is not there",
}


@pytest.mark.parametrize("sql", UNTRACED)
def test_a_column_that_cannot_be_traced_is_named(sql):
    spoilt = replace(MODELS["dim_teams"], sql=sql)
    with pytest.raises(ModelError, match=rf"dim_teams.sql: .*{UNTRACED[sql]}"):
        lineage.find(spoilt, LINEAGE)
