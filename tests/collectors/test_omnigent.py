"""Omnigent's store: running totals told so that no way of reading counts them twice, by owner, without a word of content."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance, stores  # noqa: TID251 - the folder of these tests
from collectors.laptop import Laptop  # noqa: TID251 - tests/collectors
from meterhouse_collector import database, stream
from meterhouse_collector.errors import UnreadableError
from meterhouse_collector.here import Here
from meterhouse_collector.settings import pseudonym
from meterhouse_collector.sources import omnigent
from meterhouse_collector.sources.omnigent.usage import split

SCHEMA = (conformance.FIXTURES / "omnigent" / "running_totals" / "store.sql").read_text(encoding="utf-8")
ROOT, CHILD, OTHER = (f"0a0000000000000000000000000000a{number}" for number in (1, 2, 3))
KEY = b"a key of the organisation"


@pytest.fixture
def path(tmp_path):
    path = stores.build(tmp_path / "omnigent" / "chat.db", SCHEMA, [])
    os.utime(path, (1788393600, 1788393600))
    return path


def frame(usage: dict) -> bytes:
    """As Omnigent writes a longer text."""
    return b"\x00\x01" + zstandard.compress(json.dumps(usage).encode())


def set_usage(path, session: str, value: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute(
            "UPDATE omnigent_conversation_metadata SET session_usage = ? WHERE id = ?", (value, bytes.fromhex(session))
        )


def deltas(path, state=None) -> list:
    return conformance.of_kind(stores.read(omnigent, path, state), "usage_delta")


def drafts(path, key) -> list:
    """Drafts as the core takes them, before it adds the person of this machine."""
    here = Here(path, path.parent, key=key)
    return [draft for record in database.records(str(path), omnigent.select, {})
            for draft in omnigent.read(record, {}, here)]  # fmt: skip


def test_every_session_tells_its_total_by_model_and_a_missing_cost_is_unknown(path):
    fields = ("session_id", "model", "input_tokens", "cache_read_tokens", "output_tokens", "reported_cost_usd")
    assert [tuple(event.get(name) for name in fields) for event in deltas(path)] == [
        (ROOT, "claude-opus-4-8", None, None, None, "0.75"), (CHILD, None, 7, 0, 3, "0.1"),
        (OTHER, "claude-sonnet-4-6", 240, 200, 6, "0.3"), (OTHER, "local-unpriced", 10, 0, 3, None),
    ]  # fmt: skip


def test_a_total_leads_to_the_session_of_the_agent_that_ran_inside_and_to_its_parent(path):
    root, child, *_ = deltas(path)
    assert (root["external_session_id"], root["surface"]) == (
        "c1a0de00-0000-4000-8000-000000000001",
        "claude-native-ui",
    )
    assert (child["parent_session_id"], child["is_subagent"]) == (ROOT, True)
    assert (root["window_start"], root["window_end"]) == ("2026-09-01T00:00:00Z", "2026-09-03T00:00:00Z")
    assert root["occurred_at"] == root["window_end"], "the look's time; nothing says when the tokens were used"


def test_no_content_comes_out(path):
    assert "CANARY" not in json.dumps(stores.read(omnigent, path))
    asked = []
    with closing(sqlite3.connect(path)) as store:
        store.row_factory = sqlite3.Row
        store.set_authorizer(lambda action, table, column, *_: asked.append((table, column)) or sqlite3.SQLITE_OK)
        list(omnigent.select(store, {}))
    assert not {"users", "hosts", "conversation_items"} & {table for table, _ in asked}
    secret = {"title", "task_summary", "session_state", "terminal_launch_args", "sub_agent_name", "session_overrides"}
    assert not secret & {column for _, column in asked}


def test_an_owner_is_a_pseudonym_and_a_subagents_is_that_of_its_root(path):
    one, two = (pseudonym(f"{name}@CANARY.example.com", KEY) for name in ("one", "two"))
    found = [draft.values["person_key"] for draft in drafts(path, KEY) if draft.kind == "usage_delta"]
    assert found == [one, one, two, two]
    without = [draft.values["person_key"] for draft in drafts(path, None) if draft.kind in ("usage_delta", "session")]
    assert set(without) == {None}, "several people and no key: nobody, not the person of this machine"


def test_a_store_of_one_person_is_that_of_the_machines_person(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("DELETE FROM session_permissions WHERE user_id LIKE 'two%'")
    assert not [draft for draft in drafts(path, None) if draft.kind == "usage_delta" and "person_key" in draft.values]
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("UPDATE session_permissions SET user_id = 'local'")
    assert not [draft for draft in drafts(path, KEY) if draft.kind == "usage_delta" and "person_key" in draft.values]


def test_what_is_booked_on_people_is_a_report_to_compare_with_and_a_changed_day_replaces_it(path):
    state = {}
    rows = conformance.of_kind(stores.read(omnigent, path, state), "vendor_usage")
    assert [(row["report"], row["window_start"], row["list_amount_usd"]) for row in rows] == [
        ("omnigent_daily_cost", "2026-09-01T00:00:00Z", "0.85"), ("omnigent_daily_cost", "2026-09-02T00:00:00Z", "0.3"),
    ]  # fmt: skip
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("UPDATE user_daily_cost SET cost_usd = 0.9 WHERE day_utc = '2026-09-01'")
    again = stores.read(omnigent, path, state)
    assert [(event["kind"], event["window_start"][:10]) for event in again] == [
        ("vendor_usage", "2026-09-01"),
        ("vendor_window", "2026-09-01"),
    ]
    assert again[0]["billing_account"] == rows[0]["billing_account"]
    assert again[0]["fetched_at"] > rows[0]["fetched_at"]


def test_only_a_session_that_grew_is_told_again_and_its_look_is_whole(path):
    state = {}
    stores.read(omnigent, path, state)
    assert stores.read(omnigent, path, state) == []
    usage = {"input_tokens": 40, "output_tokens": 9,
             "by_model": {"a": {"input_tokens": 30, "output_tokens": 6}, "b": {"input_tokens": 10, "output_tokens": 3}}}  # fmt: skip
    set_usage(path, OTHER, frame(usage))
    found = deltas(path, state)
    assert [(event["model"], event["input_tokens"]) for event in found] == [("a", 30), ("b", 10)]
    assert len({event["native_id"] for event in found}) == 1


def test_a_lost_spool_tells_the_same_ids_again_whenever_it_looks(path):
    known = {event["event_id"] for event in deltas(path)}
    os.utime(path, (1788480000, 1788480000))
    assert {event["event_id"] for event in deltas(path)} == known


NUMBER = st.integers(0, 10**6)
NUMBERS = st.fixed_dictionaries(
    {}, optional={"input_tokens": NUMBER, "output_tokens": NUMBER, "cache_read_input_tokens": NUMBER,
                  "total_cost_usd": st.floats(0, 1e4)})  # fmt: skip


@given(NUMBERS, st.dictionaries(st.sampled_from(["a", "b"]), NUMBERS))
def test_the_parts_and_the_rest_always_add_up_to_the_total(whole, by_model):
    rows = split({**whole, "by_model": by_model})
    assert all(value is None or Decimal(value) >= 0 for _, numbers in rows for name, value in numbers.items()
               if name != "reported_cost_basis")  # fmt: skip
    alone = dict(split(whole)).get(None)
    if alone is not None:
        for name in alone.keys() - {"reported_cost_basis"}:
            told = sum(Decimal(numbers.get(name, 0)) for _, numbers in rows)
            assert abs(told - Decimal(alone[name])) <= Decimal("2e-9"), name


@given(st.data())
def test_no_value_in_no_place_of_a_record_breaks_the_source(data):
    real = {"id": ROOT, "created": 1788220800, "looked_at": 1788393600000, "parent": None, "kind": 1, "external": "x",
            "workspace": "/w", "branch": "b", "wrapper": "w", "owner": "o", "is_shared": True,
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_cost_usd": 0.5,
                      "by_model": {"m": {"input_tokens": 1, "output_tokens": 2, "total_cost_usd": 0.5}}}}  # fmt: skip
    place = data.draw(st.sampled_from(conformance.places(real)))
    changed = conformance.replaced(real, place, data.draw(conformance.json_values()))
    if isinstance(changed, dict):
        conformance.drafts(omnigent, [changed], conformance.FIXTURES / "chat.db")


@pytest.mark.parametrize("value", [b"\x00\x01torn", frame({"a": 1})[:-3], b"\x00\x02x", b"\xff\xfe", "[1]"])
def test_a_total_that_is_none_is_counted_and_costs_its_session_alone(tmp_path, value):
    laptop = Laptop(tmp_path)
    stored = stores.build(laptop.home / ".omnigent" / "chat.db", SCHEMA, [])
    set_usage(stored, OTHER, value)
    laptop.once()
    assert laptop.dropped() == {"source_error": 1}
    told = {event["session_id"] for event in laptop.events() if event["kind"] == "usage_delta"}
    assert told == {ROOT, CHILD}


def test_without_a_decoder_the_store_waits_and_is_told(tmp_path, monkeypatch, capsys):
    laptop = Laptop(tmp_path)
    stored = stores.build(laptop.home / ".omnigent" / "chat.db", SCHEMA, [])
    set_usage(stored, CHILD, frame({"input_tokens": 1, "output_tokens": 1}))
    monkeypatch.setattr(stream, "decoder", lambda: None)
    laptop.once()
    assert "1 files could not be read" in capsys.readouterr().err
    monkeypatch.undo()
    laptop.once()
    told = [event["session_id"] for event in laptop.events() if event["kind"] == "usage_delta"]
    assert sorted(told) == [ROOT, CHILD, OTHER, OTHER]


@pytest.mark.parametrize("name", ["zstandard", "zstd"])
def test_every_decoder_reads_a_frame(path, monkeypatch, name):
    if name == "zstd" and not shutil.which("zstd"):
        pytest.skip("the zstd program is not installed")
    monkeypatch.setattr(stream, "decoder", lambda: name)
    set_usage(path, CHILD, frame({"input_tokens": 11, "output_tokens": 5, "note": "x" * 99}))
    (child,) = [event for event in deltas(path) if event["session_id"] == CHILD]
    assert child["input_tokens"] == 11


def test_rows_that_are_only_in_the_log_are_read_and_a_writer_never_waits(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("PRAGMA busy_timeout = 0")
        change = "UPDATE omnigent_conversation_metadata SET session_usage = ? WHERE id = ?"
        store.execute(change, ('{"total_cost_usd":2}', bytes.fromhex(CHILD)))
        for _ in database.records(str(path), omnigent.select, {}):
            store.execute(change, ('{"total_cost_usd":3}', bytes.fromhex(ROOT)))
        assert [event.get("reported_cost_usd") for event in deltas(path)][:2] == ["3", "2"]


def test_a_store_that_is_locked_is_read_next_time(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UnreadableError, match="tried again"):
            deltas(path)
    assert len(deltas(path)) == 4


def test_a_store_of_another_version_is_told_by_the_column_that_is_missing(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("ALTER TABLE omnigent_conversation_metadata RENAME COLUMN session_usage TO usage_ref")
    with pytest.raises(UnreadableError, match=r"unknown shape.*session_usage"):
        deltas(path)


def test_the_store_is_found_where_variables_say(tmp_path):
    for name in (".omnigent/chat.db", "data/chat.db", "mine.db"):
        stores.build(tmp_path / name, SCHEMA, [])
    ways = [({}, ".omnigent/chat.db"), ({"OMNIGENT_DATA_DIR": str(tmp_path / "data")}, "data/chat.db"),
            ({"OMNIGENT_DATABASE_URI": f"sqlite:///{tmp_path}/mine.db"}, "mine.db")]  # fmt: skip
    assert [list(omnigent.find(tmp_path, env)) for env, _ in ways] == [[tmp_path / name] for _, name in ways]


def test_a_real_store_gives_its_own_sums():
    found = stores.read(omnigent, conformance.shared("omnigent") / "chat-0.19.1.db")
    looks = {}
    for event in conformance.of_kind(found, "usage_delta"):
        looks.setdefault(event["session_id"], []).append(event)
    assert len(looks) == 157
    assert sum(events[0]["is_subagent"] for events in looks.values()) == 62
    booked = sum(Decimal(row["list_amount_usd"]) for row in conformance.of_kind(found, "vendor_usage"))
    told = sum(Decimal(event.get("reported_cost_usd", 0)) for events in looks.values() for event in events)
    assert (round(told, 6), round(booked, 6)) == (Decimal("26.689036"), Decimal("26.689036"))
    assert sum(not any("reported_cost_usd" in event for event in events) for events in looks.values()) == 1
    assert tokens_of(looks) == 5_367_410


def tokens_of(looks: dict) -> int:
    """Omnigent's own `total_tokens`: with the cache where Codex ran, without it elsewhere."""
    return sum(
        event.get("input_tokens", 0) + event.get("output_tokens", 0)
        - (0 if event.get("surface") == "codex-native-ui" else event.get("cache_read_tokens", 0) + event.get("cache_write_tokens", 0))
        for events in looks.values() for event in events
    )  # fmt: skip
