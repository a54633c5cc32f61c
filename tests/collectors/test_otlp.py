"""OTLP dialects: what real agents send counts as their provider billed it, and nothing that they say in words comes out."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.conformance import CANARY, FIXTURES, SHARED, expect, json_values, places, replaced, shared  # noqa: TID251
from collectors.pushed import Pushed, bodies_of  # noqa: TID251
from meterhouse_collector.otlp import dialects

CASES = sorted(path.name for path in (FIXTURES / "otlp").iterdir())
CAPTURES = ["claude-edit", "claude-gateway-edit", "claude-resume", "claude-subagent", "codex-edit", "gemini-edit", "gemini-fail",
            "qwen-edit"]  # fmt: skip


def case(name):
    return bodies_of(FIXTURES / "otlp" / name / "bodies.jsonl")


@pytest.mark.parametrize("name", CASES)
def test_a_dialect_reads_its_fixture(name):
    expect(Pushed(b"k" * 16).take(*case(name)).events, FIXTURES / "otlp" / name / "expected.jsonl")


def test_every_dialect_has_a_fixture():
    assert sorted(dialect.name for dialect in dialects.installed()) == CASES


@pytest.mark.parametrize("name", CASES)
def test_no_content_comes_out(name):
    text = (FIXTURES / "otlp" / name / "bodies.jsonl").read_text()
    assert text.count(CANARY) > 5
    assert CANARY.encode() not in b"".join(Pushed(b"k" * 16).take(*case(name)).out.lines)


@pytest.mark.parametrize("name", CASES)
def test_a_body_sent_again_adds_nothing_and_is_accepted(name):
    pushed = Pushed().take(*case(name))
    count, first = len(pushed.events), list(pushed.outcomes)
    pushed.take(*case(name))
    assert len(pushed.events) == count > 0
    assert pushed.outcomes[len(first) :] == first


@pytest.mark.parametrize("name", CASES)
def test_numbers_may_come_as_texts_ints_or_floats(name):
    with_text = [json.loads(body) for body in case(name)]

    def as_text(value):
        if isinstance(value, dict):
            return {key: str(item) if key == "intValue" else as_text(item) for key, item in value.items()}
        return [as_text(item) for item in value] if isinstance(value, list) else value

    plain = Pushed().take(*case(name)).events
    assert Pushed().take(*map(as_text, with_text)).events == plain
    assert Pushed().take(*with_text).events == plain


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_hostile_values_anywhere_break_nothing(name, data):
    body = json.loads(data.draw(st.sampled_from(case(name))))
    place = data.draw(st.sampled_from(places(body)))
    Pushed().take(replaced(body, place, data.draw(json_values())))


def test_equal_tokens_in_one_session_stay_two_requests():
    for name in ("claude_code", "codex", "genai"):
        requests = Pushed().take(*case(name)).requests()
        assert max(Counter(requests).values()) >= 2


def test_every_record_is_accepted_ignored_or_rejected_by_reason():
    pushed = Pushed().take(*case("genai"))
    outcome = pushed.outcomes[-1]
    assert outcome.rejected == {"otlp_unknown": 2}
    assert outcome.accepted + sum(outcome.ignored.values()) + sum(outcome.rejected.values()) == 6
    assert pushed.out.cursors.dropped() == {"otlp_unknown": 2}


def test_metrics_are_counted_and_not_read():
    points = [{"asInt": "5"}, {"asInt": "6"}]
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "x", "sum": {"dataPoints": points}}]}]}]}
    pushed = Pushed().take(body)
    assert pushed.events == []
    assert pushed.outcomes[0].ignored == {"otlp_metrics": 2}
    assert pushed.out.cursors.totals() == {"otlp_metrics": 2}


def test_a_gateway_is_a_witness_of_its_own_and_its_end_user_is_a_pseudonym_or_nobody():
    events = [event for event in Pushed(b"k" * 16).take(*case("genai")).events if event.get("gateway")]
    assert {(event["channel"], event["source"], event.get("person_key")) for event in events} == {
        ("gateway", "otlp_gateway", None)
    }
    assert len(events[0]["end_user_key"]) == 32
    assert "end_user_key" not in Pushed().take(*case("genai")).events[0]


@pytest.mark.parametrize("capture", CAPTURES)
def test_requests_of_a_capture_equal_what_the_provider_billed(capture):
    folder = shared("captures", capture)
    billed = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    answered = [row for row in billed if row.get("status") != 429]
    seen = Pushed().take(*bodies_of(folder / "otlp-logs.jsonl")).requests()
    truth = [(row["model"], row["input"], row["cache_read"], row["cache_write"], row["output"]) for row in answered]
    assert Counter(seen) == Counter(truth)


GENERATED = {  # requests that the run's provider answered, and their tokens in and out
    "claude/generated/otlp/fresh_logs.jsonl": 12,
    "codex/generated/otlp/fresh_logs.jsonl": 10,
    "gemini/generated/otlp/fresh_logs.jsonl": 9,
    "qwen/generated/otlp/fresh_logs.jsonl": 8,
}


@pytest.mark.parametrize("file", GENERATED)
def test_requests_of_a_generated_run_are_each_there_once(file):
    found = Pushed().take(*bodies_of(shared(*file.split("/"))))
    assert len(found.requests()) == GENERATED[file]
    assert not any(outcome.rejected for outcome in found.outcomes)


def test_no_recorded_body_of_a_known_agent_is_refused():
    shared("captures")
    for path in sorted(SHARED.resolve().glob("**/otlp*/**/*_logs.jsonl")) + sorted(
        SHARED.resolve().glob("captures/*/otlp-logs.jsonl")
    ):
        for outcome in Pushed().take(*bodies_of(path)).outcomes:
            assert outcome.rejected == {}, path


def test_a_failed_request_says_status_attempt_and_whose_limit_it_was():
    shared("claude", "generated")
    found = Pushed().take(*bodies_of(shared("claude", "generated", "otlp", "api_error_logs.jsonl"))).events
    failures = [event for event in found if event["kind"] == "model_request"]
    assert [
        (event["status"], event["http_status"], event["attempt"], event.get("limited_by")) for event in failures
    ] == [
        ("error", 529, 2, None),
        ("rate_limited", 429, 2, "provider"),
    ]
