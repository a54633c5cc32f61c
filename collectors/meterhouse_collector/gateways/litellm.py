"""LiteLLM: one record of its callbacks, its S3 logger or its SpendLogs table becomes drafts; the same call, the same ids.

A request is known by the provider's response id, or by LiteLLM's own call id where it failed. Content is never read (see
litellm_call.py). People leave as pseudonyms under the organisation's key, and without a key as nobody.
"""

import re
from typing import Any, Dict, Iterator, List, Optional

from meterhouse_collector.events import Draft, fits
from meterhouse_collector.fields import FIELDS
from meterhouse_collector.json_values import count, ident, part, total, word
from meterhouse_collector.lines import millis_between

from .litellm_call import Call, from_payload, from_row, whole
from .providers import bare_model, otel_provider
from .user_agents import client_of

SOURCE, CHANNEL = "litellm", "gateway"
UNKNOWN = "litellm_unknown"  # reason of the drop of what is none of its records
TAGS_MAX = 32  # of a list in the contract
_MCP_CALL = "call_mcp_tool"
# without the a of their asynchronous twins; another type is a model's only when it has tokens
_MODEL_CALLS = frozenset((
    "completion", "text_completion", "anthropic_messages", "responses", "responses_websocket", "generate_content",
    "generate_content_stream", "embedding", "rerank", "image_generation", "image_edit", "moderation", "transcription",
    "speech", "realtime", "pass_through_endpoint", "llm_passthrough_route",
))  # fmt: skip
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}", re.ASCII)
_ADDRESS = re.compile(r"[^/@\s]+@[^/@\s]+\.[A-Za-z]{2,}")
_LIMITERS = {"vendor": "provider", "litellm": "gateway"}  # first word of error_rate_limit_category
_OWN_LIMITS = ("ProxyRateLimitError", "BudgetExceededError")  # classes, where an old version names no category
_DIMENSIONS = ("requests", "tokens", "concurrent_requests", "budget", "max_iterations")
_EXHAUSTED = {
    "x_ratelimit_remaining_tokens": "tokens", "x_ratelimit_remaining_requests": "requests",
    "x-ratelimit-remaining-tokens": "tokens", "x-ratelimit-remaining-requests": "requests",
    "llm_provider-x-ratelimit-remaining-tokens": "tokens", "llm_provider-x-ratelimit-remaining-requests": "requests",
}  # fmt: skip
_REQUEST_IDS = ("llm_provider-request-id", "llm_provider-x-request-id", "request-id", "x-request-id")
_NO_GEO = ("", "not_available")
_TEXT = FIELDS["gateway_key"]


def payload_drafts(record: Dict[str, Any], here: Any) -> Iterator[Draft]:
    """Drafts of a StandardLoggingPayload; `here` gives `tool_key` and `pseudonym`, as an inlet does."""
    return _drafts(from_payload(record), here)


def row_drafts(record: Dict[str, Any], here: Any) -> Iterator[Draft]:
    """Drafts of a SpendLogs row."""
    return _drafts(from_row(record), here)


def drafts_of(record: Any, here: Any) -> Optional[List[Draft]]:
    """Drafts of either; none for a call that asked no model, None for what is no dated record of LiteLLM's."""
    if not isinstance(record, dict) or "call_type" not in record or "startTime" not in record:
        return None
    call = from_row(record) if "request_id" in record else from_payload(record)
    is_known = call.id and call.started_at
    return list(_drafts(call, here)) if is_known else None


def _drafts(call: Call, here: Any) -> Iterator[Draft]:
    if not call.id or call.started_at is None:
        return
    if call.call_type == _MCP_CALL:
        yield _tool_call(call, call.started_at, here)
    elif _asks_a_model(call):
        yield from _request(call, call.started_at, here)


def _asks_a_model(call: Call) -> bool:
    name = call.call_type.lstrip("_")
    is_named = name in _MODEL_CALLS or (name[:1] == "a" and name[1:] in _MODEL_CALLS)
    return is_named or bool(call.input_tokens or call.output_tokens)


