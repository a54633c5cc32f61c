"""Claude Code: transcripts under projects/; a request is known by the provider's message and request id, never by text.

One response is written as one line per content block, with numbers that may grow from line to line: each is an
observation, and the greatest wins. Only lines that hold a marker are decoded, and nothing of their content is kept.
"""

import re
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

from meterhouse_collector.events import Draft, money
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, count_or_zero, ident, part, parts, total, word

from .line import AGENT, Line, began, follow, line_of
from .tools import tool_calls, tool_results

NAME = AGENT
# Values of `type`, `role` and `subtype`, and, for the time a file begins, what may come before its first message.
# Within a text the quotes would be escaped.
MARKERS = (
    b'"assistant"',
    b'"user"',
    b'"api_error"',
    b'"queue-operation"',
    b'"pr-link"',
    b'"parentUuid":null',
    b'"parentUuid": null',
)
_FINAL_SINCE = (2, 1, 97)  # from here on every line holds the final output; before, only one with a stop_reason does
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", re.ASCII)
_PROVIDERS = {"msg_bdrk_": "aws.bedrock", "msg_vrtx_": "gcp.vertex_ai"}  # by the beginning of the message id
_NO_GEO = ("", "not_available")
_ERRORS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
           413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 504: "timeout_error",
           529: "overloaded_error"}  # fmt: skip
_NOTIFICATION = "<task-notification>"
_NO_PROMPTS = ("<command-name>", "<local-command-", "<bash-", "<system-reminder>", "[Request interrupted", "Caveat: ",
               "This session is being continued from a previous conversation")  # fmt: skip


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Transcripts of sessions and of their sub-agents; CLAUDE_CONFIG_DIR may list several roots."""
    given = [Path(root.strip()) for root in env.get("CLAUDE_CONFIG_DIR", "").split(",") if root.strip()]
    for root in given or (home / ".claude", home / ".config" / "claude"):
        yield from sorted(root.glob("projects/*/*.jsonl"))
        yield from sorted(root.glob("projects/*/*/subagents/**/agent-*.jsonl"))


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one line; unknown types come with almost every release and say nothing to us."""
    if not isinstance(record, dict):
        return
    is_fallback = record.get("type") == "progress"
    unwrapped = follow(record, state)
    kind = unwrapped.get("type") if unwrapped else None
    if unwrapped is None or kind not in ("assistant", "user", "system"):
        return
    is_new = began(unwrapped, state, here)
    line = line_of(unwrapped, state, here, is_fallback)
    if line is None:
        return
    if is_new:
        yield _session(line, state)
    if kind == "system":
        yield from _failed_attempt(line)
    elif kind == "assistant":
        yield from _request(line)
        yield from tool_calls(line, state, here)
    else:
        yield from _prompt(line)
        yield from tool_results(line, state, here)


def _session(line: Line, state: Dict[str, Any]) -> Draft:
    """As its file begins; told again when a later line names the session it was forked from."""
    session_id, started_by = line.session["session_id"], state["started_by"]
    key = (state.get("start"), started_by, line.session["parent_session_id"])
    start = line._replace(at=state.get("start") or line.at)
    return start.draft("session", *key, native_id=session_id, started_by=started_by, prompt_id=None)


def _prompt(line: Line) -> Iterator[Draft]:
    """A message that started work, by a person or a background task that reports; no tool result, no injected text."""
    record, content = line.record, line.message.get("content")
    if line.is_subagent or any(
        record.get(name) is True for name in ("isMeta", "isCompactSummary", "isVisibleInTranscriptOnly")
    ):
        return
    blocks = parts(content)
    if any(block.get("type") == "tool_result" for block in blocks) or not (blocks or isinstance(content, str)):
        return
    text = content if isinstance(content, str) else blocks[0].get("text")
    text = text if isinstance(text, str) else ""
    if not text.startswith(_NO_PROMPTS):
        native_id = ident(record.get("uuid"))
        yield line.draft("prompt", native_id, native_id=native_id, origin=_origin(record, text))


def _origin(record: Dict[str, Any], text: str) -> Optional[str]:
    """Who wrote the prompt; a program may be behind the SDK, so that one stays unknown unless the record says human."""
    kind, surface = part(record, "origin").get("kind"), record.get("entrypoint")
    if kind == "task-notification" or text.startswith(_NOTIFICATION):
        return "agent"
    if kind == "human" or (kind is None and not (isinstance(surface, str) and surface.startswith("sdk"))):
        return "person"
    return None


