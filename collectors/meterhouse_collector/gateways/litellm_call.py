"""LiteLLM's two records of a call, brought into one shape: StandardLoggingPayload (callbacks, S3) and SpendLogs (its table).

Allow-list: what is not named here is never looked at. Messages, responses, parameters, tool arguments and results, headers,
addresses and error texts lie beside it in the same record. In exports everything may be text, and JSON in text.
"""

import base64
import binascii
import json
import re
from typing import Any, Dict, List, NamedTuple, Optional

from meterhouse_collector.events import money
from meterhouse_collector.json_values import count, ident, part
from meterhouse_collector.lines import instant

_SECONDS = re.compile(r"(\d{9,10})(?:\.(\d{1,9}))?", re.ASCII)
_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_CACHED = "_cache_hit"  # put behind an id with the time, when the answer came from the gateway's own cache
_WRAPPED = re.compile(r"response_id:([^;]{1,200})")
_SESSION = re.compile(r"_session_([0-9A-Za-z-]{8,64})$", re.ASCII)  # user_…_account_…_session_…, before the JSON
_CALLER_MADE = "User-Agent: "  # LiteLLM puts the user agent among the caller's tags, twice
_NOBODY = ("default_user_id", "litellm-proxy-admin")  # whom LiteLLM makes up where a key belongs to no user


class Call(NamedTuple):
    """One record; texts are as LiteLLM wrote them and not yet fit to be sent."""

    id: str
    call_id: Optional[str]
    call_type: str
    is_failure: bool
    is_cache_hit: Optional[bool]
    started_at: Optional[str]
    first_token_at: Optional[str]
    ended_at: Optional[str]
    session_id: Optional[str]
    provider: Any
    model: Any
    model_group: Any
    input_tokens: Optional[int]
    output_tokens: Optional[int]
    cost: Optional[str]
    tags: List[str]
    end_user: Optional[str]
    user: Optional[str]
    team: Optional[str]
    user_agent: Any
    retries: Optional[int]
    metadata: Dict[str, Any]
    error: Dict[str, Any]
    headers: Dict[str, Any]

    @property
    def response_id(self) -> Optional[str]:
        """The provider's id; a failed call has LiteLLM's alone, and an answer from its cache has another call's."""
        is_own = self.id == self.call_id or _UUID.fullmatch(self.id)
        return None if is_own or self.is_failure or self.is_cache_hit else provider_response_id(self.id)


def from_payload(record: Dict[str, Any]) -> Call:
    """Of a StandardLoggingPayload. Its session is `trace_id`; `session_id` is there and empty."""
    metadata, hidden = part(record, "metadata"), part(record, "hidden_params")
    headers = part(hidden, "additional_headers")
    return _call(
        record, metadata, name=record.get("id"), cost=record.get("response_cost"),
        error=part(record, "error_information"), headers=headers, user_agent=record.get("user_agent"),
        sessions=(record.get("trace_id"), record.get("session_id")), retries=headers.get("x-litellm-attempted-retries"),
    )  # fmt: skip


def from_row(record: Dict[str, Any]) -> Call:
    """Of a SpendLogs row, also from an export in which every value is text."""
    metadata = _object(record.get("metadata"))
    return _call(
        record, metadata, name=record.get("request_id"), cost=record.get("spend"),
        error=_object(metadata.get("error_information")), headers={}, user_agent=metadata.get("user_agent"),
        sessions=(record.get("session_id"),), retries=metadata.get("attempted_retries"),
    )  # fmt: skip


