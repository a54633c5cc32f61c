"""Amp's threads: what is counted, once, however often they are rewritten, and what never comes out."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance  # noqa: TID251 - the folder of these tests
from collectors.laptop import Laptop  # noqa: TID251 - the folder of these tests
from meterhouse_collector.sources import amp

CASES = conformance.FIXTURES / "amp"
JSON = conformance.json_values()
NO_CONTENT = {
    "id",
    "role",
    "type",
    "status",
    "toolUseID",
    "name",
    "model",
    "timestamp",
    "ref",
    "clientType",
    "clientVersion",
}


def case(name: str, kind: str) -> list:
    return conformance.of_kind(conformance.read_case(amp, CASES / name), kind)


def pick(events: list, *names: str) -> list:
    return [tuple(event.get(name) for name in names) for event in events]


@pytest.mark.parametrize("name", conformance.cases("amp"))
def test_every_trap_gives_the_events_that_were_reviewed(name):
    found = conformance.read_case(amp, CASES / name)
    assert "CANARY" not in json.dumps(found)
    conformance.expect(found, CASES / name / "expected.jsonl")


def test_failures_have_no_tokens_and_the_last_answer_waits_for_its_end():
    fields = ("status", "input_tokens", "output_tokens")
    assert pick(case("failures_and_what_is_not_finished", "model_request"), *fields) == [
        ("error", None, None), ("cancelled", 7, 1), ("cancelled", 8, 2), ("ok", None, None), ("ok", None, 5),
        ("ok", None, 5), ("ok", None, 5), ("ok", None, 5), ("ok", 5, 5),
    ]  # fmt: skip
    assert len(case("failures_and_what_is_not_finished", "prompt")) == 5


def test_tools_tell_outcome_exit_code_and_refusal():
    calls = [event for event in case("tools_and_their_outcome", "tool_call") if "success" in event]
    assert pick(calls, "tool_name", "success", "exit_code", "decision", "decision_source") == [
        ("Read", True, None, None, None), ("Bash", False, 3, None, None), ("Bash", False, None, None, None),
        ("edit_file", False, None, "reject", "user"), ("custom_tool", True, None, None, None),
    ]  # fmt: skip
    assert len({event["native_id"] for event in case("tools_and_their_outcome", "tool_call")}) == 6, "one still runs"
    assert len(case("tools_and_their_outcome", "prompt")) == 1, "tools' results are no prompt"


def test_threads_are_found_where_variables_say(tmp_path):
    for folder in (".local/share/amp/threads", "x/amp/threads"):
        for name in ("T-1.json", "other.json", "T-1.json.amptmp"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).touch()
    assert list(amp.find(tmp_path, {})) == [tmp_path / ".local/share/amp/threads/T-1.json"]
    assert list(amp.find(tmp_path, {"XDG_DATA_HOME": str(tmp_path / "x")})) == [tmp_path / "x/amp/threads/T-1.json"]


@pytest.fixture
def laptop(tmp_path):
    """A laptop with one thread, and its document."""
    laptop = Laptop(tmp_path)
    (source,) = (CASES / "tools_and_their_outcome").glob("T-*.json")
    path = laptop.home / ".local/share/amp/threads" / source.name
    path.parent.mkdir(parents=True)
    shutil.copyfile(source, path)
    return laptop, path


def outputs_of(laptop: Laptop) -> list:
    return [event.get("output_tokens") for event in laptop.events() if event["kind"] == "model_request"]


def test_a_thread_that_is_rewritten_tells_only_what_is_new(laptop):
    laptop, path = laptop
    whole = json.loads(path.read_bytes())
    for length in range(len(whole["messages"]) + 1):
        path.write_text(json.dumps({**whole, "v": length, "messages": whole["messages"][:length]}))
        assert laptop.once() == 0
    ids = [event["event_id"] for event in laptop.events()]
    assert outputs_of(laptop) == [20, 30]
    assert len(set(ids)) == len(ids)


def test_an_answer_that_was_edited_away_stays_counted_beside_the_one_that_took_its_number(laptop):
    laptop, path = laptop
    assert laptop.once() == 0
    whole = json.loads(path.read_bytes())
    second = json.loads(json.dumps(whole["messages"][1]))
    second["usage"].update(outputTokens=21, timestamp="2026-11-20T10:00:30.000Z")
    path.write_text(json.dumps({**whole, "messages": [whole["messages"][0], second]}))
    assert laptop.once() == 0
    assert outputs_of(laptop) == [20, 30, 21]
    requests = [event["native_id"] for event in laptop.events() if event["kind"] == "model_request"]
    assert len(set(requests)) == 3


def test_an_answer_in_the_making_is_told_once_when_it_is_complete(laptop):
    laptop, path = laptop
    whole = json.loads(path.read_bytes())
    last = whole["messages"][-1]
    for status, tokens in (("streaming", 1), ("streaming", 9), ("complete", 30), ("complete", 30)):
        last["state"]["type"], last["usage"]["outputTokens"] = status, tokens
        whole["v"] += 1
        path.write_text(json.dumps(whole))
        assert laptop.once() == 0
    assert outputs_of(laptop) == [20, 30]


@pytest.mark.parametrize("share", [0, 1, 400, 0.5, 0.99])
def test_a_thread_caught_half_written_is_counted_and_read_when_it_is_whole(laptop, share):
    laptop, path = laptop
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data)) if isinstance(share, float) else share])
    assert laptop.once() == 0
    assert outputs_of(laptop) == []
    path.write_bytes(data)
    assert laptop.once() == 0
    assert outputs_of(laptop) == [20, 30]
    assert laptop.dropped() == {"not_json": 1}


@pytest.mark.parametrize(
    "data", [b"[]", b"null", b"{}", b"7", b"\xff\xfe{", b'{"messages":{}}', b'{"created":1,"messages":[1,null,{}]}']
)
def test_a_thread_of_another_shape_costs_itself_alone(laptop, data):
    laptop, path = laptop
    path.with_name("T-0.json").write_bytes(data)
    path.write_bytes(path.read_bytes().replace(b'"text": "CANARY', b'"text": "CANARY \xff\xfe'))
    assert laptop.once() == 0
    assert outputs_of(laptop) == [20, 30]
    assert b"CANARY" not in b"".join(laptop.lines())


def test_a_recorded_thread_equals_what_the_agent_counted():
    (path,) = conformance.shared("amp").glob("T-*.json")
    usage = [message["usage"] for message in json.loads(path.read_bytes())["messages"] if "usage" in message]
    found = conformance.read_file(amp, path)
    requests = conformance.of_kind(found, "model_request")
    names = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    assert [sum(event[name] for event in requests) for name in names] == [46975, 39744, 7226, 555]
    assert [event["input_tokens"] for event in requests] == [one["totalInputTokens"] for one in usage]
    assert pick(requests, "model", "status") == [("claude-opus-4-6", "ok")] * 3
    calls = [event for event in conformance.of_kind(found, "tool_call") if "success" in event]
    assert pick(calls, "tool_name", "success") == [("Read", True)] * 4
    (session,) = conformance.of_kind(found, "session")
    fields = (session["repository"], session["branch"], session["surface"], session["agent_version"])
    assert fields == ("github.com/dev1/testing-git", "master", "cli", "0.0.1772237000-g924883")


def test_no_text_of_a_real_thread_comes_out():
    (path,) = conformance.shared("amp").glob("T-*.json")
    records = [conformance.canaried(record, NO_CONTENT) for record in amp.explode(json.loads(path.read_bytes()))]
    lines = conformance.drafts(amp, records, path)
    assert len(lines) > 10
    assert not [line for line in lines if conformance.CANARY.encode() in line]


REAL = [record for path in sorted(CASES.rglob("T-*.json")) for record in amp.explode(json.loads(path.read_bytes()))]


@given(st.data(), JSON)
def test_no_value_in_no_place_of_a_thread_breaks_the_source(data, document):
    position = data.draw(st.integers(0, len(REAL) - 1))
    place = data.draw(st.sampled_from(conformance.places(REAL[position])))
    changed = conformance.replaced(REAL[position], place, data.draw(JSON))
    records = [REAL[0], changed, *REAL[position + 1 : position + 4], *amp.explode(document)]
    conformance.drafts(amp, records, Path("/nowhere/T-1.json"))
