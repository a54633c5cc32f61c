"""What is found by key: sessions computed anew, and days on which a key lay before; never less than a whole build would find."""

import itertools
import shutil
from dataclasses import replace

import duckdb
import pyarrow.parquet as pq
import pytest

from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.errors import ModelError
from meterhouse.load import load
from meterhouse.lock import run_lock
from meterhouse.models import load_models
from meterhouse.paths import DataDir, models_dir
from meterhouse.run import run
from meterhouse.seeds import read_seeds
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests

FIRST, LATER, LAST = "2026-03-02", "2026-03-09", "2026-03-20"


def request(day: str, session: str, **values) -> dict:
    return raw.event(at=f"{day}T10:00:00Z", key=(day, session), session_id=session, **values)


@pytest.fixture
def house(tmp_path):
    """Two sessions on one day, published, and a scratch on the rows of both where only a new computation removes it."""
    raw.segment(tmp_path / "bucket", [request(FIRST, "goes on"), request(FIRST, "is over")])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    for file in (data.build, data.current.resolve()):
        with duckdb.connect(str(file)) as db:
            db.execute("UPDATE fct_sessions SET branch = 'scratch'")
    return tmp_path


def sessions(data: DataDir) -> dict[str, tuple]:
    rows = raw.rows(
        data, "SELECT session_id, requests, CAST(CAST(ended_at AS DATE) AS VARCHAR), branch FROM fct_sessions"
    )
    return {name: tuple(rest) for name, *rest in rows}


def test_a_session_is_computed_anew_when_it_goes_on_and_no_other_is(house):
    raw.segment(house / "bucket", [request(LATER, "goes on"), request(LATER, "begins")], seq=2)
    data = raw.published(house / "bucket", house / "data")
    assert sessions(data) == {"goes on": (2, LATER, None), "is over": (1, FIRST, "scratch"), "begins": (1, LATER, None)}


def test_a_session_that_lost_all_its_requests_is_gone(house):
    """A gateway first names another session than the transcript does, which arrives later and is believed."""
    data = DataDir(house / "data")
    seen = {"response_id": "msg_" + "1" * 30, "channel": "gateway", "source": "litellm"}
    raw.segment(house / "bucket", [request(LAST, "gateway's", **seen)], seq=2)
    raw.published(house / "bucket", data.root)
    assert "gateway's" in sessions(data)
    raw.segment(house / "bucket", [request(LAST, "real", response_id="msg_" + "1" * 30)], seq=3)
    raw.published(house / "bucket", data.root)
    assert "gateway's" not in sessions(data)
    assert sessions(data)["real"][0] == 1


@pytest.mark.parametrize("state", ["kept", "missing", "of another DuckDB"])
def test_a_prompt_that_comes_again_far_away_is_counted_once_whatever_is_kept_of_its_key(house, state):
    data = DataDir(house / "data")
    raw.segment(house / "bucket", [raw.event("prompt", f"{LATER}T10:00:00Z", key=(1,), native_id="p-1")], seq=2)
    raw.published(house / "bucket", data.root)
    with duckdb.connect(str(data.build)) as db:
        if state == "missing":
            db.execute("DROP TABLE placed_fct_prompts")
        if state == "of another DuckDB":
            db.execute("UPDATE placed_fct_prompts SET digest = 1; COMMENT ON TABLE placed_fct_prompts IS '1.0'")
    raw.segment(house / "bucket", [raw.event("prompt", f"{LAST}T10:00:00Z", key=(2,), native_id="p-1")], seq=3)
    raw.published(house / "bucket", data.root)
    assert raw.rows(data, "SELECT CAST(day AS VARCHAR) FROM fct_prompts") == [(LATER,)]


def test_days_that_code_without_digests_built_meanwhile_are_found(house):
    """After a step back to an older version and forward again: its builds moved the watermark, and noted no key."""
    data = DataDir(house / "data")
    with duckdb.connect(str(data.build)) as db:
        before = db.execute("FROM placed_fct_prompts").fetchall()
        made_by = db.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'placed_fct_prompts'").fetchall()
    raw.segment(house / "bucket", [raw.event("prompt", f"{LATER}T10:00:00Z", key=(1,), native_id="p-1")], seq=2)
    raw.published(house / "bucket", data.root)
    with duckdb.connect(str(data.build)) as db:
        db.execute("DELETE FROM placed_fct_prompts")
        assert before == []
        db.execute(f"COMMENT ON TABLE placed_fct_prompts IS '{made_by[0][0]}'")
    raw.segment(house / "bucket", [raw.event("prompt", f"{LAST}T10:00:00Z", key=(2,), native_id="p-1")], seq=3)
    raw.published(house / "bucket", data.root)
    assert raw.rows(data, "SELECT CAST(day AS VARCHAR) FROM fct_prompts") == [(LATER,)]


