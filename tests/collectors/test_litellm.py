"""LiteLLM's records: tokens, money and refusals exact in both forms, content read in none, the same call counted once."""

import contextlib
import copy
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.conformance import CANARY, json_values, shared  # noqa: TID251 - tests/collectors
from collectors.laptop import Laptop  # noqa: TID251 - tests/collectors
from meterhouse_collector import events
from meterhouse_collector.__main__ import main
from meterhouse_collector.gateways import litellm, litellm_callback

KEY = "an organisation's key"


class Here:
    """What an inlet offers a source."""

    def tool_key(self, name):
        return f"key of {name}"

    def pseudonym(self, name):
        return f"p-{name}" if name else None


def payload(**more):
    """A StandardLoggingPayload with a canary wherever content may stand."""
    metadata = {
        "user_api_key_alias": "laptop-7", "user_api_key_team_alias": "Payments", "user_api_key_user_id": "u-1",
        "user_api_key_user_email": f"{CANARY}mail@example.com", "requester_ip_address": f"{CANARY}ip",
        "requester_custom_headers": {"authorization": f"{CANARY}header"}, "spend_logs_metadata": {"note": f"{CANARY}note"},
        "user_agent": "claude-cli/2.1.328 (external, sdk-cli)",
        "usage_object": {
            "prompt_tokens": 15027, "completion_tokens": 142, "inference_geo": "global",
            "completion_tokens_details": {"reasoning_tokens": 2},
            "prompt_tokens_details": {"cached_tokens": 0, "cache_creation_tokens": 15021, "cache_creation_token_details": {
                "ephemeral_5m_input_tokens": 4021, "ephemeral_1h_input_tokens": 11000}},
        },
    }  # fmt: skip
    return {
        "id": "msg_0123456789abcdef01234567", "litellm_call_id": "c-1", "trace_id": "s-1", "session_id": "",
        "call_type": "anthropic_messages", "status": "success", "custom_llm_provider": "anthropic",
        "startTime": 1795167986.788637, "endTime": 1795167986.842039, "completionStartTime": 1795167986.829803,
        "model": "anthropic/claude-opus-4-5", "model_group": "opus", "response_cost": 0.13871125, "cache_hit": False,
        "request_tags": ["repo:hello", "User-Agent: claude-cli", "User-Agent: claude-cli/2.1.328 (external, sdk-cli)"],
        "end_user": f'{{"device_id":"{CANARY}device","session_id":"s-1"}}', "messages": [{"content": f"{CANARY}prompt"}],
        "response": {"content": f"{CANARY}answer"}, "model_parameters": {"tools": [f"{CANARY}tool"]}, "metadata": metadata,
        "error_information": {"error_message": f"{CANARY}message", "traceback": f"{CANARY}trace"}, **more,
    }  # fmt: skip


def read(record):
    """The events of one record, as the inlet makes them."""
    return [
        events.make(
            draft.kind,
            source="litellm",
            channel="gateway",
            occurred_at=draft.occurred_at,
            key=draft.key,
            **draft.values,
        )
        for draft in litellm.drafts(record, Here())
    ]


def one(record):
    (event,) = read(record)
    return event


def test_prompt_tokens_hold_the_cache_and_money_stays_a_decimal():
    event = one(payload())
    assert {name: event[name] for name in event if name.endswith(("_tokens", "_usd", "_basis"))} == {
        "input_tokens": 15027, "cache_read_tokens": 0, "cache_write_tokens": 15021, "cache_write_5m_tokens": 4021,
        "cache_write_1h_tokens": 11000, "output_tokens": 142, "reasoning_tokens": 2, "reported_cost_usd": "0.13871125",
        "reported_cost_basis": "gateway_list"}  # fmt: skip


def test_who_and_what_are_kept_and_claude_codes_end_user_is_none():
    event = one(payload())
    assert event["person_key"] == f"p-{CANARY}mail@example.com", "as a pseudonym of the mail address"
    assert (event["gateway_team"], event["gateway_key"], event["tags"]) == ("Payments", "laptop-7", ["repo:hello"])
    assert (event["agent"], event["agent_version"], event["session_id"]) == ("claude_code", "2.1.328", "s-1")
    assert (event["model"], event["model_requested"], event["provider"]) == ("claude-opus-4-5", "opus", "anthropic")
    assert "end_user_key" not in event
    assert one(payload(end_user="cust-42"))["end_user_key"] == "p-cust-42"


