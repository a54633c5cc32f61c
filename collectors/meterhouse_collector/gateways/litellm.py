"""LiteLLM: one call as its loggers write it (StandardLoggingPayload) or as a row of SpendLogs, in drafts without content.

Messages, answers, parameters, headers, addresses and MCP arguments are never read; a name of a person leaves as a pseudonym
under the organisation's key or not at all. A gateway knows nothing of the machine it runs on, so its own person is nobody's.
"""

import base64
import binascii
import re
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Iterator, List, Optional

from meterhouse_collector.events import Draft, fits, money
from meterhouse_collector.fields import FIELDS
from meterhouse_collector.json_values import count, ident, part
from meterhouse_collector.lines import instant

from .litellm_call import Call, is_payload, is_row, number, of_payload, of_row

NAME = "litellm"
MCP_CALLS = ("call_mcp_tool", "list_mcp_tools")
_AGENTS = {  # the beginning of a user agent, lower case
    "claude-cli": "claude_code", "claude-code": "claude_code", "codex": "codex", "geminicli": "gemini_cli",
    "gemini-cli": "gemini_cli", "qwencode": "qwen_code", "qwen-code": "qwen_code", "opencode": "opencode", "kilo": "kilo",
    "copilot": "copilot_cli", "github-copilot": "copilot_cli", "cline": "cline", "pi/": "pi", "factory": "droid", "amp": "amp",
    "cursor": "cursor", "goose": "goose",
}  # fmt: skip
_OTHER = "unknown"  # a client that is none of the agents we know, such as curl or a library
_VERSION = re.compile(r"/v?([0-9][0-9A-Za-z.+-]{0,39})")
_PROVIDERS = {
    "gemini": "gcp.gemini", "vertex_ai": "gcp.vertex_ai", "bedrock": "aws.bedrock", "bedrock_converse": "aws.bedrock",
    "azure": "azure.ai.openai", "azure_ai": "azure.ai.inference", "mistral": "mistral_ai", "xai": "x_ai",
    "moonshot": "moonshot_ai", "watsonx": "ibm.watsonx.ai",
}  # fmt: skip
_LIMITERS = {"vendor": "provider", "litellm": "gateway"}  # begins error_rate_limit_category
_NOBODY = ("", "default_user_id", "litellm_proxy_master_key")


def drafts(record: Dict[str, Any], here: Any) -> Iterator[Draft]:
    """Drafts of one call in either form; `here` is an inlet, which hashes names. Nothing for a record that is no call."""
    if is_payload(record):
        yield from _call(of_payload(record), here)
    elif is_row(record):
        yield from _call(of_row(record), here)


def _call(call: Call, here: Any) -> Iterator[Draft]:
    if call.started_at is None or call.call_id is None:
        return
    shared = _shared(call, here)
    if call.call_type in MCP_CALLS:
        yield from _tool_call(call, shared, here)
        return
    values = {**shared, **_request(call)}
    key = (call.call_id, values.get("input_tokens"), values.get("output_tokens"), values["status"])
    yield Draft("model_request", key, call.started_at, values)
    if values.get("limited_by"):
        yield Draft("rate_limit", (call.call_id,), call.started_at, _limit(call, values))


def _shared(call: Call, here: Any) -> Dict[str, Any]:
    """Who, with what, on whose account."""
    agent, version = _agent(call.user_agent)
    user = next((name for name in (call.metadata.get("user_api_key_user_email"), call.metadata.get("user_api_key_user_id"))
                 if isinstance(name, str) and name not in _NOBODY), None)  # fmt: skip
    return {
        "person_key": here.pseudonym(user),
        "agent": agent,
        "agent_version": version,
        "session_id": ident(call.session) or call.call_id,
        "gateway": NAME,
        "gateway_call_id": call.call_id,
        "gateway_team": _text(call.metadata.get("user_api_key_team_alias"))
        or _text(call.metadata.get("user_api_key_team_id")),
        "gateway_key": _text(call.metadata.get("user_api_key_alias")),
        "tags": _tags(call.tags),
        "end_user_key": here.pseudonym(_end_user(call.end_user)),
    }


def _request(call: Call) -> Dict[str, Any]:
    """What the provider served or refused."""
    provider = call.provider if isinstance(call.provider, str) else ""
    model = call.model if isinstance(call.model, str) else ""
    tokens = _tokens(call.usage) if call.is_ok else {}
    cost = money(call.cost) if call.is_ok and call.cost is not None else None
    return {
        **tokens,
        **_failure(call),
        "provider": _PROVIDERS.get(provider, ident(provider)),
        "model": ident(model[len(provider) + 1 :] if provider and model.startswith(provider + "/") else model),
        "model_requested": ident(call.group),
        # an answer from the gateway's own cache repeats the id of the response that it once was
        "response_id": None if call.is_cached else _response_id(call),
        "is_gateway_cache_hit": call.is_cached or None,
        "duration_ms": call.duration_ms,
        "time_to_first_token_ms": call.first_token_ms if call.is_ok else None,
        "service_tier": ident(call.service_tier),
        "inference_geo": ident(call.usage.get("inference_geo")),
        "web_search_requests": count(part(call.usage, "server_tool_use").get("web_search_requests")),
        "retry_count": count(call.metadata.get("attempted_retries")),
        # a person's own subscription passes through: its cost is notional
        "is_subscription": call.metadata.get("used_client_oauth_token") is True or None,
        "reported_cost_usd": cost,
        "reported_cost_basis": None if cost is None else "gateway_list",
    }


