"""Cline's session documents: what is counted, once, however often they are rewritten, and what never comes out."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance  # noqa: TID251 - the folder of these tests
from collectors.laptop import Laptop  # noqa: TID251 - the folder of these tests
from meterhouse_collector.sources import cline

CASES = conformance.FIXTURES / "cline"
JSON = conformance.json_values()
NO_CONTENT = {"id", "role", "type", "tool_use_id", "name", "provider", "sessionId", "version", "source"}
SESSION = "1795168800000_aaaaa"


def case(name: str, kind: str) -> list:
    return conformance.of_kind(conformance.read_case(cline, CASES / name), kind)


def pick(events: list, *names: str) -> list:
    return [tuple(event.get(name) for name in names) for event in events]


@pytest.mark.parametrize("name", conformance.cases("cline"))
def test_every_trap_gives_the_events_that_were_reviewed(name):
    found = conformance.read_case(cline, CASES / name)
    assert "CANARY" not in json.dumps(found)
    conformance.expect(found, CASES / name / "expected.jsonl")


def test_failures_have_no_tokens_and_a_cost_of_nothing_is_unknown():
    fields = ("status", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reported_cost_usd")
    assert pick(case("failures_have_no_metrics", "model_request"), *fields) == [
        ("error", None, None, None, None, None), ("ok", None, None, None, None, None),
        ("ok", 1000, 600, 300, 50, "0.0125"), ("ok", 20, 0, 0, 5, None),
        ("ok", None, 0, 0, 5, None), ("ok", None, 0, 0, 5, None), ("ok", None, 0, 0, 5, None),
        ("ok", None, 0, None, 5, None), ("ok", None, 60, 0, 5, None), ("ok", 11, 0, 0, 5, None), ("ok", 12, 0, 0, 5, None),
    ]  # fmt: skip


def test_tools_tell_success_by_every_one_of_their_replies():
    calls = [event for event in case("tools_and_lines", "tool_call") if "is_duration_upper_bound" in event]
    assert pick(calls, "tool_name", "success", "exit_code", "duration_ms") == [
        ("editor", False, None, 40), ("editor", True, None, 100), ("editor", True, None, 100),
        ("run_commands", False, 2, 500), ("apply_patch", True, None, 500), ("run_commands", True, None, 500),
        ("custom_tool", None, None, 500), ("read_files", False, None, 500),
    ]  # fmt: skip
    assert len({event["native_id"] for event in case("tools_and_lines", "tool_call")}) == 9, "one call has no result"
    assert len(case("tools_and_lines", "prompt")) == 1, "a tool's answer is no prompt"


def test_lines_come_from_the_arguments_of_edits_that_succeeded():
    fields = ("operation", "language", "lines_added", "lines_removed")
    assert pick(case("tools_and_lines", "code_change"), *fields) == [
        (None, "python", 2, None), ("update", "typescript", 2, 1), ("create", "go", 2, 0), ("update", "rust", 2, 1),
    ]  # fmt: skip


def test_what_a_fork_copied_belongs_to_the_session_that_wrote_it():
    name = "fork_copies_its_origins_messages"
    requests = pick(case(name, "model_request"), "session_id", "native_id")
    assert [(session[-5:], native) for session, native in sorted(requests)] == [
        ("ccccc", "msg_a1"), ("ccccc", "msg_a2"), ("ccccc", "msg_a3"), ("ddddd", "msg_a4"), ("eeeee", "msg_a5"),
    ]  # fmt: skip
    sessions = pick(case(name, "session"), "session_id", "started_by", "parent_session_id")
    assert [(one[-5:], by, parent and parent[-5:]) for one, by, parent in sessions] == [
        ("ccccc", "fresh", None), ("ddddd", "fork", "ccccc"), ("eeeee", "fork", "ddddd"),
    ]  # fmt: skip


def test_a_subagent_is_a_session_of_its_own_with_its_parent_from_the_folder():
    name, root = "subagent_in_its_sessions_folder", "1795168800000_fffff"
    sessions = pick(case(name, "session"), "session_id", "started_by", "parent_session_id")
    assert sessions == [(root, "fresh", None), (f"{root}__agent_17_x", "subagent", root)]
    sources = pick(case(name, "model_request"), "session_id", "query_source")
    assert sources == [(root, "main"), (root, "main"), (f"{root}__agent_17_x", "subagent")]
    assert len(case(name, "prompt")) == 1


def test_documents_are_found_where_variables_say(tmp_path):
    for folder in (".cline/data/sessions", "dir/data/sessions", "data/sessions", "sessions"):
        for name in ("s/s.messages.json", "s/s.json", "s/s.compaction.json"):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for variables, folder in (
        ({}, ".cline/data/sessions"), ({"CLINE_DIR": "dir"}, "dir/data/sessions"), ({"CLINE_DATA_DIR": "data"}, "data/sessions"),
        ({"CLINE_SESSION_DATA_DIR": "sessions", "CLINE_DIR": "dir"}, "sessions"),
    ):  # fmt: skip
        found = cline.find(tmp_path, {name: str(tmp_path / value) for name, value in variables.items()})
        assert list(found) == [tmp_path / folder / "s/s.messages.json"]


@pytest.fixture
def laptop(tmp_path):
    """A laptop with one session, and its document."""
    laptop = Laptop(tmp_path)
    folder = laptop.home / ".cline/data/sessions"
    shutil.copytree(CASES / "tools_and_lines" / SESSION, folder / SESSION)
    return laptop, folder / SESSION / f"{SESSION}.messages.json"


def requests_of(laptop: Laptop) -> list:
    return [event["native_id"] for event in laptop.events() if event["kind"] == "model_request"]


def test_a_document_that_is_rewritten_tells_only_what_is_new(laptop):
    laptop, path = laptop
    whole = json.loads(path.read_bytes())
    expected = [f"msg_a{number}" for number in range(1, 6)]
    for length in range(len(whole["messages"]) + 1):
        path.write_text(json.dumps({**whole, "updated_at": str(length), "messages": whole["messages"][:length]}))
        assert laptop.once() == 0
    assert requests_of(laptop) == expected
    path.write_text(json.dumps({**whole, "messages": whole["messages"][4:]}))  # compacted: what was spent stays spent
    assert laptop.once() == 0
    ids = [event["event_id"] for event in laptop.events()]
    assert requests_of(laptop) == expected
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("share", [0, 1, 400, 0.5, 0.99])
def test_a_document_caught_half_written_is_counted_and_read_when_it_is_whole(laptop, share):
    laptop, path = laptop
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data)) if isinstance(share, float) else share])
    assert laptop.once() == 0
    assert requests_of(laptop) == []
    path.write_bytes(data)
    assert laptop.once() == 0
    assert len(requests_of(laptop)) == 5
    assert laptop.dropped() == {"not_json": 1}


@pytest.mark.parametrize(
    "data", [b"[]", b"null", b"{}", b"7", b"\xff\xfe{", b'{"messages":{}}', b'{"messages":[1,null,"x",[]]}']
)
def test_a_document_of_another_shape_costs_itself_alone(laptop, data):
    laptop, path = laptop
    other = path.with_name("other.messages.json")
    other.write_bytes(data)
    assert laptop.once() == 0
    assert len(requests_of(laptop)) == 5


def test_bytes_that_are_no_utf_8_cost_no_message(laptop):
    laptop, path = laptop
    path.write_bytes(path.read_bytes().replace(b"CANARY-7f3a answer", b"CANARY \xff\xfe answer"))
    assert laptop.once() == 0
    assert len(requests_of(laptop)) == 5
    assert b"CANARY" not in b"".join(laptop.lines())


def test_a_recorded_session_equals_what_the_agent_counted(tmp_path):
    folder = conformance.shared("cline", "cli-3.0.65-A")
    found = conformance.read_home(cline, tmp_path, {"CLINE_DATA_DIR": str(folder / "data")})
    requests = conformance.of_kind(found, "model_request")
    manifest = json.loads(next(folder.glob("data/sessions/*/*_sfcqv.json")).read_bytes())
    usage = manifest["metadata"]["usage"]
    totals = [sum(event[name] for event in requests) for name in ("input_tokens", "cache_read_tokens", "output_tokens")]
    assert totals == [usage["inputTokens"], usage["cacheReadTokens"], usage["outputTokens"]] == [5730, 2175, 766]
    assert pick(requests, "model", "provider", "reported_cost_usd") == [("mock-large", "openai-compatible", None)] * 3
    calls = [event for event in conformance.of_kind(found, "tool_call") if "success" in event]
    assert pick(calls, "tool_name", "success", "exit_code") == [("editor", False, None), ("run_commands", False, 2)]
    assert conformance.of_kind(found, "code_change") == []
    (session,) = conformance.of_kind(found, "session")
    assert (session["agent_version"], session["surface"]) == ("3.0.65", "cli")


def upstream(tmp_path: Path) -> Path:
    """The published session, laid out as the agent lays it out."""
    source = conformance.shared("cline", "upstream") / "session.messages.json"
    path = tmp_path / "1784094124598_rruoq" / "1784094124598_rruoq.messages.json"
    path.parent.mkdir()
    shutil.copyfile(source, path)
    return path


def test_a_published_session_gives_its_tokens_and_list_price(tmp_path):
    found = conformance.read_file(cline, upstream(tmp_path))
    requests = conformance.of_kind(found, "model_request")
    assert len(requests) == 16
    assert sum(event["input_tokens"] for event in requests) == 630254
    assert sum(round(float(event["reported_cost_usd"]) * 1e9) for event in requests) == 2_036_022_565
    assert len(conformance.of_kind(found, "prompt")) == 5
    assert len(conformance.of_kind(found, "code_change")) == 4


def test_no_text_of_a_real_session_comes_out(tmp_path):
    paths = [*conformance.shared("cline", "cli-3.0.65-A").rglob("*.messages.json"), upstream(tmp_path)]
    for path in paths:
        records = [conformance.canaried(record, NO_CONTENT) for record in cline.explode(json.loads(path.read_bytes()))]
        lines = conformance.drafts(cline, records, path)
        assert len(lines) > 10
        assert not [line for line in lines if conformance.CANARY.encode() in line], path.name


REAL = [record for path in sorted(CASES.rglob("*.messages.json")) for record in cline.explode(json.loads(path.read_bytes()))]  # fmt: skip


@given(st.data(), JSON)
def test_no_value_in_no_place_of_a_document_breaks_the_source(data, document):
    position = data.draw(st.integers(0, len(REAL) - 1))
    place = data.draw(st.sampled_from(conformance.places(REAL[position])))
    changed = conformance.replaced(REAL[position], place, data.draw(JSON))
    path = Path(f"/nowhere/{SESSION}/{SESSION}.messages.json")
    conformance.drafts(cline, [REAL[0], changed, *REAL[position + 1 : position + 4], *cline.explode(document)], path)