@pytest.mark.parametrize(("error", "limited_by", "dimension"), [
    ({"error_code": "429", "error_rate_limit_category": "vendor_rate_limit"}, "provider", None),
    ({"error_code": "429", "error_rate_limit_category": "litellm_rate_limit", "error_rate_limit_type": "requests"}, "gateway", "requests"),
    ({"error_code": "400", "error_rate_limit_category": "litellm_rate_limit", "error_rate_limit_type": "budget"}, "gateway", "budget"),
])  # fmt: skip
def test_a_refusal_says_who_limited_what_and_costs_nothing(error, limited_by, dimension):
    request, limit = read(payload(id="c-1", status="failure", response_cost=0.0, error_information=error,
                                  hidden_params={"additional_headers": {"retry-after": "7"}}))  # fmt: skip
    assert (request["status"], request["limited_by"], request.get("limit_dimension")) == (
        "rate_limited",
        limited_by,
        dimension,
    )
    assert not {"input_tokens", "output_tokens", "reported_cost_usd", "response_id"} & request.keys()
    assert (limit["kind"], limit["limited_by"], limit["limit_resets_at"]) == (
        "rate_limit",
        limited_by,
        "2026-11-20T09:46:33Z",
    )


def test_any_other_failure_is_an_error():
    event = one(
        payload(
            id="c-1", status="failure", error_information={"error_code": "500", "error_class": "InternalServerError"}
        )
    )
    assert (event["status"], event["http_status"], event["error_class"]) == ("error", 500, "InternalServerError")


def test_an_mcp_call_is_a_tool_call_under_the_key_that_the_agents_file_gives_it():
    event = one(payload(call_type="call_mcp_tool", model="MCP: get_ticket", metadata={
        "mcp_tool_call_metadata": {"namespaced_tool_name": "tickets/get_ticket", "arguments": f"{CANARY}arguments"}}))  # fmt: skip
    assert (event["kind"], event["tool_name"], event["tool_key"], event["success"]) == (
        "tool_call", "mcp_tool", "key of mcp__tickets__get_ticket", True)  # fmt: skip


def test_an_answer_from_the_gateways_own_cache_is_not_the_response_that_it_repeats():
    event = one(payload(cache_hit=True))
    assert event["is_gateway_cache_hit"] is True
    assert "response_id" not in event


def test_a_subscription_that_passes_through_says_so():
    assert one(payload(metadata={"used_client_oauth_token": True}))["is_subscription"] is True


def test_the_responses_apis_id_is_unwrapped_or_left_out():
    wrapped = "resp_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOm9wZW5haTttb2RlbF9pZDpNO3Jlc3BvbnNlX2lkOnJlc3BfMDEyMzQ1Njc4OWFiY2RlZg=="
    assert one(payload(id=wrapped))["response_id"] == "resp_0123456789abcdef"
    assert "response_id" not in one(payload(id="resp_" + "BdNdkPKetZGEZsCk" * 20))


@pytest.mark.parametrize(("user_agent", "agent", "version"), [
    ("codex_cli_rs/0.169.0 (Ubuntu 24.4.0; x86_64) xterm", "codex", "0.169.0"), ("opencode/1.18.33", "opencode", "1.18.33"),
    ("GeminiCLI/0.61.0/gemini (linux; x64)", "gemini_cli", "0.61.0"), ("curl/7.88.1", "unknown", None), (None, "unknown", None),
])  # fmt: skip
def test_the_agent_is_known_by_its_user_agent(user_agent, agent, version):
    event = one(payload(metadata={"user_agent": user_agent}))
    assert (event["agent"], event.get("agent_version")) == (agent, version)


def test_no_content_comes_out_of_any_field():
    for record in (
        payload(),
        payload(status="failure", error_information={"error_message": f"{CANARY}x", "error_code": "429"}),
    ):
        text = json.dumps(read(record)).replace(f"p-{CANARY}mail@example.com", "")
        assert CANARY not in text


def test_a_row_of_spend_logs_and_the_object_of_the_same_call_are_one_event():
    metadata = {**payload()["metadata"], "litellm_call_id": "c-1"}
    row = {
        "request_id": "msg_0123456789abcdef01234567", "call_type": "anthropic_messages", "startTime": "2026-11-20T09:46:26.788637+00:00",
        "endTime": "2026-11-20 09:46:26.842039", "model": "anthropic/claude-opus-4-5", "user": "u-1", "spend": Decimal("0.13871125"),
        "prompt_tokens": 15027, "completion_tokens": 142, "session_id": "s-1", "custom_llm_provider": "anthropic", "status": "success",
        "metadata": json.dumps(metadata), "request_tags": json.dumps(payload()["request_tags"]), "cache_hit": "False", "model_group": "opus",
    }  # fmt: skip
    assert {**one(row), "time_to_first_token_ms": 41} == one(payload())


@given(st.data())
def test_a_record_of_any_shape_breaks_nothing(data):
    record = copy.deepcopy(payload())
    for name in data.draw(st.lists(st.sampled_from(sorted(record)), max_size=6)):
        record[name] = data.draw(json_values())
    inner = record["metadata"] if isinstance(record["metadata"], dict) else {}
    for name in data.draw(st.lists(st.sampled_from(sorted(inner)), max_size=4)) if inner else ():
        inner[name] = data.draw(json_values())
    for draft in litellm.drafts(record, Here()):
        with contextlib.suppress(events.ContractError):  # counted by the inlet
            events.make(
                draft.kind,
                source="litellm",
                channel="gateway",
                occurred_at=draft.occurred_at,
                key=draft.key,
                **draft.values,
            )


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path)


