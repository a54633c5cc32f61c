"""Droid's logs and totals: what they tell, that a total never becomes requests, and what never comes out."""

import json
import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import conformance  # noqa: TID251 - the folder of these tests
from collectors.laptop import Laptop  # noqa: TID251 - the folder of these tests
from meterhouse_collector import otlp
from meterhouse_collector.sources import droid

CASE = conformance.FIXTURES / "droid" / "tools_and_lines"
SESSION = "eeeeeeee-0001-4000-8000-000000000000"
JSON = conformance.json_values()
NO_CONTENT = {"type", "id", "timestamp", "role", "name", "tool_use_id", "providerLockTimestamp"}
TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def pick(events: list, *names: str) -> list:
    return [tuple(event.get(name) for name in names) for event in events]


@pytest.fixture
def case(tmp_path):
    """Events of the fixture, whose total was written at a known time."""
    return conformance.read_case(droid, conformance.written(CASE, tmp_path / "case"))


def test_a_total_is_told_from_its_beginning_to_its_writing_and_never_as_requests(case):
    (look,) = conformance.of_kind(case, "usage_delta")
    assert tuple(look[name] for name in TOKENS) == (4050, 3000, 50, 400, 150)
    assert (look["window_start"], look["window_end"]) == ("2026-11-20T10:00:01.500Z", "2026-11-20T10:00:15Z")
    assert "model" not in look, "the file names only the latest of the models that it adds up"
    assert conformance.of_kind(case, "model_request") == []


def test_tools_tell_success_where_their_result_does(case):
    calls = [event for event in conformance.of_kind(case, "tool_call") if "is_duration_upper_bound" in event]
    assert pick(calls, "tool_name", "success", "duration_ms") == [
        ("Read", None, 1000), ("ApplyPatch", True, 1000), ("ApplyPatch", False, 1000), ("custom_tool", True, 2000),
        ("Execute", False, 2000),
    ]  # fmt: skip
    assert len({event["native_id"] for event in conformance.of_kind(case, "tool_call")}) == 6, "one has no result"
    fields = ("operation", "language", "lines_added", "lines_removed")
    assert pick(conformance.of_kind(case, "code_change"), *fields) == [
        ("update", "typescript", 2, 1), ("create", "go", 1, 0),
    ]  # fmt: skip
    assert len(conformance.of_kind(case, "prompt")) == 2


def test_files_are_found_in_both_layouts(tmp_path):
    names = ("a.jsonl", "-x-y/b.jsonl", "a.settings.json", "-x-y/b.settings.json")
    for name in (*names, "a.json", "settings.json"):
        path = tmp_path / ".factory/sessions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert list(droid.find(tmp_path, {})) == [tmp_path / ".factory/sessions" / name for name in names]


@pytest.fixture
def laptop(tmp_path):
    """A laptop with one session, and its total."""
    laptop = Laptop(tmp_path)
    folder = laptop.home / ".factory/sessions/-x-shop"
    folder.parent.mkdir(parents=True)
    shutil.copytree(CASE, folder)
    (folder / "expected.jsonl").unlink()
    return laptop, folder / f"{SESSION}.settings.json"


def looks_of(laptop: Laptop) -> list:
    return [event for event in laptop.events() if event["kind"] == "usage_delta"]


def test_every_look_at_a_growing_total_tells_all_of_it_once(laptop):
    laptop, path = laptop
    whole = json.loads(path.read_bytes())
    for number, output in enumerate((0, 0, 400, 400, 900)):
        usage = {**whole["tokenUsage"], "outputTokens": output} if output else {"inputTokens": 0}
        path.write_text(json.dumps({**whole, "assistantActiveTimeMs": number, "tokenUsage": usage}))
        os.utime(path, (conformance.WRITTEN + number, conformance.WRITTEN + number))
        assert laptop.once() == 0
    fields = ("output_tokens", "input_tokens", "window_start", "window_end")
    assert pick(looks_of(laptop), *fields) == [
        (400, 4050, "2026-11-20T10:00:01.500Z", "2026-11-20T10:00:17Z"),
        (900, 4050, "2026-11-20T10:00:01.500Z", "2026-11-20T10:00:19Z"),
    ]  # fmt: skip
    assert len({look["native_id"] for look in looks_of(laptop)}) == 2


def test_a_lost_spool_gives_the_very_same_look(laptop):
    laptop, _ = laptop
    assert laptop.once() == 0
    shutil.rmtree(laptop.spool)
    assert laptop.once() == 0
    first, second = looks_of(laptop)
    assert {name for name in first if first[name] != second[name]} <= {
        "person_key"
    }  # a device without a person is a new one


@pytest.mark.parametrize("share", [0, 1, 0.5, 0.99])
def test_a_total_caught_half_written_is_counted_and_read_when_it_is_whole(laptop, share):
    laptop, path = laptop
    data = path.read_bytes()
    path.write_bytes(data[: int(share * (len(data) - 2))])
    assert laptop.once() == 0
    assert looks_of(laptop) == []
    path.write_bytes(data)
    assert laptop.once() == 0
    assert len(looks_of(laptop)) == 1
    assert laptop.dropped() == {"not_json": 1}


