"""Qwen Code's chats: what is counted, once, and what never comes out."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance  # noqa: TID251 - the folder of these tests
from meterhouse_collector.sources import qwen_code

CASES = conformance.FIXTURES / "qwen_code"
JSON = conformance.json_values()
NO_CONTENT = {"uuid", "sessionId", "timestamp", "type", "subtype", "version", "event.name", "model", "status", "name",
              "function_name", "callId", "id", "response_id", "decision", "auth_type", "gitBranch", "call_id"}  # fmt: skip
TOKENS = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")


def case(name: str, kind: str) -> list:
    return conformance.of_kind(conformance.read_case(qwen_code, CASES / name), kind)


def read_qwen_home(folder: Path, tmp_path: Path) -> list:
    """Of a folder laid out as ~/.qwen."""
    (tmp_path / ".qwen").symlink_to(folder)
    return conformance.read_home(qwen_code, tmp_path)


def pick(events: list, *names: str) -> list:
    return [tuple(event.get(name) for name in names) for event in events]


def test_a_sub_agents_calls_count_and_no_result_takes_their_telemetry():
    found = case("subagent_calls_are_only_in_telemetry", "tool_call")
    assert pick([event for event in found if "success" in event], "tool_name", "is_subagent", "duration_ms") == [
        ("run_shell_command", True, 14769), ("mcp_tool", True, 123), ("agent", False, 15676), ("run_shell_command", False, 192),
    ]  # fmt: skip


def test_telemetry_counts_and_the_message_beside_it_does_not():
    found = case("telemetry_and_messages_say_it_twice", "model_request")
    assert pick(found, "query_source", "is_subagent", *TOKENS) == [
        ("main", False, 1000, 400, 50, 10), ("auxiliary", False, 1000, 400, 50, 10), ("subagent", True, 1000, 400, 50, 10),
        ("main", False, 2000, 0, 80, 20),
    ], "thoughts are added only where the total says that the answer leaves them out"  # fmt: skip
    assert len(case("telemetry_and_messages_say_it_twice", "prompt")) == 2
    assert len(case("telemetry_and_messages_say_it_twice", "session")) == 1


def test_messages_count_in_files_of_releases_without_telemetry():
    assert pick(case("older_release_without_telemetry", "model_request"), *TOKENS) == [
        (1000, 400, 50, 10),
        (2000, 0, 80, 20),
    ]


def test_one_response_id_for_all_responses_is_no_identity():
    found = case("local_engines_repeat_one_id", "model_request")
    assert pick(found, "response_id", "input_tokens") == [("chatcmpl-mock", 500), (None, 600)]
    assert len({event["native_id"] for event in found}) == 2


def test_failures_have_no_tokens():
    fields = ("status", "http_status", "error_class", "input_tokens")
    assert pick(case("failures_have_no_tokens", "model_request"), *fields) == [
        ("rate_limited", 429, "RateLimitError", None), ("error", 500, None, None), ("error", None, "timeout", None),
    ]  # fmt: skip


def test_tools_tell_outcome_decision_and_duration():
    calls = [event for event in case("tools_and_lines", "tool_call") if "success" in event]
    assert pick(calls, "tool_name", "success", "exit_code", "decision", "decision_source", "duration_ms") == [
        ("write_file", True, None, "accept", "user", 30), ("edit", True, None, "accept", "user", 30),
        ("edit", False, None, "accept", "config", 30), ("edit", False, None, "reject", "user", 30),
        ("run_shell_command", False, 3, "accept", "config", 30), ("mcp_tool", True, None, "accept", "config", 30),
        ("mcp_tool", True, None, "accept", "config", 30), ("custom_tool", False, None, "accept", "config", 30),
    ]  # fmt: skip
    assert len({event["native_id"] for event in case("tools_and_lines", "tool_call")}) == 9, "one call has no result"


def test_older_telemetry_is_tied_to_calls_by_tool_and_outcome():
    calls = [event for event in case("older_telemetry_names_no_calls", "tool_call") if "success" in event]
    assert pick(calls, "native_id", "success", "duration_ms") == [
        ("call_1", True, 12),
        ("call_2", False, 11),
        ("call_3", True, 13),
    ]


def test_lines_are_those_that_were_applied():
    fields = (
        "decision",
        "lines_added",
        "lines_removed",
        "agent_lines_added",
        "operation",
        "language",
        "is_user_modified",
    )
    assert pick(case("tools_and_lines", "code_change"), *fields) == [
        ("accept", 3, 0, 3, "create", "python", False), ("accept", 2, 1, 3, "update", "typescript", True),
        ("reject", 5, 5, 5, "update", "python", False),
    ]  # fmt: skip


def test_a_recorded_session_equals_what_the_provider_billed(capsys):
    folder = conformance.shared("captures", "qwen-edit")
    found = conformance.read_home(qwen_code, folder / "home")
    known = [(e["response_id"], e["input_tokens"] - e["cache_read_tokens"], e["cache_read_tokens"], e["output_tokens"], e["model"])
             for e in conformance.of_kind(found, "model_request")]  # fmt: skip
    billed = [(row["id"], row["input"], row["cache_read"], row["output"], row["model"])
              for row in conformance.lines_of(folder / "truth.jsonl")]  # fmt: skip
    with capsys.disabled():
        print(f"\nqwen-edit: {len(known)} of {len(billed)} responses are in the chat")
    assert known == billed
    assert [event.get("success") for event in conformance.of_kind(found, "tool_call")].count(False) == 4
    assert not conformance.of_kind(found, "code_change")


@pytest.mark.parametrize(("name", "folder"), [("real", "."), ("generated", "generated")])
def test_totals_of_real_sessions_equal_the_independent_count(name, folder, tmp_path):
    base = conformance.shared("qwen")
    truth = json.loads((base / "truth.json").read_text())["sets"][name]["ui_telemetry_api_response"]
    requests = conformance.of_kind(read_qwen_home((base / folder).resolve(), tmp_path), "model_request")
    total = {field: sum(event[field] for event in requests) for field in TOKENS}
    assert len({event["native_id"] for event in requests}) == len(requests) == truth["requests"]
    assert total == {"input_tokens": truth["prompt"], "cache_read_tokens": truth["cached"],
                     "output_tokens": truth["candidates"], "reasoning_tokens": truth["thoughts"]}  # fmt: skip


def chats(*roots: Path) -> list:
    return [path for root in roots for path in sorted(root.rglob("chats/*.jsonl"))]


def test_a_chat_read_while_it_grows_says_the_same_as_the_whole():
    for path in chats(CASES, conformance.shared("qwen"), conformance.shared("captures", "qwen-edit")):
        whole = path.read_bytes()
        at_once = conformance.read_in_steps(qwen_code, [len(whole)], whole, path)
        assert at_once
        assert conformance.read_in_steps(qwen_code, range(1, len(whole) + 777, 777), whole, path) == at_once
        assert conformance.read_file(qwen_code, path, markers=False) == at_once, "a marker hides a line"


def test_no_text_of_a_real_session_comes_out():
    paths = chats(conformance.shared("qwen"), conformance.shared("captures", "qwen-edit"))
    assert len(paths) == 3
    for path in paths:
        records = [conformance.canaried(record, NO_CONTENT) for record in conformance.lines_of(path)]
        lines = conformance.drafts(qwen_code, records, path)
        assert len(lines) > 10
        assert not [line for line in lines if conformance.CANARY.encode() in line], path.name


REAL = [record for path in chats(CASES) for record in conformance.lines_of(path)]


@given(st.lists(JSON, max_size=3))
def test_no_json_breaks_the_source(records):
    conformance.drafts(qwen_code, [*records, REAL[0]], Path("chat.jsonl"))


@given(st.data())
def test_no_value_in_no_place_of_a_real_line_breaks_the_source(data):
    position = data.draw(st.integers(0, len(REAL) - 1))
    place = data.draw(st.sampled_from(conformance.places(REAL[position])))
    changed = conformance.replaced(REAL[position], place, data.draw(JSON))
    conformance.drafts(qwen_code, [REAL[0], changed, *REAL[position + 1 : position + 4]], Path("chat.jsonl"))