def bring(laptop, path):
    return main(
        [
            "import",
            "litellm",
            str(path),
            "--spool",
            str(laptop.spool),
            "--home",
            str(laptop.home),
            "--to",
            str(laptop.to),
        ]
    )


def test_the_gateways_captured_objects_equal_what_was_billed(laptop):
    capture = shared("captures", "claude-gateway-edit")
    bring(laptop, capture / "gateway")
    billed = [json.loads(line) for line in (capture / "truth.jsonl").read_text().splitlines()]
    assert sorted(
        (event["response_id"], event["input_tokens"] - event["cache_read_tokens"] - event["cache_write_tokens"],
         event["cache_read_tokens"], event["cache_write_tokens"], event["output_tokens"]) for event in laptop.events()
    ) == sorted((row["id"], row["input"], row["cache_read"], row["cache_write"], row["output"]) for row in billed)  # fmt: skip


def test_objects_batches_and_rows_of_the_same_calls_are_imported_once(laptop, capsys):
    root = shared("litellm")
    for path in (root / "spend_logs", root / "s3_batch", root / "s3_per_request", root):
        assert bring(laptop, path) == 0
    kinds = [event["kind"] for event in laptop.events()]
    assert (kinds.count("model_request"), kinds.count("tool_call"), kinds.count("rate_limit")) == (11, 1, 3)
    spent = sum(Decimal(event.get("reported_cost_usd", 0)) for event in laptop.events())
    rows = [
        json.loads(line, parse_float=Decimal)
        for line in (root / "spend_logs" / "spend_logs.jsonl").read_text().splitlines()
    ]
    pico = Decimal("1e-12")  # LiteLLM's floats end in digits that mean nothing
    assert spent == sum(Decimal(row["spend"]).quantize(pico) for row in rows if row["call_type"] != "call_mcp_tool")
    assert "@" not in json.dumps(laptop.events())


def test_importing_again_ships_nothing_and_a_late_object_alone_is_read(laptop):
    folder = laptop.root / "bucket" / "2026-11-20"
    folder.mkdir(parents=True)
    (folder / "time-1_a.json").write_text(json.dumps(payload()))
    (folder / "batch_2.jsonl").write_text(
        json.dumps(payload(litellm_call_id="c-2")) + "\nno json\n" + json.dumps(payload(litellm_call_id="c-3"))
    )
    (folder / "audit-1.json").write_text("{}")
    bring(laptop, laptop.root / "bucket")
    bring(laptop, laptop.root / "bucket")
    assert [event["gateway_call_id"] for event in laptop.events()] == ["c-2", "c-3", "c-1"]
    assert laptop.dropped() == {"not_json": 1}
    (folder / "time-0_late.json").write_text(json.dumps(payload(litellm_call_id="c-4")))
    bring(laptop, laptop.root / "bucket")
    assert len(laptop.segments()) == 2
    assert [event["gateway_call_id"] for event in laptop.events()][-1] == "c-4"


def test_a_path_that_is_not_there_is_one_line(laptop, capsys):
    assert bring(laptop, laptop.root / "nothing") == 1
    assert capsys.readouterr().err.count("\n") == 1


PROXY = """
import asyncio, json, sys
from meterhouse_collector.gateways.litellm_callback import handler
async def serve(records):
    for record in records:
        await handler.async_log_success_event({"standard_logging_object": record}, None, None, None)
asyncio.run(serve(json.load(sys.stdin)))
"""


def test_workers_of_a_proxy_write_and_ship_side_by_side(laptop):
    environment = {**os.environ, "METERHOUSE_TO": str(laptop.to), "METERHOUSE_SPOOL": str(laptop.root / "spools"),
                   "PYTHONPATH": os.pathsep.join([str(Path(litellm.__file__).parents[2]), os.environ.get("PYTHONPATH", "")])}  # fmt: skip
    workers = [
        subprocess.Popen([sys.executable, "-c", PROXY], env=environment, stdin=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for number, worker in enumerate(workers):
        worker.stdin.write(json.dumps([payload(litellm_call_id=f"c-{number}-{call}") for call in range(40)]))
        worker.stdin.close()
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert len({event["gateway_call_id"] for event in laptop.events()}) == len(laptop.events()) == 120
    assert {event["source"] for event in laptop.events()} == {"litellm"}


def test_a_callback_neither_waits_nor_fails_when_the_queue_is_full(monkeypatch):
    monkeypatch.setattr(litellm_callback, "QUEUE_MAX", 2)
    writer = litellm_callback.Writer()
    for record in ({}, {}, {}, None, "text"):
        writer.hand_over(record)
    assert writer.overflow() == 1