def _request(line: Line) -> Iterator[Draft]:
    """One observation of one response, or of the failure that Claude Code writes as an answer of its own."""
    if line.message.get("model") == "<synthetic>" or line.record.get("isApiErrorMessage") is True:
        yield from _failure(line)
        return
    usage, message_id = part(line.message, "usage"), ident(line.message.get("id"))
    if not usage:
        return
    tokens = _tokens(usage)
    is_estimated = line.message.get("stop_reason") is None and _version(line.record) < _FINAL_SINCE
    request_id = ident(line.record.get("requestId"))
    native_id = message_id or request_id or ident(line.record.get("uuid"))
    cost = line.record.get("costUSD")
    cost = money(cost) if isinstance(cost, (int, float)) and not isinstance(cost, bool) else None
    yield line.draft(
        "model_request", native_id, request_id, *tokens.values(), is_estimated, line.is_subagent, line.is_fallback,
        **_envelope(line), **tokens, native_id=native_id, response_id=message_id, provider_request_id=request_id,
        status="refused" if line.message.get("stop_reason") == "refusal" else "ok", provider=_provider(message_id),
        model=line.message.get("model"), service_tier=usage.get("service_tier"), speed=usage.get("speed"),
        inference_geo=None if usage.get("inference_geo") in _NO_GEO else usage.get("inference_geo"),
        is_output_estimated=is_estimated, is_fallback=line.is_fallback,
        reported_cost_usd=cost, reported_cost_basis=None if cost is None else "client_estimate",
    )  # fmt: skip


def _envelope(line: Line) -> Dict[str, Any]:
    """What requests and failures share."""
    agent_id = line.record.get("agentId")
    is_compaction = isinstance(agent_id, str) and agent_id.startswith("acompact")
    source = "auxiliary" if is_compaction else "subagent" if line.is_subagent else "main"
    return {"query_source": source, "effort": line.record.get("effort") or line.record.get("perTurnEffort")}


def _tokens(usage: Dict[str, Any]) -> Dict[str, Optional[int]]:
    """The contract's tokens: `input_tokens` of the provider leaves the cache out, ours holds it.

    Before 2.1.152 the total of cache writes may be 0 beside a filled split, so the greater of both is taken.
    """
    split = part(usage, "cache_creation")
    uncached, read = count_or_zero(usage, "input_tokens"), count_or_zero(usage, "cache_read_input_tokens")
    stated, hour = (
        count_or_zero(usage, "cache_creation_input_tokens"),
        count_or_zero(split, "ephemeral_1h_input_tokens"),
    )
    minutes = count_or_zero(split, "ephemeral_5m_input_tokens")
    parts_of_write = total(hour, minutes)
    write = None if stated is None or parts_of_write is None else max(stated, parts_of_write)
    searches = part(usage, "server_tool_use").get("web_search_requests")
    return {
        "input_tokens": total(uncached, read, write),
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "cache_write_5m_tokens": None if write is None or hour is None else write - hour,
        "cache_write_1h_tokens": hour,
        "output_tokens": count(usage.get("output_tokens")),
        "reasoning_tokens": count(part(usage, "output_tokens_details").get("thinking_tokens")),
        "web_search_requests": count(searches),
    }


def _version(record: Dict[str, Any]) -> "tuple[int, ...]":
    found = _VERSION.match(record["version"]) if isinstance(record.get("version"), str) else None
    return tuple(map(int, found.groups())) if found else (0,)


def _provider(message_id: Optional[str]) -> str:
    return _PROVIDERS.get((message_id or "")[:9], "anthropic")


def _failed_attempt(line: Line) -> Iterator[Draft]:
    """An attempt that failed and was tried again: only the transcript knows of those that succeed later."""
    if line.record.get("subtype") == "api_error":
        error = part(line.record, "error")
        attempt = count(line.record.get("retryAttempt"))
        yield _error(line, ident(error.get("requestId")), count(error.get("status")), None, attempt)


def _failure(line: Line) -> Iterator[Draft]:
    """The final failure; other answers that Claude Code made up itself called no model."""
    if line.record.get("isApiErrorMessage") is True:
        reason = word(line.record.get("apiErrorType")) or word(line.record.get("error"))
        yield _error(line, ident(line.record.get("requestId")), count(line.record.get("apiErrorStatus")), reason, None)


def _error(
    line: Line, request_id: Optional[str], status: Optional[int], reason: Optional[str], attempt: Optional[int]
) -> Draft:
    """A request without tokens: unknown is not 0."""
    reason = reason or _ERRORS.get(status or 0)
    native_id = request_id or ident(line.record.get("uuid"))
    is_limited = status == 429 or (reason or "").startswith("rate_limit")
    return line.draft(
        "model_request", native_id, "error", **_envelope(line), native_id=native_id, provider_request_id=request_id,
        provider="anthropic", status="rate_limited" if is_limited else "error", http_status=status, error_class=reason,
        attempt=attempt, is_fallback=line.is_fallback,
    )  # fmt: skip
