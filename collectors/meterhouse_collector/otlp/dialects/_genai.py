"""OpenTelemetry's GenAI attributes as drafts: what Copilot, gateways and every other program say in the same words.

State of the conventions: open-telemetry/semantic-conventions-genai at ef678ba7, all still "Development"; older names
follow the newer ones. Messages, instructions, arguments and results have attributes too, and none is read.
"""

from typing import Any, Dict, FrozenSet, Optional, Tuple

from meterhouse_collector.json_values import word
from meterhouse_collector.otlp.records import Attributes, Record

from ._shared import call_id_of, status_of, tool_of

CALLS = ("chat", "generate_content", "text_completion")
TOOL = "execute_tool"
AGENT = "invoke_agent"


def operation(record: Record) -> Optional[str]:
    """What was done, by the conventions' word."""
    return record.attributes.text("gen_ai.operation.name")


def session_id(record: Record) -> Optional[str]:
    """The conversation; a program that names none has its trace for one."""
    names = ("gen_ai.conversation.id", "session.id", "conversation.id")
    return record.attributes.ident(*names) or record.resource.ident("session.id") or record.trace_id


def request_values(record: Record) -> Dict[str, Any]:
    """One call of a model; the conventions count cache and reasoning inside, as we do."""
    given = record.attributes
    response_id, model = given.ident("gen_ai.response.id"), given.ident("gen_ai.response.model", "gen_ai.request.model")
    return {
        "native_id": response_id or record.span_id,
        "response_id": response_id,
        "provider": given.ident("gen_ai.provider.name", "gen_ai.system"),
        "model": model,
        "model_requested": given.ident("gen_ai.request.model"),
        **tokens(given),
        **outcome(record),
        "duration_ms": record.duration_ms,
        "time_to_first_token_ms": given.millis("gen_ai.response.time_to_first_chunk", 1000),
    }


def tokens(given: Attributes) -> Dict[str, Optional[int]]:
    """Newer names first; `prompt_tokens` and `completion_tokens` are those of 2024."""
    prefix = "gen_ai.usage."
    return {
        "input_tokens": given.count(prefix + "input_tokens", prefix + "prompt_tokens"),
        "cache_read_tokens": given.count(prefix + "cache_read.input_tokens", prefix + "cache_read_input_tokens"),
        "cache_write_tokens": given.count(
            prefix + "cache_creation.input_tokens", prefix + "cache_creation_input_tokens"
        ),
        "cache_write_1h_tokens": given.count("meterhouse.usage.cache_write_1h.input_tokens"),
        "output_tokens": given.count(prefix + "output_tokens", prefix + "completion_tokens"),
        "reasoning_tokens": given.count(prefix + "reasoning.output_tokens"),
    }


def outcome(record: Record) -> Dict[str, Any]:
    """Status by HTTP status, else by whether the span failed; `error.type` may be the HTTP status itself."""
    given, kind = record.attributes, record.attributes.ident("error.type")
    code = given.count("http.response.status_code", "http.status_code", "error.type")
    failed = record.is_error or kind is not None or (code or 0) >= 400
    if not failed:
        return {"status": "ok"}
    told = status_of(code)
    if code is None and "rate_limit" in (word(kind) or "").replace("ratelimit", "rate_limit"):
        told = {"status": "rate_limited", "limited_by": "provider"}
    return {**told, "error_class": None if (kind or "").isdigit() else kind}


def tool_values(record: Record, built_in: FrozenSet[str], here: Any) -> Dict[str, Any]:
    """One tool call."""
    given, name = record.attributes, record.attributes.text("gen_ai.tool.name")
    is_mcp = bool(given.text("mcp.method.name")) or (name or "").startswith("mcp__")
    tool = tool_of(name, built_in, is_mcp, here)
    call_id = call_id_of(given.ident("gen_ai.tool.call.id"), name, tool, here)
    exit_code = given.count("process.exit.code")
    return {
        **tool,
        "native_id": call_id,
        "tool_call_id": call_id,
        "exit_code": exit_code,
        "success": not record.is_error and not exit_code and given.ident("error.type") is None,
        "error_class": given.ident("error.type"),
        "duration_ms": record.duration_ms,
    }


def draft_key(record: Record, values: Dict[str, Any]) -> Tuple[Any, ...]:
    """Session, own id and record: equal tokens never make two calls one."""
    return (values["session_id"], values.get("native_id"), *record.key)
