"""Copilot CLI's logs and store: each request once, whichever of both is there, and no content."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance, stores  # noqa: TID251 - the folder of these tests
from collectors.laptop import Laptop  # noqa: TID251 - the folder of these tests
from meterhouse_collector.sources import copilot_cli

CASES = conformance.FIXTURES / "copilot_cli"
JSON = conformance.json_values()
NO_CONTENT = {"id", "sessionId", "timestamp", "type", "model", "toolCallId", "toolName", "apiCallId", "usageId", "sourceSessionId",
              "messageId", "copilotVersion", "startTime", "repository", "repositoryHost", "branch", "providerType"}  # fmt: skip


def read_root(root: Path) -> list:
    return [event for path in copilot_cli.find(Path("/nowhere"), {"COPILOT_HOME": str(root)})
            for event in (stores.read if path.suffix == ".db" else conformance.read_file)(copilot_cli, path)]  # fmt: skip


def case(name: str, kind: str) -> list:
    return conformance.of_kind(conformance.read_case(copilot_cli, CASES / name), kind)


def pick(events: list, *names: str) -> list:
    return [tuple(event.get(name) for name in names) for event in events]


@pytest.mark.parametrize("name", conformance.cases("copilot_cli"))
def test_every_trap_gives_the_events_that_were_reviewed(name):
    found = conformance.read_case(copilot_cli, CASES / name)
    assert "CANARY" not in json.dumps(found)
    conformance.expect(found, CASES / name / "expected.jsonl")


def test_tools_tell_outcome_exit_code_and_refusal():
    calls = [event for event in case("tools_and_lines", "tool_call") if "success" in event]
    assert pick(calls, "tool_name", "success", "exit_code", "decision") == [
        ("create", True, None, None), ("edit", True, None, None), ("bash", False, 3, None), ("apply_patch", True, None, None),
        ("edit", False, None, "reject"), ("mcp_tool", True, None, None),
    ]  # fmt: skip
    fields = ("decision", "operation", "language", "lines_added", "lines_removed", "agent_lines_added")
    assert pick(case("tools_and_lines", "code_change"), *fields) == [
        ("accept", "create", "python", 2, 0, 3), ("accept", "update", "python", 2, 1, None),
        ("accept", "update", "typescript", 2, 1, None), ("accept", "delete", "markdown", 0, None, None),
        ("reject", "update", "python", 0, 0, None),
    ]  # fmt: skip


def test_resumes_failures_and_totals_count_each_request_once():
    """A repeated record is one request, a record of another session's log is none, and a shutdown's totals are none."""
    fields = ("status", "http_status", "input_tokens", "output_tokens", "query_source")
    assert pick(case("resumes_failures_and_totals", "model_request"), *fields) == [
        ("ok", None, 100, 20, "main"), ("ok", None, 50, 5, "subagent"), ("rate_limited", 429, None, None, "main"),
        ("error", 500, None, None, "main"), ("ok", None, 120, 25, "main"), ("ok", None, None, 5, "main"),
        ("ok", None, None, 5, "main"), ("ok", None, None, None, "main"), ("ok", None, 7, 1, "main"),
    ]  # fmt: skip
    assert pick(case("resumes_failures_and_totals", "prompt"), "branch") == [("main",), ("fix",)]


def test_a_log_read_while_it_grows_says_the_same_as_the_whole():
    for path in CASES.rglob("events.jsonl"):
        whole = path.read_bytes()
        at_once = conformance.read_in_steps(copilot_cli, [len(whole)], whole, path)
        assert at_once
        assert conformance.read_in_steps(copilot_cli, range(1, len(whole) + 77, 77), whole, path) == at_once
        assert conformance.read_file(copilot_cli, path, markers=False) == at_once, "a marker hides a line"


def test_a_log_that_is_cut_damaged_or_no_utf_8_costs_its_bad_lines_alone(tmp_path):
    laptop = Laptop(tmp_path)
    (source,) = (CASES / "tools_and_lines").rglob("events.jsonl")
    log = laptop.home / ".copilot" / source.relative_to(CASES / "tools_and_lines")
    empty = log.parents[1] / "empty" / log.name
    for path in (log, empty):
        path.parent.mkdir(parents=True)
        path.touch()
    bad = b'{"type":"session.usage_record",\n"session.usage_record"\n{"type":"session.usage_record","data":[]}\n\xff\xfe\n'
    good = source.read_bytes().replace(b'"content": "CANARY', b'"content": "\xff\xfe CANARY')
    log.write_bytes(good[:-100])
    assert laptop.once() == 0
    log.write_bytes(good + bad)
    assert laptop.once() == 0
    expected = {event["event_id"] for event in conformance.read_file(copilot_cli, source)}
    told = [event["event_id"] for event in laptop.events() if event["source"] == "copilot_cli"]
    assert sorted(told) == sorted(expected)
    assert b"CANARY" not in b"".join(laptop.lines())
    assert laptop.dropped() == {"not_json": 2}


@pytest.fixture
def captured(tmp_path):
    """The recorded files of one session, to be taken apart."""
    source = conformance.shared("captures", "copilot-edit") / "home" / ".copilot"
    for path in [*source.glob("session-state/*/events.jsonl"), *source.glob("session-store.db*")]:
        copy = tmp_path / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return tmp_path


def test_a_recorded_session_equals_what_the_provider_billed(captured):
    found = read_root(captured)
    known = [(e["response_id"], e["input_tokens"] - e["cache_read_tokens"], e["cache_read_tokens"], e["output_tokens"],
              e["reasoning_tokens"], e["model"]) for e in found if e["kind"] == "model_request"]  # fmt: skip
    billed = [tuple(row[name] for name in ("id", "input", "cache_read", "output", "reasoning", "model"))
              for row in conformance.lines_of(conformance.shared("captures", "copilot-edit") / "truth.jsonl")]  # fmt: skip
    assert known == billed
    changes = conformance.of_kind(found, "code_change")
    assert (sum(e["lines_added"] for e in changes), sum(e["lines_removed"] for e in changes)) == (24, 1)


def test_log_and_store_give_the_very_same_events_and_either_is_enough(captured):
    both = conformance.of_kind(read_root(captured), "model_request")
    store = captured / "session-store.db"
    shutil.move(captured / "session-state", captured / "gone")
    alone = conformance.of_kind(stores.read(copilot_cli, store), "model_request")
    assert [event["event_id"] for event in alone] == [event["event_id"] for event in both]
    assert [event["output_tokens"] for event in alone] == [event["output_tokens"] for event in both]


def test_resumes_and_their_growing_totals_count_once_and_a_failed_call_has_no_tokens():
    found = conformance.of_kind(read_root(conformance.shared("copilot", "cli-1.0.102-A")), "model_request")
    good = [event for event in found if event["status"] == "ok"]
    assert sum(event["input_tokens"] for event in good) == 1380 + 1910 + 2440 + 1920 + 1380
    assert [(e["http_status"], e.get("input_tokens")) for e in found if e["status"] != "ok"] == [(400, None)]


def test_no_text_of_a_real_session_comes_out():
    for path in conformance.shared("captures", "copilot-edit").rglob("events.jsonl"):
        records = [conformance.canaried(record, NO_CONTENT) for record in conformance.lines_of(path)]
        lines = conformance.drafts(copilot_cli, records, path)
        assert len(lines) > 10
        assert not [line for line in lines if conformance.CANARY.encode() in line]
        assert "CANARY" not in json.dumps(lines[-1].decode())


def _usage(tokens: int, source: str, number: int) -> dict:
    accounting = {"sourceSessionId": source, "sequence": number, "usageId": f"resp_{tokens}"}
    return {"usage": {"model": "gpt-5.4", "inputTokens": tokens, "outputTokens": 1, "accounting": accounting}}


def test_a_sub_agent_numbers_its_own_requests_and_log_and_store_agree(tmp_path):
    at = "2026-11-20T10:00:00.000Z"
    rows = [
        (None, 100, "main-1", 1),
        ("sub-1", 200, "sub-source", 1),
        ("sub-1", 210, "sub-source", 2),
        (None, 110, "main-1", 2),
    ]
    log = tmp_path / "session-state" / "main-1" / "events.jsonl"
    log.parent.mkdir(parents=True)
    lines = [{"type": "session.start", "timestamp": at, "data": {"sessionId": "main-1", "startTime": at}}]
    lines += [{"type": "session.usage_record", "timestamp": at, "agentId": agent, "data": _usage(tokens, source, number)}
              for agent, tokens, source, number in rows]  # fmt: skip
    # a copy of what another session's log tells
    lines.append({"type": "session.usage_record", "timestamp": at, "data": _usage(300, "elsewhere", 7)})
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    store = sqlite3.connect(tmp_path / "session-store.db")
    store.execute("CREATE TABLE sessions (id, cwd, branch, created_at)")
    store.execute("INSERT INTO sessions VALUES ('main-1', NULL, NULL, ?)", (at,))
    store.execute("CREATE TABLE assistant_usage_events (id, session_id, agent_id, model, input_tokens, output_tokens, cache_read_tokens,"
                  " cache_write_tokens, reasoning_tokens, duration_ms, reasoning_effort, created_at)")  # fmt: skip
    for number, (agent, tokens, _, _) in enumerate(rows, 1):
        store.execute("INSERT INTO assistant_usage_events VALUES (?, 'main-1', ?, 'gpt-5.4', ?, 1, 0, 0, 0, 1, NULL, ?)",
                      (number, agent, tokens, at))  # fmt: skip
    store.commit()
    store.close()
    both = conformance.of_kind(read_root(tmp_path), "model_request")
    assert [(e["input_tokens"], e["is_subagent"]) for e in both] == [
        (100, False),
        (200, True),
        (210, True),
        (110, False),
    ]
    log.unlink()
    alone = conformance.of_kind(read_root(tmp_path), "model_request")
    assert [event["event_id"] for event in alone] == [event["event_id"] for event in both]


REAL = [record for path in sorted(CASES.rglob("events.jsonl")) for record in conformance.lines_of(path)]


@given(st.data())
def test_no_value_in_no_place_of_a_line_breaks_the_source(data):
    position = data.draw(st.integers(0, len(REAL) - 1))
    place = data.draw(st.sampled_from(conformance.places(REAL[position])))
    changed = conformance.replaced(REAL[position], place, data.draw(JSON))
    path = Path("/nowhere/session-state/s/events.jsonl")
    conformance.drafts(copilot_cli, [REAL[0], changed, *REAL[position + 1 : position + 4]], path)