def _session(call: Call, here: Any) -> Dict[str, Any]:
    """Whose it is. A call that names no session is one of its own; nobody is ever this machine's own person."""
    client = client_of(call.user_agent)
    return {
        "agent": client.agent,
        "agent_version": client.version,
        "surface": client.surface,
        "session_id": call.session_id or call.call_id or ident(call.id),
        "person_key": here.pseudonym(call.user),
    }


def _request(call: Call, at: str, here: Any) -> Iterator[Draft]:
    outcome, response_id = _outcome(call), call.response_id
    tokens = {} if call.is_failure and not call.output_tokens else _tokens(call)
    cost = None if call.is_failure and not tokens else call.cost
    native_id = response_id or call.call_id or ident(call.id)
    answered = call.first_token_at if call.first_token_at != call.ended_at else None
    usage = _usage(call)
    geo = ident(usage.get("inference_geo"))
    values = {
        **_session(call, here), **_through(call, here), **tokens, **outcome,
        "native_id": native_id,
        "response_id": response_id,
        "provider_request_id": _request_id(call),
        "provider": otel_provider(call.provider),
        "model": bare_model(call.model, call.provider),
        "model_requested": ident(call.model_group),
        "service_tier": ident(usage.get("service_tier")) or ident(part(call.metadata, "cost_breakdown").get("service_tier")),
        "speed": ident(usage.get("speed")),
        "inference_geo": None if geo in _NO_GEO else geo,
        "processing": "batch" if "batch" in call.call_type else None,
        "duration_ms": count(millis_between(at, call.ended_at)),
        "time_to_first_token_ms": count(millis_between(at, answered)),
        "reported_cost_usd": cost,
        "reported_cost_basis": None if cost is None else "gateway_list",
        "is_subscription": True if call.metadata.get("used_client_oauth_token") in (True, "True", "true") else None,
    }  # fmt: skip
    key = (call.id, call.call_id, outcome["status"], outcome["http_status"], *tokens.values(), cost)
    yield Draft("model_request", key, at, values)
    if outcome["status"] == "rate_limited":
        yield Draft("rate_limit", key, at, _rate_limit(values))


def _rate_limit(values: Dict[str, Any]) -> Dict[str, Any]:
    """The same refusal as an event about the limit: who said no, and to how much of what."""
    shared = ("agent", "agent_version", "surface", "session_id", "person_key", "native_id", "provider", "http_status",
              "model", "gateway", "gateway_call_id", "gateway_team", "gateway_key", "tags", "end_user_key", "limited_by",
              "limit_dimension", "retry_count")  # fmt: skip
    names = (values["limited_by"] or "unknown", values["limit_dimension"] or "unknown")
    return {**{name: values[name] for name in shared}, "limit_name": ".".join(names)}


def _through(call: Call, here: Any) -> Dict[str, Any]:
    """What only the gateway knows."""
    alias = call.metadata.get("user_api_key_alias")
    return {
        "gateway": SOURCE,
        "gateway_call_id": call.call_id,
        "gateway_team": _hidden(call.team),
        "gateway_key": _hidden(alias) if isinstance(alias, str) else None,
        "tags": [tag for tag in map(_hidden, call.tags) if fits(_TEXT, tag)][:TAGS_MAX] or None,
        "end_user_key": here.pseudonym(call.end_user),
        "is_gateway_cache_hit": call.is_cache_hit,
        "retry_count": call.retries,
    }


def _hidden(text: Optional[str]) -> Optional[str]:
    """Keys, teams and tags are named by people, who may write addresses; those stay here."""
    return text and _ADDRESS.sub("hidden", text)


def _outcome(call: Call) -> Dict[str, Any]:
    """Status, and of a limit who refused and what for. A budget's block is a limit of the gateway, whatever its code."""
    outcome = {"status": "ok", "http_status": None, "error_class": None, "limited_by": None, "limit_dimension": None}
    if not call.is_failure:
        return outcome
    code, error_class = whole(call.error.get("error_code")), call.error.get("error_class")
    category = word(call.error.get("error_rate_limit_category"))
    is_own = error_class in _OWN_LIMITS
    is_limit = bool(category) or code == 429 or is_own
    outcome.update(
        status="rate_limited" if is_limit else "cancelled" if code == 499 else "error",
        http_status=code or None,
        error_class=error_class if isinstance(error_class, str) and _CLASS.fullmatch(error_class) else None,
    )
    if is_limit:
        by = _LIMITERS.get((category or "").partition("_")[0]) or ("gateway" if is_own else None)
        outcome.update(limited_by=by, limit_dimension=_dimension(call, by))
    return outcome


