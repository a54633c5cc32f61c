"""LiteLLM's records: what is counted, under which ids, and that nothing that people wrote comes out."""

import csv
import io
import json
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.conformance import FIXTURES, canaried, expect, json_values, places, replaced, shared  # noqa: TID251
from meterhouse_collector.cursors import copy_cursors
from meterhouse_collector.gateways import litellm
from meterhouse_collector.gateways.litellm_call import provider_response_id
from meterhouse_collector.gateways.providers import bare_model
from meterhouse_collector.gateways.user_agents import client_of
from meterhouse_collector.inlet import Inlet
from meterhouse_collector.outbox import Outbox
from meterhouse_collector.privacy import Publisher

OWN = FIXTURES / "litellm"
KEY = b"a key of the organisation"
TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens")  # fmt: skip
FACTS = {"id", "request_id", "litellm_call_id", "call_type", "status", "startTime", "endTime", "completionStartTime", "model",
         "custom_llm_provider", "cache_hit", "error_code", "error_class", "error_rate_limit_category", "error_rate_limit_type",
         "trace_id", "session_id", "user_agent", "service_tier", "speed", "inference_geo", "llm_provider-request-id",
         "error_provider_request_id"}  # fmt: skip
NAMED = ("gateway_team", "gateway_key", "tags", "model_requested")  # by the organisation itself, and sent by design


class Out(Outbox):
    """Keeps the lines in memory."""

    def __init__(self):
        super().__init__(copy_cursors(""))
        self.lines = []

    def _keep(self, entries):
        self.lines += [entry.line for entry in entries]


def taken(records, key=KEY, privacy="names"):
    """Lines of the events of records, through the real inlet and privacy wall, as the gateway's own machine."""
    out = Out()
    inlet = Inlet(out, Publisher("the-gateway-machine", privacy, key), litellm.SOURCE, litellm.CHANNEL)
    for record in records:
        for draft in litellm.drafts_of(record, inlet) or ():
            inlet.take(draft)
    assert not inlet.refused
    inlet.commit()
    return out.lines


def events(records, **more):
    return [json.loads(line) for line in taken(records, **more)]


def lines_of(path):
    return [json.loads(line, parse_float=str) for line in path.read_bytes().split(b"\n") if line]


def objects(*names):
    """Records of all objects below a folder of real ones."""
    folder = shared("litellm", *names)
    return [record for path in sorted(folder.rglob("*.json*")) for record in lines_of(path)]


def requests(found):
    return [event for event in found if event["kind"] == "model_request"]


def test_every_trap_gives_the_events_that_were_reviewed():
    found = events(lines_of(OWN / "payloads.jsonl"))
    expect(found, OWN / "expected.jsonl")


def test_a_row_of_the_table_and_an_object_of_the_same_call_are_one_event():
    objects, rows = events(lines_of(OWN / "payloads.jsonl")), events(lines_of(OWN / "spend_logs.jsonl"))
    assert [event["event_id"] for event in rows] == [event["event_id"] for event in objects]
    gateways_own = ("limit_dimension", "limit_name", "provider_request_id")  # from response headers, which no row has
    for event, other in zip(objects, rows, strict=True):
        assert {k: v for k, v in other.items() if k not in gateways_own} == {
            k: v for k, v in event.items() if k not in gateways_own
        }


def test_a_row_of_which_everything_is_text_reads_the_same():
    rows = lines_of(OWN / "spend_logs.jsonl")
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    file.seek(0)
    assert taken(csv.DictReader(file)) == taken(rows)


@pytest.mark.parametrize("name", ["payloads.jsonl", "spend_logs.jsonl"])
@pytest.mark.parametrize("privacy", ["names", "counts"])
def test_no_content_comes_out(name, privacy):
    assert (OWN / name).read_text().count("CANARY") > 100
    lines = taken(lines_of(OWN / name), privacy=privacy)
    assert len(lines) == 13
    assert b"CANARY" not in b"".join(lines)


def test_at_level_counts_keys_and_tags_are_told_apart_and_not_read():
    text = b"".join(taken(lines_of(OWN / "payloads.jsonl"), privacy="counts"))
    assert b"laptop-1" not in text
    assert b"repo:shop" not in text
    assert b'"gateway_key":"key-' in text
    assert b'"tags":["tag-' in text