def test_a_total_whose_log_is_gone_is_counted_and_not_guessed_at(laptop, capsys):
    laptop, path = laptop
    path.with_name(f"{SESSION}.jsonl").unlink()
    assert laptop.once() == 0
    assert looks_of(laptop) == []
    assert laptop.dropped() == {"source_error": 1}
    assert "droid: ValueError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"inputTokens": -1, "outputTokens": 5}, (None, 0, 0, 5, 0)), ({"inputTokens": 10**12, "outputTokens": 5}, (None, 0, 0, 5, 0)),
        ({"inputTokens": 1.5, "outputTokens": "5", "cacheReadTokens": 7}, (None, 7, 0, None, 0)),
        ({"inputTokens": 1, "outputTokens": 5, "thinkingTokens": 6}, (1, 0, 0, 5, None)), ({}, None), (None, None), ([1], None), ("x", None),
    ],
)  # fmt: skip
def test_numbers_that_cannot_be_are_unknown(laptop, usage, told):
    laptop, path = laptop
    path.write_text(json.dumps({"tokenUsage": usage}))
    assert laptop.once() == 0
    assert [tuple(look.get(name) for name in TOKENS) for look in looks_of(laptop)] == ([told] if told else [])


@pytest.mark.parametrize("data", [b"[]", b"null", b"{}", b"7", b"\xff\xfe{"])
def test_a_total_of_another_shape_and_a_log_with_damages_cost_themselves_alone(laptop, data):
    laptop, path = laptop
    path.with_name("other.settings.json").write_bytes(data)
    with open(path.with_name(f"{SESSION}.jsonl"), "ab") as log:
        log.write(
            b'{"type":"message","id":"\xff\xfe"}\n{"type":"message",\n{"type":"message","timestamp":7,"message":[]}\n'
        )
    assert laptop.once() == 0
    assert len(looks_of(laptop)) == 1
    assert sum(event["kind"] == "prompt" for event in laptop.events()) == 2


def test_the_published_session_gives_its_total(tmp_path):
    folder = conformance.shared("droid")
    found = conformance.read_case(droid, folder)
    (look,) = conformance.of_kind(found, "usage_delta")
    assert tuple(look[name] for name in TOKENS) == (6743 + 42496, 42496, 0, 1450, 1088)
    assert (look["session_id"], look["window_start"]) == (
        "052cb8d0-4616-488a-99fe-bfbbbe9429b3",
        "2026-01-28T16:57:01.391Z",
    )
    (change,) = conformance.of_kind(found, "code_change")
    assert (change["language"], change["lines_added"], change["lines_removed"]) == ("typescript", 1, 1)
    calls = [event for event in conformance.of_kind(found, "tool_call") if "is_duration_upper_bound" in event]
    assert pick(calls, "tool_name", "success") == [
        ("Read", None), ("TodoWrite", None), ("ApplyPatch", True), ("Read", None), ("TodoWrite", None),
    ]  # fmt: skip
    assert len(conformance.of_kind(found, "prompt")) == 1


def test_its_metrics_are_counted_and_not_read():
    """Deltas of tool calls and lines without session or order; as far as anybody saw them, they hold no tokens."""
    points = [{"asInt": "3", "attributes": [{"key": "tool", "value": {"stringValue": "CANARY"}}]}]
    metrics = [{"name": name, "sum": {"aggregationTemporality": 1, "dataPoints": points}}
               for name in ("droid.tool.invocations", "droid.code.lines_modified")]  # fmt: skip
    body = {"resourceMetrics": [{"resource": {}, "scopeMetrics": [{"metrics": metrics}]}]}

    class Counting:
        noted, dropped = {}, {}

        def note(self, name, count):
            self.noted[name] = count

        def drop(self, name, count):
            self.dropped[name] = count

    outcome = otlp.receive(lambda *_: Counting(), "metrics", body)
    assert outcome == otlp.Outcome(0, {"otlp_metrics": 2}, {})


def test_a_log_read_while_it_grows_says_the_same_as_the_whole():
    for path in [CASE / f"{SESSION}.jsonl", conformance.shared("droid") / "droid-session.jsonl"]:
        whole = path.read_bytes()
        at_once = conformance.read_in_steps(droid, [len(whole)], whole, path)
        assert at_once
        assert conformance.read_in_steps(droid, range(1, len(whole) + 77, 77), whole, path) == at_once
        assert conformance.read_file(droid, path, markers=False) == at_once, "a marker hides a line"


def test_no_text_of_the_published_session_comes_out():
    folder = conformance.shared("droid")
    log, settings = folder / "droid-session.jsonl", folder / "droid-session.settings.json"
    for path, records in (
        (log, conformance.lines_of(log)),
        (settings, droid.explode(json.loads(settings.read_bytes()))),
    ):
        lines = conformance.drafts(droid, [conformance.canaried(record, NO_CONTENT) for record in records], path)
        assert len(lines) > 1
        assert not [line for line in lines if conformance.CANARY.encode() in line], path.name


REAL = [
    *conformance.lines_of(CASE / f"{SESSION}.jsonl"),
    *droid.explode(json.loads((CASE / f"{SESSION}.settings.json").read_bytes())),
]


@given(st.data(), JSON)
def test_no_value_in_no_place_of_a_record_breaks_the_source(data, document):
    position = data.draw(st.integers(0, len(REAL) - 1))
    place = data.draw(st.sampled_from(conformance.places(REAL[position])))
    changed = conformance.replaced(REAL[position], place, data.draw(JSON))
    records = [REAL[0], changed, *REAL[position + 1 : position + 4], *droid.explode(document)]
    conformance.drafts(droid, records, CASE / f"{SESSION}.settings.json")
