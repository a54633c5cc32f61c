"""Claude Code over OTLP: one `api_request` event a request, never repeated by resume or fork; joined by the provider's request id.

Numbers leave out the cache, ours hold it. Prompts, tool inputs, e-mails and whatever OTEL_LOG_* flags add are not read.
"""

from typing import Any, Dict, Iterator, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.json_values import total, word
from meterhouse_collector.otlp.records import Record
from meterhouse_collector.sources.claude_code.tools import BUILT_IN

from ._shared import status_of, tool_of

NAME = "claude_code"
_PROVIDERS = {"bedrock": "aws.bedrock", "vertex": "gcp.vertex_ai", "firstParty": "anthropic"}
_MAIN = ("sdk", "repl_main_thread")
_SPEEDS = {"normal": "standard"}  # the transcript's word
_DECISIONS = ("accept", "reject")


def claims(record: Record) -> bool:
    """An organisation may rename the service; the scope stays."""
    return record.service == "claude-code" or record.scope.startswith("com.anthropic.claude_code")


def read(record: Record, here: Any) -> Iterator[Draft]:
    """Drafts of one event; spans repeat what events say."""
    if record.signal != "logs" or record.at is None:
        return
    readers = {"api_request": _request, "api_error": _failure, "api_refusal": _refusal, "user_prompt": _prompt,
               "tool_result": _tool_result, "tool_decision": _tool_decision}  # fmt: skip
    reader = readers.get(record.name[len("claude_code.") :] if record.name.startswith("claude_code.") else record.name)
    if reader:
        yield from reader(record, here)


def _session(record: Record) -> Dict[str, Any]:
    """What every draft of a session says."""
    given = record.attributes
    return {
        "agent": NAME,
        "agent_version": given.ident("app.version") or record.resource.ident("service.version"),
        "surface": given.ident("app.entrypoint"),
        "session_id": given.ident("session.id"),
        "prompt_id": given.ident("prompt.id"),
    }


def _asked(record: Record) -> Dict[str, Any]:
    """What requests and failures share."""
    given, request_id = record.attributes, record.attributes.ident("request_id")
    source = given.text("query_source") or ""
    kind = "subagent" if source.startswith("agent:") else "main" if source.startswith(_MAIN) else "auxiliary"
    speed = given.ident("speed")
    return {
        **_session(record),
        "native_id": request_id or given.ident("client_request_id"),
        "provider_request_id": request_id,
        "provider": _PROVIDERS.get(given.text("anthropic.provider") or "firstParty"),
        "model": given.ident("model"),
        "speed": _SPEEDS.get(speed or "", speed),
        "effort": given.ident("effort"),
        "query_source": kind if source else None,
        "is_subagent": kind == "subagent",
        "duration_ms": given.millis("duration_ms"),
    }


def _request(record: Record, _: Any) -> Iterator[Draft]:
    cost, tokens = record.attributes.money("cost_usd"), _tokens(record)
    values = {
        **_asked(record), **tokens, "status": "ok", "reported_cost_usd": cost,
        "reported_cost_basis": None if cost is None else "client_estimate",
        "time_to_first_token_ms": record.attributes.millis("ttft_ms"),
    }  # fmt: skip
    yield _draft("model_request", record, values)


def _tokens(record: Record) -> "dict[str, Optional[int]]":
    """The greater of the total and the split of cache writes, as the transcript source does it."""
    given = record.attributes
    uncached, read, stated = (
        given.count(name) for name in ("input_tokens", "cache_read_tokens", "cache_creation_tokens")
    )
    minutes, hour = given.count("cache_creation_5m_tokens"), given.count("cache_creation_1h_tokens")
    split = total(minutes, hour)
    write = stated if split is None else max(stated or 0, split)
    return {
        "input_tokens": total(uncached, read, write),
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "cache_write_5m_tokens": None if write is None or hour is None else write - hour,
        "cache_write_1h_tokens": hour,
        "output_tokens": given.count("output_tokens"),
    }


def _failure(record: Record, _: Any) -> Iterator[Draft]:
    """Only the final failure is told here; attempts that were tried again are in the transcript."""
    code = record.attributes.count("status_code")
    values = {**_asked(record), **status_of(code), "attempt": record.attributes.count("attempt")}
    yield _draft("model_request", record, values)


def _refusal(record: Record, _: Any) -> Iterator[Draft]:
    yield _draft("model_request", record, {**_asked(record), "status": "refused"})


def _prompt(record: Record, _: Any) -> Iterator[Draft]:
    """Under the id that the transcript's line has."""
    values = {**_session(record), "native_id": record.attributes.ident("message.uuid", "prompt.id")}
    yield _draft("prompt", record, values)


def _tool(record: Record, here: Any) -> Dict[str, Any]:
    """A tool's own name comes only with OTEL_LOG_TOOL_DETAILS; else it is already the word mcp_tool."""
    given, name = record.attributes, record.attributes.text("tool_name")
    is_mcp = given.text("tool_source") == "mcp" or (name or "").startswith("mcp__")
    call_id = given.ident("tool_use_id")
    return {**_session(record), **tool_of(name, BUILT_IN, is_mcp, here), "native_id": call_id, "tool_call_id": call_id}


def _tool_decision(record: Record, here: Any) -> Iterator[Draft]:
    """Known before the call runs; a call that was refused has no result."""
    decision = record.attributes.text("decision")
    if decision in _DECISIONS:
        outcome = {"decision": decision, "success": False if decision == "reject" else None}
        values = {**_tool(record, here), **outcome, "decision_source": _source(record.attributes.text("source"))}
        yield _draft("tool_call", record, values)


def _tool_result(record: Record, here: Any) -> Iterator[Draft]:
    given, decision = record.attributes, record.attributes.text("decision_type")
    values = {
        **_tool(record, here), "success": given.flag("success"), "duration_ms": given.millis("duration_ms"),
        "error_class": word(given.text("error_type")) or given.ident("error_type"),
        "decision": decision if decision in _DECISIONS else None, "decision_source": _source(given.text("decision_source")),
    }  # fmt: skip
    yield _draft("tool_call", record, values)


def _source(text: Optional[str]) -> Optional[str]:
    """config, hook or user; user_temporary and the like are the user."""
    return next((name for name in ("config", "hook", "user") if (text or "").startswith(name)), None)


def _draft(kind: str, record: Record, values: Dict[str, Any]) -> Draft:
    key = (values["session_id"], values["native_id"], *record.key)
    return Draft(kind, key, record.at or "", values)