def _tokens(usage: Dict[str, Any]) -> Dict[str, Optional[int]]:
    """Prompt tokens hold cache reads and writes already, for Anthropic's models too."""
    told, written = part(usage, "prompt_tokens_details"), part(usage, "completion_tokens_details")
    split = part(told, "cache_creation_token_details")
    read = _first(told.get("cached_tokens"), usage.get("cache_read_input_tokens"))
    write = _first(
        told.get("cache_creation_tokens"), told.get("cache_write_tokens"), usage.get("cache_creation_input_tokens")
    )
    return {
        "input_tokens": count(usage.get("prompt_tokens")),
        # where the details are given, what they leave out is none
        "cache_read_tokens": 0 if read is None and told else read,
        "cache_write_tokens": 0 if write is None and told else write,
        "cache_write_5m_tokens": count(split.get("ephemeral_5m_input_tokens")),
        "cache_write_1h_tokens": count(split.get("ephemeral_1h_input_tokens")),
        "output_tokens": count(usage.get("completion_tokens")),
        "reasoning_tokens": count(written.get("reasoning_tokens")),
    }


def _failure(call: Call) -> Dict[str, Any]:
    """Status, and who refused for which limit: a budget that blocks is no outage of the provider."""
    if call.is_ok:
        return {"status": "ok"}
    code, category = number(call.error.get("error_code")), call.error.get("error_rate_limit_category")
    limiter = next(
        (who for begin, who in _LIMITERS.items() if isinstance(category, str) and category.startswith(begin)), None
    )
    status = "rate_limited" if limiter or code == 429 else "error"
    return {
        "status": status,
        "http_status": code if code and 100 <= code < 600 else None,
        "error_class": ident(call.error.get("error_class")),
        "limited_by": limiter,
        "limit_dimension": ident(call.error.get("error_rate_limit_type")),
    }


def _limit(call: Call, values: Dict[str, Any]) -> Dict[str, Any]:
    kept = ("person_key", "agent", "agent_version", "session_id", "provider", "model", "http_status", "gateway", "gateway_call_id",
            "gateway_team", "gateway_key", "tags", "limited_by", "limit_dimension")  # fmt: skip
    seconds = number(call.retry_after)
    resets_at = _later(call.started_at, seconds) if seconds is not None else None
    name = f"{values['limited_by']}:{values.get('limit_dimension') or 'unknown'}"
    return {**{key: values.get(key) for key in kept}, "limit_name": name, "limit_resets_at": resets_at}


def _tool_call(call: Call, shared: Dict[str, Any], here: Any) -> Iterator[Draft]:
    """An MCP call through the gateway: no tokens, no request. Its key is the one that the agent's own file gives this tool."""
    if not isinstance(call.tool, str) or not call.tool:
        return
    kept = ("person_key", "agent", "agent_version", "session_id")
    values = {
        **{key: shared[key] for key in kept}, "tool_name": "mcp_tool",
        "tool_key": here.tool_key("mcp__" + call.tool.replace("/", "__", 1)), "tool_call_id": call.call_id,
        "success": call.is_ok, "duration_ms": call.duration_ms,
    }  # fmt: skip
    yield Draft("tool_call", (call.call_id,), call.started_at or "", values)


def _response_id(call: Call) -> Optional[str]:
    """The provider's id; of a failure there is none, and that of the Responses API is wrapped, sometimes beyond undoing."""
    given = call.given_id
    if not call.is_ok or not isinstance(given, str) or given == call.call_id:
        return None
    if not given.startswith("resp_") or len(given) < 80:
        return ident(given)
    try:
        text = base64.b64decode(given[len("resp_") :] + "==", validate=False).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return ident(text.rpartition("response_id:")[2]) if "response_id:" in text else None


def _agent(user_agent: Any) -> "tuple[str, Optional[str]]":
    """The agent and its version by the user agent's first product."""
    first = user_agent[:200] if isinstance(user_agent, str) else ""
    name = next((agent for begin, agent in _AGENTS.items() if first.lower().startswith(begin)), _OTHER)
    found = _VERSION.search(first) if name != _OTHER else None
    return name, found[1] if found else None


def _tags(given: Any) -> Optional[List[str]]:
    """As the caller wrote them; LiteLLM adds the user agent twice."""
    tags = [tag for tag in given if fits(FIELDS["branch"], tag)] if isinstance(given, list) else []
    return [tag for tag in tags if not tag.startswith("User-Agent:")][:32] or None


def _end_user(given: Any) -> Optional[str]:
    """Claude Code puts a JSON text there, with one value a session: that is no end user."""
    return given if isinstance(given, str) and given and not given.startswith("{") else None


def _text(value: Any) -> Optional[str]:
    return value if fits(FIELDS["gateway_team"], value) else None


def _first(*values: Any) -> Optional[int]:
    return next((number for number in map(count, values) if number is not None), None)


def _later(at: Optional[str], seconds: int) -> Optional[str]:
    moment = datetime.strptime((at or "")[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return instant((moment + timedelta(seconds=min(seconds, 10**7))).isoformat())
