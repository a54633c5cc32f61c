"""Great Expectations as auditor: it asks what contract and headers promise, of what was loaded, and keeps no value."""

import json

import duckdb
import polars as pl
import pytest

from meterhouse import audit, contract
from meterhouse.models import load_models
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - the folder of these tests

CANARY = "canary<script>alert(1)</script>"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A house that was audited once, and that look."""
    root = tmp_path_factory.mktemp("audited")
    raw.segment(root / "bucket", [raw.event(key=("1",), model=CANARY), raw.event("tool_call"), raw.event("prompt")])
    data = raw.published(root / "bucket", root / "data")
    return root / "bucket", data, audit.audit(data)


def test_a_sound_load_is_as_promised_in_lake_and_models(house):
    _, _, look = house
    assert look.failed == []
    assert {"lake_model_request", "lake_tool_call", "lake_prompt", "fct_requests"} <= {row.table for row in look.tables}
    assert {row.rows for row in look.tables if row.table == "lake_model_request"} == {1}
    assert {row.table for row in look.tables} <= set(audit.tables())


def test_every_rule_of_the_contract_is_asked_and_none_is_written_here(house):
    _, _, look = house
    rules = {row.table: row.expectations for row in look.tables}
    for kind in ("model_request", "tool_call", "prompt"):
        fields = [row for row in contract.kinds()[kind].fields if row.name != contract.KIND_FIELD]
        patterns = [row for row in fields if row.pattern and row.polars_type == pl.String]
        counts = [row for row in fields if row.type == "count"]
        required = [row for row in fields if row.is_required]
        assert rules[f"lake_{kind}"] == len(patterns) + len(counts) + len(required) + 1
    header = load_models()["fct_requests"]
    assert rules["fct_requests"] >= sum(len(row.tests) for row in header.columns.values())


def test_docs_and_results_are_kept_and_hold_no_value(house):
    _, data, look = house
    assert data.audit_docs.exists()
    assert json.loads(data.audit.read_text())["load_seq"] == look.load_seq == 1
    files = [path for path in (data.root / "audit").rglob("*") if path.is_file()]
    assert len(files) > len(look.tables)
    assert [path for path in files if b"canary" in path.read_bytes()] == []


def test_the_next_look_is_at_what_was_loaded_since(house):
    bucket, data, _ = house
    raw.segment(bucket, [raw.event("session", "2026-03-09T10:00:00Z")], seq=2)
    raw.published(bucket, data.root)
    looked = {row.table: row.rows for row in audit.audit(data).tables}
    assert [name for name in looked if name.startswith("lake_")] == ["lake_session"]
    assert looked["fct_requests"] == 0
    assert looked["rpt_accounting"] == 1


def test_a_broken_promise_is_named_and_ends_in_exit_code_1(tmp_path):
    raw.segment(tmp_path / "bucket", [raw.event("tool_call")])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    with duckdb.connect(str(data.current.resolve())) as db:
        db.execute("UPDATE fct_tool_calls SET agent = NULL")
    told = raw.command("audit", "--data", str(data.root))
    assert told.returncode == 1
    assert "fct_tool_calls" in [line.split(":")[0] for line in told.stdout.splitlines() if "failed" in line]
    assert "expect_column_values_to_not_be_null agent" in told.stdout
    assert isinstance(DataDir(data.root).audit.read_text(), str)
