"""Gemini CLI's chat logs: what is counted, once, and what never comes out."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance  # noqa: TID251 - the folder of these tests
from meterhouse_collector.here import Here
from meterhouse_collector.sources import gemini_cli

CASES = conformance.FIXTURES / "gemini_cli"
JSON = conformance.json_values()
NO_CONTENT = {"id", "sessionId", "projectHash", "startTime", "timestamp", "kind", "type", "model", "name", "status"}


def case(name: str, kind: str) -> list:
    return conformance.of_kind(conformance.read_case(gemini_cli, CASES / name), kind)


def read_gemini_home(folder: Path, tmp_path: Path) -> list:
    """Of a folder laid out as ~/.gemini."""
    (tmp_path / ".gemini").symlink_to(folder)
    return conformance.read_home(gemini_cli, tmp_path)


def test_repeated_messages_checkpoints_and_rewinds_count_once_each():
    fields = ("native_id", "input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
    found = case("g1_g2_g3_a_file_is_a_log", "model_request")
    assert [tuple(event[name] for name in fields) for event in found] == [
        ("m-1", 5010, 4000, 120, 40), ("m-2", 6000, 5000, 120, 30), ("m-3", 100, 0, 5, 0),
    ]  # fmt: skip
    assert [event["native_id"] for event in case("g1_g2_g3_a_file_is_a_log", "prompt")] == ["u-1", "u-3"]


def test_a_resumed_session_begins_where_its_file_does():
    sessions = case("g1_g2_g3_a_file_is_a_log", "session")
    assert [(event["started_by"], event["session_started_at"]) for event in sessions] == [
        ("fresh", "2026-11-20T10:00:00.000Z")
    ]


def test_tools_tell_success_by_exit_code_and_refusal_by_cancelling():
    fields = ("tool_name", "success", "exit_code", "decision", "decision_source")
    assert [tuple(event.get(name) for name in fields) for event in case("g6_tools_and_lines", "tool_call")] == [
        ("run_shell_command", False, 3, None, None), ("run_shell_command", True, None, None, None),
        ("run_shell_command", False, 127, None, None), ("read_file", False, None, None, None),
        ("write_file", True, None, None, None), ("replace", False, None, "reject", "user"),
        ("replace", True, None, None, None), ("mcp_tool", True, None, None, None), ("custom_tool", None, None, None, None),
    ]  # fmt: skip


def test_lines_come_from_the_agents_counts_or_its_diff_or_the_proposal():
    fields = ("decision", "lines_added", "lines_removed", "operation", "language", "is_user_modified")
    assert [tuple(event.get(name) for name in fields) for event in case("g6_tools_and_lines", "code_change")] == [
        ("accept", 24, 0, "create", "python", True), ("reject", 2, 1, "update", "typescript", None),
        ("accept", 2, 2, "update", "markdown", None),
    ]  # fmt: skip


def test_counts_of_early_versions_are_the_models_and_an_unknown_count_gives_way_to_the_diff():
    diff = "--- a\n+++ a\n@@ -1 +1,2 @@\n-a\n+b\n+c\n"
    early = {"ai_added_lines": 5, "ai_removed_lines": 2, "user_added_lines": 1, "user_removed_lines": 0}
    calls = [
        {
            "id": f"c{number}",
            "name": "replace",
            "status": "success",
            "resultDisplay": {"fileDiff": diff, "diffStat": stat},
        }
        for number, stat in enumerate((early, {"lines": 9}))
    ]
    head = {"sessionId": "s1"}
    message = {"id": "m1", "type": "gemini", "timestamp": "2026-03-02T10:00:00Z", "toolCalls": calls}
    state, here = {}, Here(Path("chats/session-1.jsonl"), Path("/nowhere"))
    drafts = [draft for record in (head, message) for draft in gemini_cli.read(record, state, here)]
    names = ("lines_added", "lines_removed", "agent_lines_added", "is_user_modified")
    told = [tuple(draft.values[name] for name in names) for draft in drafts if draft.kind == "code_change"]
    assert told == [(5, 2, 5, True), (2, 1, None, None)]


def test_a_subagent_is_a_session_of_its_own_with_its_parent_from_the_folder():
    parent, sub = "aaaaaaaa-1000-4000-8000-000000000003", "sub-1"
    found = [
        (e["session_id"], e.get("parent_session_id"), e["started_by"])
        for e in case("subagent_in_its_sessions_folder", "session")
    ]
    assert sorted(found) == [(parent, None, "fresh"), (sub, parent, "subagent")]
    requests = {
        e["session_id"]: (e["query_source"], e["is_subagent"])
        for e in case("subagent_in_its_sessions_folder", "model_request")
    }
    assert requests == {parent: ("main", False), sub: ("subagent", True)}
    assert [e["session_id"] for e in case("subagent_in_its_sessions_folder", "prompt")] == [parent]


def test_session_files_are_found_in_every_layout(tmp_path):
    chats = tmp_path / "elsewhere/.gemini/tmp/shop/chats"
    wanted = [chats / name for name in ("session-1.jsonl", "session-0.json", "s-1/sub.jsonl")]
    for path in [*wanted, chats.parent / "logs.json"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert list(gemini_cli.find(tmp_path, {})) == []
    assert list(gemini_cli.find(tmp_path, {"GEMINI_CLI_HOME": str(tmp_path / "elsewhere")})) == wanted


@pytest.mark.parametrize("hint", ["root file", "short name", "hash", "none", "damaged"])
def test_the_repository_is_found_by_whatever_names_the_project(tmp_path, hint):
    work, gemini = tmp_path / "work", tmp_path / ".gemini"
    (work / ".git").mkdir(parents=True)
    (work / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (work / ".git/config").write_text('[remote "origin"]\n\turl = git@github.com:acme/shop.git\n')
    name = gemini_cli.hashlib.sha256(str(work).encode()).hexdigest() if hint == "hash" else "shop"
    chats = gemini / "tmp" / name / "chats"
    chats.mkdir(parents=True)
    if hint == "root file":
        (chats.parent / ".project_root").write_text(f"{work}\n")
    projects = {"projects": {str(work): "other" if hint in ("hash", "none") else "shop"}}
    (gemini / "projects.json").write_text(
        "{" if hint == "damaged" else json.dumps(projects if hint != "root file" else {})
    )
    log = (CASES / "g6_tools_and_lines").rglob("session-*.jsonl")
    (chats / "session-1.jsonl").write_bytes(next(log).read_bytes())
    found = {event.get("repository") for event in conformance.read_home(gemini_cli, tmp_path)}
    assert found == {None if hint in ("none", "damaged") else "github.com/acme/shop"}


@pytest.mark.parametrize(("name", "failures", "lines"), [("gemini-edit", 0, (26, 1)), ("gemini-fail", 2, (4, 0))])
def test_a_recorded_session_equals_what_the_provider_billed(name, failures, lines, capsys):
    folder = conformance.shared("captures", name)
    found = conformance.read_home(gemini_cli, folder / "home")
    known = [(e["input_tokens"] - e["cache_read_tokens"], e["cache_read_tokens"], e["output_tokens"], e["reasoning_tokens"], e["model"])
             for e in conformance.of_kind(found, "model_request")]  # fmt: skip
    billed = [
        (row["input"], row["cache_read"], row["output"], row["thoughts"], row["model"])
        for row in conformance.lines_of(folder / "truth.jsonl")
    ]
    with capsys.disabled():
        print(
            f"\n{name}: {len(known)} of {len(billed)} responses are in the log; it cannot know the utility_router call {billed[0]}"
        )
    assert known == billed[1:]
    assert [event["success"] for event in conformance.of_kind(found, "tool_call")].count(False) == failures
    changes = conformance.of_kind(found, "code_change")
    assert (sum(event["lines_added"] for event in changes), sum(event["lines_removed"] for event in changes)) == lines


@pytest.mark.parametrize(("name", "folder"), [("real", "."), ("generated", "generated")])
def test_totals_of_real_sessions_equal_the_independent_count(name, folder, tmp_path):
    base = conformance.shared("gemini")
    truth = json.loads((base / "truth.json").read_text())["sets"][name]["totals"]
    requests = conformance.of_kind(read_gemini_home(base / folder, tmp_path), "model_request")
    total = {field: sum(request[field] for request in requests)
             for field in ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")}  # fmt: skip
    assert len(requests) == truth["requests"]
    assert total == {
        "input_tokens": truth["input"] + truth["tool"], "cache_read_tokens": truth["cached"],
        "output_tokens": truth["output"] + truth["thoughts"], "reasoning_tokens": truth["thoughts"],
    }  # fmt: skip


def test_a_log_read_while_it_grows_says_the_same_as_the_whole():
    for path in [*CASES.rglob("session-*.jsonl"), *conformance.shared("gemini").rglob("session-*.jsonl")]:
        whole = path.read_bytes()
        at_once = conformance.read_in_steps(gemini_cli, [len(whole)], whole, path)
        assert at_once
        assert conformance.read_in_steps(gemini_cli, range(1, len(whole) + 777, 777), whole, path) == at_once
        assert conformance.read_file(gemini_cli, path, markers=False) == at_once, "a marker hides a line"


def test_no_text_of_a_real_session_comes_out():
    paths = [
        *conformance.shared("captures").glob("gemini-*/home/.gemini/tmp/*/chats/*.jsonl"),
        *conformance.shared("gemini").rglob("session-*.jsonl"),
    ]
    assert paths
    for path in paths:
        records = [conformance.canaried(record, NO_CONTENT) for record in conformance.lines_of(path)]
        lines = conformance.drafts(gemini_cli, records, Path("session-1.jsonl"))
        assert len(lines) > 1
        assert not [line for line in lines if conformance.CANARY.encode() in line], path.name


def test_an_id_that_holds_an_mcp_servers_name_leaves_as_a_hash():
    ids = {event["tool_name"]: event["native_id"] for event in case("g6_tools_and_lines", "tool_call")}
    assert ids["mcp_tool"] == Here(Path("x"), Path("x")).tool_key("mcp_CANARY_secret__mcp_CANARY_secret_2_7")
    assert ids["read_file"] == "read_file__2_3"


@given(
    st.lists(
        JSON
        | st.fixed_dictionaries(
            {"id": JSON, "type": st.sampled_from(["user", "gemini"]), "timestamp": JSON, "toolCalls": JSON}
        ),
        max_size=3,
    ),
    JSON,
)
def test_no_json_breaks_the_source(records, document):
    header = {"sessionId": "s", "startTime": "2026-11-20T10:00:00Z"}
    conformance.drafts(gemini_cli, [header, *records, *gemini_cli.explode(document)], Path("session-1.jsonl"))


REAL = [record for path in sorted(CASES.rglob("session-*.jsonl")) for record in conformance.lines_of(path)]


@given(st.data())
def test_no_value_in_no_place_of_a_real_line_breaks_the_source(data):
    position = data.draw(st.integers(0, len(REAL) - 1))
    place = data.draw(st.sampled_from(conformance.places(REAL[position])))
    changed = conformance.replaced(REAL[position], place, data.draw(JSON))
    conformance.drafts(gemini_cli, [REAL[0], changed, *REAL[position + 1 : position + 3]], Path("session-1.jsonl"))