def _call(
    record: Dict[str, Any], metadata: Dict[str, Any], *, name: Any, cost: Any, error: Dict[str, Any],
    headers: Dict[str, Any], user_agent: Any, sessions: "tuple[Any, ...]", retries: Any,
) -> Call:  # fmt: skip
    name, tags = _text(name) or "", _texts(record.get("request_tags"))
    caller, agents_session = _caller(record.get("end_user"))
    return Call(
        id=name,
        call_id=ident(record.get("litellm_call_id")) or ident(metadata.get("litellm_call_id")),
        call_type=_text(record.get("call_type")) or "",
        is_failure="failure" in (record.get("status"), metadata.get("status")),
        is_cache_hit=True if _CACHED in name else flag(record.get("cache_hit")),
        started_at=_moment(record.get("startTime")),
        first_token_at=_moment(record.get("completionStartTime")),
        ended_at=_moment(record.get("endTime")),
        session_id=agents_session or next(filter(None, map(ident, sessions)), None),
        provider=record.get("custom_llm_provider"),
        model=record.get("model"),
        model_group=_text(metadata.get("original_model_group")) or record.get("model_group"),
        input_tokens=whole(record.get("prompt_tokens")),
        output_tokens=whole(record.get("completion_tokens")),
        cost=None if isinstance(cost, bool) or cost is None else money(cost),
        tags=[tag for tag in tags if not tag.startswith(_CALLER_MADE)],
        end_user=caller,
        user=_person(metadata, record.get("user")),
        team=_text(metadata.get("user_api_key_team_alias")) or _text(metadata.get("user_api_key_team_id"))
        or _text(record.get("team_id")),
        user_agent=user_agent or next((tag for tag in reversed(tags) if tag.startswith(_CALLER_MADE)), None),
        retries=whole(retries),
        metadata=metadata,
        error=error,
        headers=headers,
    )  # fmt: skip


def whole(value: Any) -> Optional[int]:
    """A count, also as text."""
    is_text = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12
    return count(int(value) if is_text else value)


def flag(value: Any) -> Optional[bool]:
    """A truth value, also as text: the table has "True", "False" and "None"."""
    return {"true": True, "false": False}.get(str(value).lower()) if isinstance(value, (bool, str)) else None


def provider_response_id(name: str) -> Optional[str]:
    """The provider's id of a response. LiteLLM may wrap one of the Responses API in base64; an encrypted one stays as it is."""
    if name.startswith("resp_"):
        packed = name[len("resp_") :][:1000]
        try:
            text = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            return ident(name)
        inner = _WRAPPED.search(text) if text.startswith("litellm") else None
        return ident(inner[1]) if inner else ident(name)
    return ident(name)


def _person(metadata: Dict[str, Any], user: Any) -> Optional[str]:
    """Whom the key belongs to: only ever used through a pseudonym."""
    for value in (metadata.get("user_api_key_user_email"), metadata.get("user_api_key_user_id"), user):
        name = _text(value)
        if name and name not in _NOBODY:
            return name
    return None


def _caller(end_user: Any) -> "tuple[Optional[str], Optional[str]]":
    """(end user, agent's session): Claude Code puts its own ids there, a value per session, which is no user."""
    text = _text(end_user)
    if text is None:
        return None, None
    inside = _object(text) if text.startswith("{") else {}
    if inside:
        return None, ident(inside.get("session_id"))
    session = _SESSION.search(text)
    return (None, session[1]) if session else (text, None)


def _moment(value: Any) -> Optional[str]:
    """Seconds since 1970, a number or its text, or ISO 8601. Postgres leaves the zone out and means UTC."""
    text = repr(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
    if not isinstance(text, str):
        return None
    seconds = _SECONDS.fullmatch(text)
    if seconds:
        fraction = (seconds[2] or "")[:6].rstrip("0")
        start = instant(int(seconds[1]) * 1000)
        return f"{start[:-1]}.{fraction}Z" if start and fraction else start
    zone = _ZONE.search(text[19:])
    return instant(text + ("Z" if not zone else ":00" if zone[0][1:].isdigit() and len(zone[0]) == 3 else ""))


def _object(value: Any) -> Dict[str, Any]:
    """An object, or the one that a text holds."""
    found = _parsed(value)
    return found if isinstance(found, dict) else {}


def _texts(value: Any) -> List[str]:
    found = _parsed(value)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_float=str)
    except (ValueError, RecursionError):
        return None


def _text(value: Any) -> Optional[str]:
    return value if isinstance(value, str) and value else None
