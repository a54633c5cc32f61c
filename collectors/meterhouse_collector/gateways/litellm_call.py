"""The two forms in which LiteLLM writes down a call, under one set of names: only what `litellm.py` needs is picked up here."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Dict, NamedTuple, Optional

from meterhouse_collector.json_values import count, ident, part
from meterhouse_collector.lines import instant, millis_between


class Call(NamedTuple):
    """One call, from either form, under one set of names."""

    call_id: Optional[str]
    given_id: Any
    session: Any
    call_type: Any
    is_ok: bool
    started_at: Optional[str]
    duration_ms: Optional[int]
    first_token_ms: Optional[int]
    model: Any
    group: Any
    provider: Any
    cost: Any
    usage: Dict[str, Any]
    tags: Any
    end_user: Any
    user_agent: Any
    is_cached: bool
    error: Dict[str, Any]
    retry_after: Any
    tool: Any
    service_tier: Any
    metadata: Dict[str, Any]


def is_payload(record: Dict[str, Any]) -> bool:
    """Whether it is what the S3, GCS and Azure loggers and callbacks get."""
    return "litellm_call_id" in record and "startTime" in record and "response_cost" in record


def is_row(record: Dict[str, Any]) -> bool:
    """Whether it is a row of LiteLLM_SpendLogs."""
    return "request_id" in record and "spend" in record and "startTime" in record


def of_payload(record: Dict[str, Any]) -> Call:
    """A StandardLoggingPayload, as callbacks and the object-storage loggers get it."""
    metadata = part(record, "metadata")
    start, end, first = (_instant(record.get(name)) for name in ("startTime", "endTime", "completionStartTime"))
    headers = part(part(record, "hidden_params"), "additional_headers")
    # the session is in trace_id here, and session_id is empty
    return Call(
        ident(record.get("litellm_call_id")), record.get("id"), record.get("session_id") or record.get("trace_id"),
        record.get("call_type"), record.get("status") == "success", start, millis_between(start, end), millis_between(start, first),
        record.get("model"), record.get("model_group"), record.get("custom_llm_provider"), record.get("response_cost"),
        part(metadata, "usage_object"), record.get("request_tags"), record.get("end_user"),
        metadata.get("user_agent") or record.get("user_agent"), record.get("cache_hit") is True,
        part(record, "error_information"), headers.get("retry-after"),
        part(metadata, "mcp_tool_call_metadata").get("namespaced_tool_name"),
        part(record, "cost_breakdown").get("service_tier"), metadata,
    )  # fmt: skip


def of_row(record: Dict[str, Any]) -> Call:
    """A row of SpendLogs: metadata and tags are JSON inside the row's text; `cache_hit` is a word."""
    metadata = _parsed(record.get("metadata"), dict)
    start, end, first = (_instant(record.get(name)) for name in ("startTime", "endTime", "completionStartTime"))
    usage = part(metadata, "usage_object") or part(metadata, "additional_usage_values")
    whole = {
        "prompt_tokens": number(record.get("prompt_tokens")),
        "completion_tokens": number(record.get("completion_tokens")),
    }
    return Call(
        ident(record.get("litellm_call_id")) or ident(metadata.get("litellm_call_id")), record.get("request_id"),
        record.get("session_id"), record.get("call_type"), record.get("status") != "failure" and metadata.get("status") != "failure",
        start, millis_between(start, end), millis_between(start, first), record.get("model"), record.get("model_group"),
        record.get("custom_llm_provider"), record.get("spend"), {**usage, **whole}, _parsed(record.get("request_tags"), list),
        record.get("end_user"), metadata.get("user_agent"), record.get("cache_hit") in ("True", True),
        part(metadata, "error_information"), None, record.get("mcp_namespaced_tool_name"),
        part(metadata, "cost_breakdown").get("service_tier"), {**metadata, "user_api_key_user_id": record.get("user")},
    )  # fmt: skip


def number(value: Any) -> Optional[int]:
    """A whole number, also as text."""
    return (
        int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12
        else count(value)
    )


def _parsed(value: Any, kind: type) -> Any:
    """A column that is JSON, or JSON in a text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return kind()
    return value if isinstance(value, kind) else kind()


def _instant(value: Any) -> Optional[str]:
    """Seconds since 1970 as a number or its text, or ISO 8601; a row without a zone is in UTC."""
    if isinstance(value, str) and "-" in value:
        return instant(value) or instant(value.replace(" ", "T", 1) + "Z")
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        return instant(
            (
                datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=int(Decimal(str(value)) * 10**6))
            ).isoformat()
        )
    except (InvalidOperation, ValueError, OverflowError):
        return None