def test_people_are_pseudonyms_and_without_a_key_nobody_never_the_gateways_machine():
    found = events(lines_of(OWN / "payloads.jsonl"))
    assert {len(event["person_key"]) for event in found} == {32}
    assert [len(event["end_user_key"]) for event in found if "end_user_key" in event] == [32]
    nobody = events(lines_of(OWN / "payloads.jsonl"), key=None)
    assert not [event for event in nobody if "person_key" in event or "end_user_key" in event]


@pytest.mark.parametrize("user", ["default_user_id", "", None])
def test_the_user_that_litellm_makes_up_is_nobody(user):
    record = lines_of(OWN / "payloads.jsonl")[0]
    record["metadata"].update(user_api_key_user_email=None, user_api_key_user_id=user)
    assert "person_key" not in events([record])[0]


def test_real_objects_of_both_layouts_give_their_known_sums():
    found = requests(events(objects("s3_per_request") + objects("s3_batch")))
    assert Counter(event["status"] for event in found) == {"ok": 7, "rate_limited": 3, "error": 1}
    assert sum(event["input_tokens"] for event in found if event["status"] == "ok") == 15027 + 15442 + 20480 + 4 * 5200
    assert sum(event["output_tokens"] for event in found if event["status"] == "ok") == 142 + 17 + 700 + 4 * 310
    cost = sum(Decimal(event["reported_cost_usd"]) for event in found if event["status"] == "ok")
    assert cost == Decimal("0.13871125") + Decimal("0.0105555") + Decimal("0.014168") + 4 * Decimal("0.004992")


def test_real_rows_and_real_objects_are_the_same_events():
    rows = events(lines_of(shared("litellm", "spend_logs") / "spend_logs.jsonl"))
    found = {event["event_id"] for event in events(objects("s3_per_request") + objects("s3_batch"))}
    assert len(rows) == 12
    assert {event["event_id"] for event in rows} <= found


def test_real_limits_say_who_refused_and_what():
    found = [event for event in events(objects("s3_batch")) if event["kind"] == "rate_limit"]
    assert [(e["limited_by"], e["limit_dimension"], e["limit_name"]) for e in found] == [
        ("provider", "tokens", "provider.tokens"), ("gateway", "requests", "gateway.requests")]  # fmt: skip


def test_a_real_mcp_call_is_a_tool_call_and_no_request():
    found = events(objects("s3_batch", "litellm-batch", "Payments"))
    assert [(event["kind"], event["tool_name"], event["success"]) for event in found] == [
        ("tool_call", "mcp_tool", True)
    ]
    assert b"get_ticket" not in b"".join(taken(objects("s3_batch", "litellm-batch", "Payments")))


def test_real_tags_carry_no_user_agent_and_a_session_is_no_end_user():
    found = requests(events(objects("s3_per_request", "litellm", "Payments")))
    assert [event.get("tags") for event in found] == [["repo:payments-api", "ci"], ["repo:hello"], ["repo:hello"]]
    assert ["end_user_key" in event for event in found] == [True, False, False]
    assert found[1]["session_id"] == "90879652-a0b6-4c39-80de-0a1c039d7369"


def test_a_capture_seen_by_the_gateway_alone_equals_what_the_provider_billed():
    capture = shared("captures", "claude-gateway-edit")
    records = [record for path in sorted((capture / "gateway").rglob("*.json")) for record in lines_of(path)]
    billed = {row["id"]: (row["model"], row["input"], row["cache_read"], row["cache_write"], row["output"])
              for row in lines_of(capture / "truth.jsonl")}  # fmt: skip
    seen = {}
    for event in events(records):
        read, write = event["cache_read_tokens"], event["cache_write_tokens"]
        tokens = (event["input_tokens"] - read - write, read, write, event["output_tokens"])
        seen[event["response_id"]] = (event["model"], *tokens)
        assert write == event["cache_write_5m_tokens"] + event["cache_write_1h_tokens"]
    assert len(billed) == 6
    assert seen == billed


