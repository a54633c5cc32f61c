"""Claude Code's transcripts: what is counted, once, and what never comes out."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance  # noqa: TID251 - the folder of these tests
from meterhouse_collector.here import Here
from meterhouse_collector.sources import claude_code

CASES = conformance.FIXTURES / "claude_code"
CAPTURES = ["claude-edit", "claude-resume", "claude-subagent", "claude-gateway-edit"]
JSON = conformance.json_values()
NO_CONTENT = {
    "type", "name", "subtype", "id", "uuid", "parentUuid", "sessionId", "timestamp",
    "version", "entrypoint", "gitBranch", "model", "requestId", "tool_use_id", "role",
    "stop_reason", "service_tier", "speed", "inference_geo", "effort", "perTurnEffort", "decision",
    "source", "ruleSource", "action", "kind", "promptId", "agentId", "requestSessionId",
    "toolUseID", "parentToolUseID", "userType", "error", "apiErrorType", "url", "operation",
    "promptSource", "turnOrigin",
}  # fmt: skip


def resolved(found: list) -> tuple:
    """As SQL resolves observations: (requests, requests known by a progress record only), greatest output wins."""
    best = {}
    for event in conformance.of_kind(found, "model_request"):
        key = (event.get("response_id"), event.get("provider_request_id"))
        rank = (not event["is_fallback"], not event["is_subagent"], event.get("output_tokens", 0))
        if event["status"] == "ok" and (key not in best or rank > best[key][0]):
            best[key] = (rank, event)
    events = [event for _, event in best.values()]
    return [event for event in events if not event["is_fallback"]], [event for event in events if event["is_fallback"]]


def totals(requests: list) -> dict:
    """In the provider's terms, where the three kinds of input are apart."""
    names = {"output": "output_tokens", "cache_read": "cache_read_tokens", "cache_write": "cache_write_tokens",
             "cache_write_1h": "cache_write_1h_tokens", "cache_write_5m": "cache_write_5m_tokens"}  # fmt: skip
    total = {name: sum(request[field] for request in requests) for name, field in names.items()}
    total["input"] = sum(request["input_tokens"] for request in requests) - total["cache_read"] - total["cache_write"]
    return {"requests": len(requests), **total}


def read_config(folder: Path) -> list:
    return conformance.read_home(claude_code, Path("/nowhere"), {"CLAUDE_CONFIG_DIR": str(folder)})


def case(name: str, kind: str) -> list:
    return conformance.of_kind(conformance.read_case(claude_code, CASES / name), kind)


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("c1_one_response_on_three_lines", [77]),
        ("c2_placeholder_output", [1, 250]),
        ("c3_fork_copies_history", [77, 88, 99]),
        ("c4_resume_keeps_old_session_id", [5, 6, 7]),
        ("c5_agent_progress_is_a_fallback", [40, 6]),
        ("c6_sidechains_inline_and_apart", [10, 11, 12, 13]),
        ("c7_side_question_replays_parent", [10, 20]),
        ("c8_cache_writes_total_or_split", [10, 10, 10]),
        ("c9_no_request_id", [10]),
        ("c11_failures_have_no_tokens", []),
    ],
)
def test_each_response_counts_once(name, outputs):
    requests, fallbacks = resolved(conformance.read_case(claude_code, CASES / name))
    assert sorted(request["output_tokens"] for request in requests + fallbacks) == sorted(outputs)


def test_output_is_estimated_until_a_line_tells_the_final_number():
    assert [event["is_output_estimated"] for event in case("c2_placeholder_output", "model_request")] == [
        True,
        True,
        False,
    ]


def test_the_original_of_a_fork_is_older_and_the_fork_names_it():
    sessions = case("c3_fork_copies_history", "session")
    original, fork, named = [(event["started_by"], event.get("parent_session_id")) for event in sessions]
    assert (original, fork, named) == (("fresh", None), ("fork", None), ("fork", sessions[0]["session_id"]))
    owners = {}
    for event in case("c3_fork_copies_history", "model_request"):
        owners.setdefault(event["response_id"], []).append((event["session_started_at"], event["session_id"]))
    assert {min(owner)[1] for name, owner in owners.items() if name != "msg_c3c"} == {sessions[0]["session_id"]}