def _dimension(call: Call, limited_by: Optional[str]) -> Optional[str]:
    """LiteLLM names it for its own limits; of a provider's, the counter that stands at 0 tells it."""
    named = word(call.error.get("error_rate_limit_type"))
    if named in _DIMENSIONS or limited_by != "provider":
        return named if named in _DIMENSIONS else None
    found = {dimension for name, dimension in _EXHAUSTED.items() if whole(call.headers.get(name)) == 0}
    return found.pop() if len(found) == 1 else None


def _request_id(call: Call) -> Optional[str]:
    if call.is_cache_hit:  # the headers kept with the answer are those of another call
        return None
    given = (call.error.get("error_provider_request_id"), *(call.headers.get(name) for name in _REQUEST_IDS))
    return next(filter(None, map(ident, given)), None)


def _usage(call: Call) -> Dict[str, Any]:
    return part(call.metadata, "usage_object") or part(call.metadata, "additional_usage_values")


def _tokens(call: Call) -> Dict[str, Optional[int]]:
    """LiteLLM's prompt tokens hold the cache already. From the gateway's own cache a model read and wrote nothing."""
    usage, names = _usage(call), ("input_tokens", "output_tokens")
    if call.is_cache_hit:
        return dict.fromkeys(names, 0)
    details = part(usage, "prompt_tokens_details")
    split = part(details, "cache_creation_token_details")
    read = _first(usage.get("cache_read_input_tokens"), details.get("cached_tokens"))
    write = _first(usage.get("cache_creation_input_tokens"), details.get("cache_creation_tokens"), details.get("cache_write_tokens"))  # fmt: skip
    minutes, hour = whole(split.get("ephemeral_5m_input_tokens")), whole(split.get("ephemeral_1h_input_tokens"))
    parts = total(read or 0, write or 0) or 0
    given = call.input_tokens
    return {
        # parts greater than the whole: a record that leaves the cache out
        "input_tokens": total(given, parts) if given is not None and parts > given else given,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "cache_write_5m_tokens": minutes,
        "cache_write_1h_tokens": hour,
        "output_tokens": call.output_tokens,
        "reasoning_tokens": _reasoning(call, usage),
        "web_search_requests": _first(part(usage, "server_tool_use").get("web_search_requests")),
    }


def _reasoning(call: Call, usage: Dict[str, Any]) -> Optional[int]:
    """For Claude, LiteLLM fills in 0 where the provider said nothing, so that 0 is unknown there."""
    told = whole(part(usage, "completion_tokens_details").get("reasoning_tokens"))
    is_filled_in = call.call_type == "anthropic_messages" or call.provider == "anthropic"
    return None if is_filled_in and not told else told


def _first(*values: Any) -> Optional[int]:
    return next((number for number in map(whole, values) if number is not None), None)


def _tool_call(call: Call, at: str, here: Any) -> Draft:
    """An MCP call: no model was asked. The tool is hashed under the name that agents give it."""
    told = part(call.metadata, "mcp_tool_call_metadata")
    server, name = told.get("mcp_server_name"), told.get("name")
    if isinstance(server, str) and isinstance(name, str):
        full = f"mcp__{server}__{name}"
    else:
        full = call.model if isinstance(call.model, str) else ""
    native_id, error_class = call.call_id or ident(call.id), call.error.get("error_class")
    values = {
        **_session(call, here),
        "native_id": native_id,
        "tool_name": "mcp_tool",
        "tool_key": here.tool_key(full),
        "success": not call.is_failure,
        "error_class": error_class if isinstance(error_class, str) and _CLASS.fullmatch(error_class) else None,
        "duration_ms": count(millis_between(at, call.ended_at)),
    }
    return Draft("tool_call", (call.id, call.call_id, call.is_failure), at, values)
