"""Pi's session logs: what is counted, once, and what never comes out."""

from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance  # noqa: TID251 - the folder of these tests
from meterhouse_collector.sources import pi

CASES = conformance.FIXTURES / "pi"
JSON = conformance.json_values()
NO_CONTENT = {"id", "parentId", "timestamp", "type", "role", "provider", "model", "api", "stopReason", "responseId", "name",
              "toolName", "toolCallId"}  # fmt: skip

BROKEN = "agentsview-session.jsonl"  # a line of it is no JSON, on purpose


def case(name: str, kind: str) -> list:
    return conformance.of_kind(conformance.read_case(pi, CASES / name), kind)


def pick(events: list, *names: str) -> list:
    return [tuple(event.get(name) for name in names) for event in events]


def test_what_a_fork_copied_is_the_very_event_of_the_session_that_wrote_it():
    requests = case("fork_copies_every_entry", "model_request")
    assert Counter(event["session_id"][9:13] for event in requests) == {"0001": 3, "0002": 1, "0003": 1}
    assert len(case("fork_copies_every_entry", "code_change")) == 1
    sessions = case("fork_copies_every_entry", "session")
    assert [(event["started_by"], event.get("parent_session_id", "")[9:13]) for event in sessions] == [
        ("fresh", ""), ("fork", "0001"), ("fork", "0002"),
    ]  # fmt: skip


def test_history_of_a_session_that_is_gone_counts_as_its_own():
    requests = case("fork_whose_origin_is_gone", "model_request")
    assert Counter(event["session_id"][9:13] for event in requests) == {"0004": 2, "0005": 1}


def test_failures_have_no_tokens_and_a_repeated_id_is_no_identity():
    fields = ("status", "http_status", "input_tokens", "reported_cost_usd", "response_id", "provider")
    assert pick(case("failures_have_no_tokens", "model_request"), *fields) == [
        ("rate_limited", 429, None, None, None, "anthropic"), ("error", 500, None, None, None, "anthropic"),
        ("cancelled", None, None, None, None, "anthropic"),
        ("error", None, 3, "0.5", "msg_0005aaaaaaaaaaaaaaaaaa", "anthropic"),
        ("ok", None, 5, None, "chatcmpl-12", "gcp.gemini"), ("ok", None, 6, None, None, "ollama"),
    ]  # fmt: skip


def test_tools_tell_outcome_and_exit_code():
    calls = [event for event in case("tools_and_lines", "tool_call") if "success" in event]
    assert pick(calls, "tool_name", "success", "exit_code") == [
        ("edit", True, None), ("edit", False, None), ("bash", False, 3), ("bash", True, None), ("custom_tool", True, None),
    ]  # fmt: skip
    assert len({event["native_id"] for event in case("tools_and_lines", "tool_call")}) == 6, "one call has no result"
    fields = ("lines_added", "lines_removed", "language")
    assert pick(case("tools_and_lines", "code_change"), *fields) == [(2, 1, "typescript")]


def test_newer_releases_split_cache_writes_and_count_compactions():
    fields = ("query_source", "input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "reasoning_tokens")
    assert pick(case("newer_entries_with_usage_of_their_own", "model_request"), *fields) == [
        ("main", 440, 10, 30, 5), ("auxiliary", 50, None, None, None),
    ]  # fmt: skip


def test_logs_are_found_where_variables_say(tmp_path):
    for path in (tmp_path / "a/sessions/--x--/1.jsonl", tmp_path / "b/2.jsonl"):
        path.parent.mkdir(parents=True)
        path.touch()
    assert list(pi.find(tmp_path, {})) == []
    assert [path.name for path in pi.find(tmp_path, {"PI_CODING_AGENT_DIR": str(tmp_path / "a")})] == ["1.jsonl"]
    assert [path.name for path in pi.find(tmp_path, {"PI_CODING_AGENT_SESSION_DIR": str(tmp_path / "b")})] == [
        "2.jsonl"
    ]


def test_a_recorded_session_equals_what_the_provider_billed(capsys):
    folder = conformance.shared("captures", "pi-edit")
    found = conformance.read_home(pi, folder / "home")
    known = [(e["response_id"], e["input_tokens"] - e["cache_read_tokens"] - e["cache_write_tokens"], e["cache_read_tokens"],
              e["cache_write_tokens"], e["output_tokens"], e["model"]) for e in conformance.of_kind(found, "model_request")]  # fmt: skip
    billed = [tuple(row[name] for name in ("id", "input", "cache_read", "cache_write", "output", "model"))
              for row in conformance.lines_of(folder / "truth.jsonl")]  # fmt: skip
    with capsys.disabled():
        print(f"\npi-edit: {len(known)} of {len(billed)} responses are in the log")
    assert known == billed
    changes = conformance.of_kind(found, "code_change")
    assert (sum(e["lines_added"] for e in changes), sum(e.get("lines_removed", 0) for e in changes)) == (26, 1)


def logs(*roots: Path) -> list:
    return [
        path for root in roots for path in sorted(root.rglob("*.jsonl")) if path.name not in ("expected.jsonl", BROKEN)
    ]


def test_every_answer_of_recorded_sessions_counts_once():
    for path in logs(conformance.shared("pi")):
        usage = [record["message"].get("usage", {}) for record in conformance.lines_of(path)
                 if record.get("message", {}).get("role") == "assistant"]  # fmt: skip
        requests = conformance.of_kind(conformance.read_file(pi, path), "model_request")
        assert len(requests) == len({event["native_id"] for event in requests}) == len(usage), path.name
        assert sum(event.get("output_tokens", 0) for event in requests) == sum(one.get("output", 0) for one in usage)


def test_a_log_read_while_it_grows_says_the_same_as_the_whole():
    for path in logs(
        CASES, conformance.shared("captures", "pi-edit", "home"), conformance.shared("pi", "cli-0.74.2-A")
    ):
        whole = path.read_bytes()
        at_once = conformance.read_in_steps(pi, [len(whole)], whole, path)
        assert at_once
        assert conformance.read_in_steps(pi, range(1, len(whole) + 777, 777), whole, path) == at_once
        assert conformance.read_file(pi, path, markers=False) == at_once, "a marker hides a line"


def test_no_text_of_a_real_session_comes_out():
    for path in logs(conformance.shared("pi"), conformance.shared("captures", "pi-edit", "home")):
        records = [conformance.canaried(record, NO_CONTENT) for record in conformance.lines_of(path)]
        lines = conformance.drafts(pi, records, Path("/nowhere/x/log.jsonl"))
        assert len(lines) > 2
        assert not [line for line in lines if conformance.CANARY.encode() in line], path.name


REAL = [record for path in logs(CASES) for record in conformance.lines_of(path)]


@given(st.data())
def test_no_value_in_no_place_of_a_real_line_breaks_the_source(data):
    position = data.draw(st.integers(0, len(REAL) - 1))
    place = data.draw(st.sampled_from(conformance.places(REAL[position])))
    changed = conformance.replaced(REAL[position], place, data.draw(JSON))
    header = [] if REAL[position]["type"] == "session" else [REAL[0]]
    conformance.drafts(pi, [*header, changed, *REAL[position + 1 : position + 4]], Path("/nowhere/x/log.jsonl"))
