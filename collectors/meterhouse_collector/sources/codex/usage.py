"""Model requests and rate limits in Codex rollouts: what each response used, each counted once.

`token_usage_record` tells the usage of one response. Older files only have running totals (`token_count`), written again
and again: a request is what the totals rose by. A file that has the first kind is never counted by the second.
"""

from decimal import Decimal
from typing import Any, Dict, Iterator, Optional

from meterhouse_collector.json_values import count, ident, part, word
from meterhouse_collector.lines import instant

from .record import Fact, decimal

_FIELDS = {
    "input_tokens": "input_tokens",  # cache reads included; writes too, as total = input + output holds with both
    "cached_input_tokens": "cache_read_tokens",
    "cache_write_input_tokens": "cache_write_tokens",
    "output_tokens": "output_tokens",  # reasoning included
    "reasoning_output_tokens": "reasoning_tokens",
    "total_tokens": "total_tokens",
}
_NOT_REQUESTS = ("sandbox_error", "thread_rollback_failed", "active_turn_not_steerable")
_STATUS = {"usage_limit_exceeded": "rate_limited", "cyber_policy": "refused"}
_RATE_LIMITED = 429


def usage_record(payload: Dict[str, Any], state: Dict[str, Any]) -> Iterator[Fact]:
    """One response by its own id; totals of the same turn only follow it. An older client may go on with the file."""
    state["recorded"] = state.get("turn", "")
    usage, total = _tokens(payload.get("usage")), _tokens(payload.get("thread_token_usage"))
    state["total"] = total or state.get("total")
    response = ident(payload.get("response_id"))
    if response:
        yield _request(response, usage, state, response_id=response)
    elif total:
        yield _request(_cumulative(total, state), usage, state)


def token_count(payload: Dict[str, Any], state: Dict[str, Any]) -> Iterator[Fact]:
    """One response by the rise of the thread's totals, and what is said about rate limits."""
    yield from _rate_limits(part(payload, "rate_limits"), state)
    usage = follow_totals(payload, state)
    if usage and state.get("recorded") != state.get("turn", ""):
        yield _request(_cumulative(state["total"], state), usage, state)


def follow_totals(payload: Dict[str, Any], state: Dict[str, Any]) -> Dict[str, int]:
    """What the totals rose by since the last event; empty for a repeat. Copied history goes through here uncounted.

    The sum of `last_token_usage` is no substitute: it misses a response whose event never reached the file.
    """
    info = part(payload, "info")
    total, last = _tokens(info.get("total_token_usage")), _tokens(info.get("last_token_usage"))
    if not total:
        return {}
    before, state["total"] = state.get("total"), total
    if before is None:
        return last if state.get("forked") else total  # a fork's first total includes its parent's
    if total.get("total_tokens", 0) < before.get("total_tokens", 0) or (last == total != before):
        return last or total  # the counter began again; it may have passed its old end at once
    rise = {name: max(0, value - before.get(name, 0)) for name, value in total.items()}
    return rise if any(rise.values()) else {}


def failed_turn(payload: Dict[str, Any], state: Dict[str, Any]) -> Iterator[Fact]:
    """The request that ended a turn without an answer: refused, failed, or cut by the person; its tokens are unknown."""
    turn = ident(payload.get("turn_id")) or state.get("turn")
    if turn is None or state.get("failed") == turn:  # an error and the end of its turn tell the same failure
        return
    if payload.get("type") == "turn_aborted":
        reason = word(payload.get("reason"))
        failure = None if reason == "review_ended" else {"status": "cancelled", "error_class": reason}
    else:
        error = payload if payload.get("type") == "error" else payload.get("error")
        failure = _failure(error) if isinstance(error, dict) else None
    if failure:
        state["failed"] = turn
        yield _unanswered(f"{turn}:failed", failure, state)


def stream_error(payload: Dict[str, Any], state: Dict[str, Any]) -> Iterator[Fact]:
    """One attempt that Codex will repeat."""
    failure = _failure(payload)
    if failure and state.get("turn"):
        state["attempts"] = state.get("attempts", 0) + 1
        yield _unanswered(f"{state['turn']}:attempt:{state['attempts']}", failure, state)


def _failure(error: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Status, class and HTTP status of an error; its message is content. None when no request failed."""
    info = error.get("codex_error_info")
    detail = {}
    if isinstance(info, dict) and len(info) == 1:  # {"http_connection_failed": {"http_status_code": 502}}
        ((info, detail),) = info.items()
    error_class = word(info)
    if error_class in _NOT_REQUESTS:
        return None
    http_status = count(detail.get("http_status_code")) if isinstance(detail, dict) else None
    status = "rate_limited" if http_status == _RATE_LIMITED else _STATUS.get(error_class or "", "error")
    return {"status": status, "error_class": error_class, "http_status": http_status}


def _unanswered(native_id: str, failure: Dict[str, Any], state: Dict[str, Any]) -> Fact:
    return Fact("model_request", (native_id, failure["status"]), {**_asked(state), "native_id": native_id, **failure})


def _request(native_id: str, usage: Dict[str, int], state: Dict[str, Any], **values: Any) -> Fact:
    tokens = {field: usage.get(name) for name, field in _FIELDS.items() if name != "total_tokens"}
    values.update(_asked(state), native_id=native_id, status="ok", **tokens)
    return Fact("model_request", (native_id, *tokens.values()), values)


def _asked(state: Dict[str, Any]) -> Dict[str, Any]:
    """What the turn asked for; without a turn_context the model is unknown, never a guess."""
    session = state["session"]
    return {
        "provider": session["provider"],
        "model": state.get("model"),
        "effort": state.get("effort"),
        "service_tier": state.get("service_tier"),
        "query_source": state["query_source"],
    }


def _cumulative(total: Dict[str, int], state: Dict[str, Any]) -> str:
    """Names a response without an id: stable when the file is read again, moved or compressed."""
    sums = total.get("input_tokens", 0) + total.get("output_tokens", 0)
    return f"{state['session']['session_id']}:{total.get('total_tokens', sums)}"


def _tokens(usage: Any) -> Dict[str, int]:
    """The token counts that are there; old versions write no cache writes, which is unknown and not 0."""
    given = {name: count(usage.get(name)) for name in _FIELDS} if isinstance(usage, dict) else {}
    return {name: value for name, value in given.items() if value is not None}


def _rate_limits(limits: Dict[str, Any], state: Dict[str, Any]) -> Iterator[Fact]:
    """What changed of the limits since the file last told them."""
    for slot in ("primary", "secondary"):
        window = part(limits, slot)
        percent = decimal(window.get("used_percent"))
        if percent is None:
            continue
        name = f"{ident(limits.get('limit_id')) or 'codex'}.{slot}"
        share = format(min(percent / 100, Decimal(1)).quantize(Decimal("0.000001")).normalize(), "f")
        resets_at = instant((count(window.get("resets_at")) or 0) * 1000 or None)
        told = [share, count(window.get("window_minutes")), resets_at]
        if state.setdefault("limits", {}).get(name) == told:
            continue
        state["limits"][name] = told
        yield Fact("rate_limit", (name, *told), {
            "limit_name": name,
            "provider": state["session"]["provider"],
            "limit_used_share": share,
            "limit_window_minutes": told[1],
            "limit_resets_at": resets_at,
            "plan": ident(limits.get("plan_type")),
        })  # fmt: skip