def test_cache_writes_are_the_greater_of_total_and_split():
    fields = ("input_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
    found = [tuple(event[name] for name in fields) for event in case("c8_cache_writes_total_or_split", "model_request")]
    assert found == [(603, 500, 200, 300), (803, 700, 400, 300), (153, 50, 50, 0)]


def test_a_failure_says_why_and_claims_no_tokens():
    found = case("c11_failures_have_no_tokens", "model_request")
    assert [(e["status"], e.get("http_status"), e["error_class"], e.get("attempt")) for e in found] == [
        ("error", 529, "overloaded_error", 1), ("rate_limited", 429, "rate_limit_error", None), ("error", None, "unknown", None),
    ]  # fmt: skip
    assert not any("tokens" in name for event in found for name in event)


def test_tools_tell_success_exit_code_and_who_decided():
    outcomes = {}
    for event in case("c15_tools_and_lines", "tool_call"):
        outcomes[event["native_id"]] = tuple(
            event.get(n) for n in ("tool_name", "success", "exit_code", "decision", "decision_source")
        )
    assert list(outcomes.values()) == [
        ("Write", True, None, "accept", "config"), ("Edit", True, None, None, None), ("Edit", False, None, "reject", "user"),
        ("Edit", False, None, None, None), ("Bash", False, 3, "accept", "user"), ("mcp_tool", True, None, None, None),
        ("Bash", False, None, "reject", "policy"), ("Bash", True, None, None, None), ("custom_tool", None, None, None, None),
        ("Read", None, None, None, None),
    ]  # fmt: skip


def test_lines_are_counted_as_wc_does_and_by_the_agents_own_counter():
    fields = ("decision", "lines_added", "lines_removed", "agent_lines_added", "operation", "language")
    assert [tuple(event.get(name) for name in fields) for event in case("c15_tools_and_lines", "code_change")] == [
        ("accept", 2, 0, 3, "create", "python"), ("accept", 2, 2, 2, "update", "python"), ("reject", 2, 1, None, "update", "go"),
    ]  # fmt: skip


def test_prompts_are_what_started_work_and_say_who_if_known():
    found = case("prompts_and_what_is_none", "prompt")
    assert [(event["occurred_at"][17:19], event.get("origin")) for event in found] == [
        ("01", "person"), ("02", "agent"), ("07", "person"), ("08", None),
    ]  # fmt: skip


def test_session_files_are_found_below_every_configured_root(tmp_path):
    wanted = [
        "projects/-shop/a.jsonl",
        "projects/-shop/a/subagents/agent-1.jsonl",
        "projects/-shop/a/subagents/runs/w/agent-2.jsonl",
    ]
    for name in [*wanted, "history.jsonl", "projects/-shop/a/tool-results/x.jsonl"]:
        for root in (".claude", "elsewhere"):
            (tmp_path / root / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / root / name).touch()
    assert list(claude_code.find(tmp_path, {})) == [tmp_path / ".claude" / name for name in wanted]
    roots = {"CLAUDE_CONFIG_DIR": f"{tmp_path / 'elsewhere'}, {tmp_path / 'absent'}"}
    assert list(claude_code.find(tmp_path, roots)) == [tmp_path / "elsewhere" / name for name in wanted]


@pytest.mark.parametrize("name", CAPTURES)
def test_a_recorded_session_equals_what_the_provider_billed(name, capsys):
    folder = conformance.shared("captures", name)
    requests, _ = resolved(conformance.read_home(claude_code, folder / "home"))
    found = {request["response_id"]: totals([request]) for request in requests}
    billed = {row["id"]: row for row in conformance.lines_of(folder / "truth.jsonl")}
    unknown = set(billed) - set(found)
    with capsys.disabled():
        print(
            f"\n{name}: {len(found)} of {len(billed)} responses are in the transcript; it cannot know the title call {unknown}"
        )
    assert len(unknown) == 1
    assert set(found) < set(billed)
    for response_id, tokens in found.items():
        assert {kind: tokens[kind] for kind in ("input", "output", "cache_read", "cache_write")} == {
            kind: billed[response_id][kind] for kind in ("input", "output", "cache_read", "cache_write")
        }


@pytest.mark.parametrize(
    ("name", "lines"), [("claude-edit", (26, 1)), ("claude-resume", (26, 1)), ("claude-subagent", (24, 0))]
)
def test_a_recorded_session_changed_as_many_lines_as_its_script(name, lines):
    changes = conformance.of_kind(
        conformance.read_home(claude_code, conformance.shared("captures", name, "home")), "code_change"
    )
    assert (sum(event["lines_added"] for event in changes), sum(event["lines_removed"] for event in changes)) == lines


@pytest.mark.parametrize(("name", "folder"), [("real", "."), ("generated", "generated")])
def test_totals_of_real_sessions_equal_the_independent_count(name, folder):
    base = conformance.shared("claude")
    truth = json.loads((base / "truth.json").read_text())["sets"][name]
    requests, fallbacks = resolved(read_config(base / folder))
    expected = {field: value for field, value in truth["totals"].items() if field != "web_search"}
    assert totals(requests) == expected
    only = truth["agent_progress_only"]
    assert {field: totals(fallbacks)[field] for field in only} == only
    for model, per_model in truth["by_model"].items():
        assert totals([r for r in requests if r["model"] == model]) == {n: per_model[n] for n in expected}


def test_the_scripted_session_has_the_failures_lines_and_pull_request_of_its_script():
    found = read_config(conformance.shared("claude", "generated"))
    calls = {event["native_id"]: event for event in conformance.of_kind(found, "tool_call")}
    assert Counter(event["tool_name"] for event in calls.values() if not event["success"]) == {
        "Edit": 1,
        "Bash": 1,
        "mcp_tool": 1,
    }
    changes = {event["native_id"]: event for event in conformance.of_kind(found, "code_change")}.values()
    assert [sum(event[name] for event in changes) for name in ("agent_lines_added", "agent_lines_removed")] == [5, 1]
    assert [event["pull_request_number"] for event in conformance.of_kind(found, "pull_request")] == [7]


def test_a_file_read_while_it_grows_says_the_same_as_the_whole():
    folder = conformance.shared("claude", "growth", "cc432c40-914a-4c1a-a972-0103199a736a")
    captures = [(folder / f"{step}.jsonl").read_bytes() for step in range(1, 6)]
    whole, path = captures[-1], folder.with_suffix(".jsonl")
    at_once = conformance.read_in_steps(claude_code, [len(whole)], whole, path)
    assert at_once
    assert conformance.read_in_steps(claude_code, [len(capture) for capture in captures], whole, path) == at_once
    assert conformance.read_in_steps(claude_code, range(1, len(whole) + 9999, 9999), whole, path) == at_once


def test_markers_hide_nothing_of_real_sessions():
    for path in sorted(conformance.shared("claude", "projects").rglob("*.jsonl")):
        assert conformance.read_file(claude_code, path) == conformance.read_file(claude_code, path, markers=False), (
            path.name
        )


def test_no_text_of_a_real_session_comes_out():
    paths = [
        *conformance.shared("captures").glob("claude-*/home/.claude/projects/*/**/*.jsonl"),
        *conformance.shared("claude").rglob("projects/*/**/*.jsonl"),
    ]
    assert paths
    for path in paths:
        lines = conformance.drafts(
            claude_code, [conformance.canaried(r, NO_CONTENT) for r in conformance.lines_of(path)], path
        )
        assert len(lines) > 1
        assert not [line for line in lines if conformance.CANARY.encode() in line], path.name


@given(
    st.lists(
        JSON
        | st.fixed_dictionaries(
            {"type": st.sampled_from(["user", "assistant", "system", "progress"]), "message": JSON, "timestamp": JSON}
        ),
        max_size=3,
    )
)
def test_no_json_breaks_the_source(records):
    conformance.drafts(claude_code, records, Path("x.jsonl"))


REAL = [
    record
    for name in conformance.cases("claude_code")
    for path in (CASES / name).rglob("a*.jsonl")
    for record in conformance.lines_of(path)
]


@given(st.data())
def test_no_value_in_no_place_of_a_real_line_breaks_the_source(data):
    position = data.draw(st.integers(0, len(REAL) - 1))
    place = data.draw(st.sampled_from(conformance.places(REAL[position])))
    changed = conformance.replaced(REAL[position], place, data.draw(JSON))
    conformance.drafts(
        claude_code,
        [*REAL[max(0, position - 2) : position], changed, *REAL[position + 1 : position + 3]],
        Path("x.jsonl"),
    )


def test_an_edit_without_its_own_result_counts_as_proposed_but_not_from_a_progress_record():
    call = {"type": "tool_use", "id": "toolu_1", "name": "Edit", "input": {"old_string": "a", "new_string": "b\nc"}}
    ask = {"type": "assistant", "sessionId": "s1", "timestamp": "2026-03-02T10:00:00Z", "message": {"content": [call]}}
    answer = {"type": "user", "sessionId": "s1", "timestamp": "2026-03-02T10:00:01Z",
              "message": {"content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}]}}  # fmt: skip
    embedded = [
        {**line, "type": "progress", "data": {"type": "agent_progress", "message": {"type": line["type"], "message": line["message"]}}}
        for line in (ask, answer)
    ]  # fmt: skip
    for lines, changed in (([ask, answer], [(2, 1)]), (embedded, [])):
        state, here = {}, Here(Path("s1.jsonl"), Path("/nowhere"))
        drafts = [draft for line in lines for draft in claude_code.read(line, state, here)]
        found = [draft.values for draft in drafts if draft.kind == "code_change"]
        assert [(values["lines_added"], values["lines_removed"]) for values in found] == changed
        assert any(draft.kind == "tool_call" and draft.values.get("success") for draft in drafts)