def test_a_request_is_found_by_an_id_that_the_model_learnt_to_look_for(house, monkeypatch):
    data = DataDir(house / "data")
    links = load_models()["int_request_links"]
    monkeypatch.setitem(load_models(), links.name, replace(links, also_known_by=()))
    raw.segment(house / "bucket", [request(LATER, "a", provider_request_id="req_" + "1" * 20)], seq=2)
    raw.published(house / "bucket", data.root)
    monkeypatch.setitem(load_models(), links.name, links)
    raw.segment(house / "bucket", [request(LAST, "a", provider_request_id="req_" + "1" * 20, channel="otlp")], seq=3)
    raw.published(house / "bucket", data.root)
    found, at_once = (raw.fingerprint(one) for one in (data, raw.published(house / "bucket", house / "at once")))
    assert found["fct_requests"] == at_once["fct_requests"]
    assert found["int_request_links"] == at_once["int_request_links"]


def test_an_error_in_a_keyed_model_is_told_and_leaves_all_sessions_in_sight(house):
    data = DataDir(house / "data")
    sessions_model = load_models()["fct_sessions"]
    broken = sessions_model.sql.replace("max(agent_version)", "CAST(CAST(max(session_id) AS INTEGER) AS VARCHAR)")
    raw.segment(house / "bucket", [request(LATER, "goes on")], seq=2)
    with (
        run_lock(data),
        Catalog(data) as catalog,
        Builder(catalog, read_seeds(Storage(str(house / "bucket")))) as builder,
    ):
        load(Storage(str(house / "bucket")), catalog)
        for name in itertools.takewhile(lambda name: name != "fct_sessions", builder.models):
            builder.build(builder.models[name])
        with pytest.raises(ModelError, match=r"fct_sessions\.sql: Conversion Error"):
            builder.build(replace(sessions_model, sql=broken))
        assert builder.db.execute("SELECT count(*) FROM fct_session_days").fetchall() == [(3,)]
    assert sessions(raw.published(house / "bucket", data.root))["goes on"] == (2, LATER, None)


FOLLOWS = """/*
description: Sums.
grain: [agent, session_id]
kind: keyed
follows: {}
columns:
  agent: {{about: A., tests: [not_null]}}
  session_id: {{about: S., tests: [{}]}}
*/
SELECT agent, session_id FROM {}
"""
REFUSED = {
    "a table": (FOLLOWS.format("fct_sessions", "not_null", "fct_sessions"), "which is no daily model"),
    "what it does not read": (FOLLOWS.format("fct_session_days", "not_null", "fct_requests"), "reads 'fct_requests', whose changes"),
    "a key that may be missing": (FOLLOWS.format("fct_session_days", "unique", "fct_session_days"), "the test not_null"),
    "nothing": (FOLLOWS.format("", "not_null", "fct_session_days"), "write kind: keyed and follows"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_keyed_model_that_follows_is_refused_with_what_to_do(tmp_path, what):
    text, told = REFUSED[what]
    shutil.copytree(models_dir(), tmp_path / "models")
    (tmp_path / "models" / "marts" / "fct_sums.sql").write_text(text)
    with pytest.raises(ModelError, match=told):
        load_models(tmp_path / "models")


def test_a_column_that_later_code_wrote_to_the_lake_is_passed_over(tmp_path):
    raw.segment(tmp_path / "bucket", [raw.event("pull_request")])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    (file,) = (data.lake / "pull_request").rglob("*.parquet")
    rows = duckdb.read_parquet(str(file)).project("*, 1 AS of_tomorrow").to_arrow_table()
    pq.write_table(rows, file)
    data.build.unlink()
    raw.segment(tmp_path / "bucket", [raw.event("pull_request", f"{LATER}T10:00:00Z", pull_request_number=8)], seq=2)
    run(str(tmp_path / "bucket"), data)
    assert raw.rows(data, "SELECT count(*) FROM fct_pull_requests") == [(2,)]