def test_a_record_that_leaves_the_cache_out_of_its_prompt_is_made_whole():
    record = lines_of(OWN / "payloads.jsonl")[0]
    record["prompt_tokens"] = 6
    assert requests(events([record]))[0]["input_tokens"] == 15027


def test_cost_finalized_is_no_filter_and_a_cost_is_never_rounded_by_a_float():
    record = lines_of(OWN / "payloads.jsonl")[0]
    assert record["cost_finalized"] is False
    exact = {"0.1": "0.1", "0.123456789012": "0.123456789012", "1E-7": "0.0000001", "1e400": None, "NaN": None}
    for cost, expected in exact.items():
        record["response_cost"] = cost
        assert events([record])[0].get("reported_cost_usd") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resp_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOm9wZW5haTttb2RlbF9pZDptO3Jlc3BvbnNlX2lkOnJlc3BfMQ==", "resp_1"),
        ("resp_0a1b2c3d4e5f", "resp_0a1b2c3d4e5f"),
        ("resp_BdNdkPKetZGEZsCkvIZ5SVFM", "resp_BdNdkPKetZGEZsCkvIZ5SVFM"),
        ("msg_1", "msg_1"),
        ("resp_" + "x" * 400, None),
    ],
)
def test_a_wrapped_response_id_is_the_providers_own(name, expected):
    assert provider_response_id(name) == expected


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        ("claude-cli/2.1.328 (external, sdk-cli)", ("claude_code", "2.1.328", "sdk-cli")),
        ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)", ("codex", "0.169.0", None)),
        ("opencode/1.0.2 runtime/bun", ("opencode", "1.0.2", None)),
        ("ai-sdk/openai/2.0.0 Kilo-Code/4.1.0", ("kilo", "4.1.0", None)),
        ("GeminiCLI/0.19.0 (linux; x64)", ("gemini_cli", "0.19.0", None)),
        ("OpenAI/JS 5.20.1", ("unknown", None, None)),
        ("curl/7.88.1", ("unknown", None, None)),
        (None, ("unknown", None, None)),
    ],
)
def test_an_agent_is_known_by_its_user_agent_or_unknown(user_agent, expected):
    assert client_of(user_agent) == expected


@pytest.mark.parametrize(
    ("model", "provider", "expected"),
    [
        ("anthropic/claude-opus-4-5", "anthropic", "claude-opus-4-5"),
        ("openrouter/anthropic/claude-x", "openrouter", "anthropic/claude-x"),
        ("anthropic/claude-x", "openrouter", "anthropic/claude-x"),
        ("vertex_ai/claude-x", "vertex_ai-anthropic_models", "claude-x"),
        ("bedrock/converse/us.anthropic.claude-x", "bedrock", "us.anthropic.claude-x"),
        ("no-such", None, "no-such"),
    ],
)
def test_a_model_loses_its_providers_prefix_and_nothing_else(model, provider, expected):
    assert bare_model(model, provider) == expected


RECORDS = lines_of(OWN / "payloads.jsonl") + lines_of(OWN / "spend_logs.jsonl")
PLACES = [(number, place) for number, record in enumerate(RECORDS) for place in places(record) if place]


@settings(deadline=None)
@given(st.sampled_from(PLACES), json_values())
def test_a_hostile_value_in_any_place_breaks_nothing_else(place, value):
    number, where = place
    record = replaced(RECORDS[number], where, value)
    out = Out()
    inlet = Inlet(out, Publisher("m", "names", KEY), litellm.SOURCE, litellm.CHANNEL)
    for draft in litellm.drafts_of(record, inlet) or ():
        inlet.take(draft)
    inlet.commit()


@settings(deadline=None)
@given(json_values())
def test_what_is_no_record_gives_nothing(value):
    assert not litellm.drafts_of(value, None)


@pytest.mark.parametrize("number", range(len(RECORDS)))
def test_every_text_that_is_no_fact_may_be_a_secret(number):
    for event in events([canaried(RECORDS[number], FACTS)]):
        for name in NAMED:
            event.pop(name, None)
        assert "CANARY" not in json.dumps(event)
