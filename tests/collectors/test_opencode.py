"""The stores of OpenCode and Kilo: what is counted, once and when it is final, and what never comes out."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance, stores  # noqa: TID251 - the folder of these tests
from collectors.laptop import Laptop  # noqa: TID251 - tests/collectors
from meterhouse_collector.errors import UnreadableError
from meterhouse_collector.sources import kilo, opencode

SOURCES = {"opencode": opencode, "kilo": kilo}
CASES = [(agent, name) for agent in SOURCES for name in conformance.cases(agent)]
JSON = conformance.json_values()
NO_CONTENT = {"id", "session", "parent", "version", "role", "type", "tool", "status", "modelID", "providerID", "parentID", "finish",
              "callID", "action"}  # fmt: skip


def rows_of(agent: str, name: str) -> list:
    return conformance.lines_of(conformance.FIXTURES / agent / name / "store.jsonl")


@pytest.fixture
def case(tmp_path):
    """Events of one fixture, those of one kind."""

    def read(name: str, kind: str, agent: str = "opencode") -> list:
        path = tmp_path / f"{agent}-{name}-{kind}.db"
        stores.build(path, stores.OPENCODE, rows_of(agent, name))
        return conformance.of_kind(stores.read(SOURCES[agent], path), kind)

    return read


@pytest.mark.parametrize(("agent", "name"), CASES)
def test_every_trap_gives_the_events_that_were_reviewed(agent, name, tmp_path):
    path = stores.build(tmp_path / "store.db", stores.OPENCODE, rows_of(agent, name))
    found = stores.read(SOURCES[agent], path)
    assert "CANARY" not in json.dumps(found)
    conformance.expect(found, conformance.FIXTURES / agent / name / "expected.jsonl")


def test_tools_tell_success_by_exit_code_and_refusals_by_their_wording(case):
    fields = ("tool_name", "success", "exit_code", "decision", "decision_source")
    assert [tuple(event.get(name) for name in fields) for event in case("tools_and_lines", "tool_call")] == [
        ("write", True, None, None, None), ("write", True, None, None, None), ("edit", True, None, None, None),
        ("edit", False, None, None, None), ("edit", False, None, "reject", None), ("bash", False, None, "reject", "config"),
        ("bash", False, 3, None, None), ("bash", True, 0, None, None), ("custom_tool", True, None, None, None),
        ("apply_patch", True, None, None, None), ("apply_patch", True, None, None, None),
        ("multiedit", True, None, None, None), ("read", None, None, None, None),
    ]  # fmt: skip


def test_lines_come_from_the_tools_diff_and_never_from_the_prompts_summary(case):
    fields = ("decision", "lines_added", "lines_removed", "operation", "language")
    assert [tuple(event.get(name) for name in fields) for event in case("tools_and_lines", "code_change")] == [
        ("accept", 2, 0, "create", "python"), ("accept", 3, None, "update", "typescript"), ("accept", 3, 1, "update", "python"),
        ("reject", 1, 2, "update", "python"), ("accept", 2, 0, "create", "go"), ("accept", 2, 1, "update", "rust"),
        ("accept", 4, 0, "create", "go"), ("accept", 0, 2, "delete", "markdown"), ("accept", 3, 1, "update", "python"),
    ]  # fmt: skip


def test_failures_have_no_tokens_and_a_cost_of_nothing_is_unknown(case):
    fields = ("status", "http_status", "error_class", "input_tokens", "reported_cost_usd", "query_source")
    assert [tuple(event.get(name) for name in fields) for event in case("failures_have_no_tokens", "model_request")] == [
        ("rate_limited", 429, "APIError", None, None, "main"), ("error", 500, "APIError", None, None, "main"),
        ("cancelled", None, "MessageAbortedError", 11, "0.25", "main"), ("error", None, None, None, None, "main"),
        ("ok", None, None, 5, None, "main"), ("ok", None, None, 1150, "0.0123", "auxiliary"),
    ]  # fmt: skip
    assert len(case("failures_have_no_tokens", "prompt")) == 1, "what the agent put in itself is no prompt"


def test_a_subagents_session_has_its_parent_and_no_prompt(case):
    parent, child = case("subagent_is_a_child_session", "session")
    assert (child["parent_session_id"], child["started_by"]) == (parent["session_id"], "subagent")
    assert [event["session_id"] for event in case("subagent_is_a_child_session", "prompt")] == [parent["session_id"]]
    requests = case("subagent_is_a_child_session", "model_request")
    assert Counter(event["query_source"] for event in requests) == {"main": 2, "subagent": 1}


def test_copies_of_a_fork_count_where_they_were_written(case):
    name = "fork_copies_messages_under_new_ids"
    first, fork, jumped = case(name, "session")
    assert (fork["started_by"], fork["parent_session_id"]) == ("fork", first["session_id"])
    assert jumped["started_by"] == "fresh", (
        "messages older than their session, but nobody's copies: the clock went back"
    )
    requests = Counter(event["session_id"] for event in case(name, "model_request"))
    assert requests == {first["session_id"]: 2, fork["session_id"]: 1, jumped["session_id"]: 1}


def test_each_step_of_an_older_release_is_a_request_of_its_own(case):
    requests = case("older_releases_take_steps_in_one_message", "model_request")
    assert [(event["input_tokens"], event["reported_cost_usd"]) for event in requests] == [(13, "0.001"), (33, "0.002")]


def test_a_message_that_completes_later_is_told_once_with_its_final_numbers(tmp_path):
    rows = rows_of("opencode", "what_is_not_finished_waits")
    path, state = stores.build(tmp_path / "store.db", stores.OPENCODE, rows[:4]), {}
    assert {event["kind"] for event in stores.read(opencode, path, state)} == {"session", "prompt"}
    done = json.loads(json.dumps(rows[3]))
    done["data"]["time"]["completed"] = done["data"]["time"]["created"] + 700
    done["data"].update(
        finish="stop", tokens={"input": 9, "output": 4, "reasoning": 0, "cache": {"read": 0, "write": 0}}
    )
    with closing(sqlite3.connect(path)) as store:
        stores.put(store, [done])
    (request,) = stores.read(opencode, path, state)
    assert (request["status"], request["input_tokens"], request["duration_ms"]) == ("ok", 9, 700)
    assert stores.read(opencode, path, state) == []


def test_a_message_whose_agent_was_killed_is_told_when_its_session_answers_again(tmp_path):
    rows = rows_of("opencode", "what_is_not_finished_waits")
    path, state = stores.build(tmp_path / "store.db", stores.OPENCODE, rows[:5]), {}
    stores.read(opencode, path, state)
    with closing(sqlite3.connect(path)) as store:
        stores.put(store, rows[5:])
    requests = conformance.of_kind(stores.read(opencode, path, state), "model_request")
    assert [(event["status"], event.get("input_tokens")) for event in requests] == [("cancelled", None)]


def test_a_rebuilt_table_and_a_clock_that_went_back_hide_no_message(tmp_path):
    rows = rows_of("opencode", "subagent_is_a_child_session")
    path, state = stores.build(tmp_path / "store.db", stores.OPENCODE, rows), {}
    known = {event["event_id"] for event in stores.read(opencode, path, state)}
    last = next(row for row in reversed(rows) if row["table"] == "message")
    older = {**last, "id": "msg_9999", "time_created": 1, "time_updated": 1}
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("DELETE FROM message WHERE rowid = 1")
        store.execute("CREATE TABLE copy AS SELECT * FROM message ORDER BY rowid")
        store.execute("DELETE FROM message")
        store.execute("INSERT INTO message SELECT * FROM copy")
        stores.put(store, [older])
    new = [event for event in stores.read(opencode, path, state) if event["event_id"] not in known]
    assert [event["native_id"] for event in new] == ["msg_9999"]


def test_sessions_that_a_newer_release_keeps_elsewhere_are_told_and_the_rest_is_read(tmp_path, capsys):
    laptop = Laptop(tmp_path)
    path = laptop.home / ".local/share/opencode/opencode.db"
    stores.build(path, stores.OPENCODE, rows_of("opencode", "subagent_is_a_child_session"))
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("INSERT INTO session_message VALUES ('m', 'ses_new', 'assistant', '{}')")
    assert laptop.once() == 0
    assert "opencode: ValueError" in capsys.readouterr().err
    assert laptop.dropped() == {"source_error": 1}
    assert sum(event["kind"] == "model_request" for event in laptop.events()) == 3


def test_a_store_without_the_columns_we_know_is_told(tmp_path):
    path = stores.build(tmp_path / "store.db", "CREATE TABLE message (id text PRIMARY KEY, body text);", [])
    with pytest.raises(UnreadableError, match="unknown shape"):
        stores.read(opencode, path)


def test_tables_with_secrets_are_never_asked(tmp_path, case):
    path = stores.build(tmp_path / "store.db", stores.OPENCODE, rows_of("opencode", "tools_and_lines"))
    asked = []
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.row_factory = sqlite3.Row
        store.set_authorizer(lambda action, table, *_: asked.append(table) or sqlite3.SQLITE_OK)
        list(opencode.select(store, {}))
    assert "message" in asked
    assert not {"credential", "account", "session_share"} & set(asked)


def test_stores_are_found_where_variables_say(tmp_path):
    names = ("opencode.db", "opencode-beta.db", "mine.db")
    for path in [tmp_path / "x/opencode" / name for name in names]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert list(opencode.find(tmp_path, {})) == []
    found = opencode.find(tmp_path, {"XDG_DATA_HOME": str(tmp_path / "x"), "OPENCODE_DB": "mine.db"})
    assert [path.name for path in found] == list(names)


def test_a_recorded_session_equals_what_the_provider_billed(capsys):
    folder = conformance.shared("captures", "opencode-edit")
    found = [event for path in opencode.find(folder / "home", {}) for event in stores.read(opencode, path)]
    known = [(e["input_tokens"] - e["cache_read_tokens"], e["cache_read_tokens"], e["output_tokens"], e["model"])
             for e in conformance.of_kind(found, "model_request")]  # fmt: skip
    billed = [(row["input"], row["cache_read"], row["output"], row["model"])
              for row in conformance.lines_of(folder / "truth.jsonl")]  # fmt: skip
    with capsys.disabled():
        print(f"\nopencode-edit: {len(known)} of {len(billed)} responses are in the store; the session title's is not")
    assert known == billed[1:]
    changes = conformance.of_kind(found, "code_change")
    assert (sum(e["lines_added"] for e in changes), sum(e["lines_removed"] for e in changes)) == (26, 1)


@pytest.mark.parametrize("variant", ["", "wal-variant"])
def test_totals_of_recorded_sessions_equal_what_the_agent_counted(variant):
    """Also when the latest rows are in the write-ahead log alone."""
    found = stores.read(opencode, conformance.shared("opencode", "cli-1.18.33-A", variant) / "opencode.db")
    requests = [event for event in conformance.of_kind(found, "model_request") if event["status"] == "ok"]
    assert len(requests) == 14
    assert sum(event["input_tokens"] - event["cache_read_tokens"] for event in requests) == 17520
    assert sum(event["output_tokens"] - event["reasoning_tokens"] for event in requests) == 3361
    assert sum(event["cache_read_tokens"] for event in requests) == 8700
    assert sum(round(float(event["reported_cost_usd"]) * 1e9) for event in requests) == 98_398_750
    assert Counter(event["started_by"] for event in conformance.of_kind(found, "session")) == {
        "fresh": 5,
        "subagent": 1,
    }


def test_kilos_store_equals_what_it_counted():
    found = stores.read(kilo, conformance.shared("kilo", "cli-7.7.9-A") / "kilo.db")
    requests = conformance.of_kind(found, "model_request")
    assert sum(event["output_tokens"] for event in requests) == 387 + 36
    assert sum(event["input_tokens"] for event in requests) == 3555 + 2175
    assert sum(round(float(event["reported_cost_usd"]) * 1e9) for event in requests) == 17_662_500
    (change,) = conformance.of_kind(found, "code_change")
    assert (change["lines_added"], change["lines_removed"]) == (4, 0), "as the session's own summary says"


def records_of(path: Path) -> list:
    """What `select` gives, as JSON."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as store:
        store.row_factory = sqlite3.Row
        return json.loads(json.dumps(list(opencode.select(store, {}))))


def test_no_text_of_a_real_session_comes_out():
    path = conformance.shared("opencode", "cli-1.18.33-A") / "opencode.db"
    records = [conformance.canaried(record, NO_CONTENT) for record in records_of(path)]
    lines = conformance.drafts(opencode, records, path)
    assert len(lines) > 50
    assert not [line for line in lines if conformance.CANARY.encode() in line]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return [record for agent, name in CASES
            for record in records_of(stores.build(folder / f"{agent}-{name}.db", stores.OPENCODE, rows_of(agent, name)))]  # fmt: skip


@given(st.data())
def test_no_value_in_no_place_of_a_record_breaks_the_source(real, data):
    position = data.draw(st.integers(0, len(real) - 1))
    place = data.draw(st.sampled_from(conformance.places(real[position])).filter(lambda place: place != ("damaged",)))
    changed = conformance.replaced(real[position], place, data.draw(JSON))
    if isinstance(changed, dict):
        conformance.drafts(opencode, [changed, *real[position + 1 : position + 3]], Path("opencode.db"))
