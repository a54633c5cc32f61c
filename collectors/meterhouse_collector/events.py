"""The event contract, version 1: its kinds, and the only way to make an event.

Content has no field to go into: `make` refuses every name that `fields.py` does not define.
Adding an optional field or a kind is a change within version 1; anything else is version 2 (docs/contract.md).
"""

import hashlib
import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Dict, NamedTuple, Tuple

from .fields import COUNT_MAX, FIELDS, Field

SCHEMA_VERSION = 1
ID_VERSION = "1"  # part of every event id; raise it only when the same input must count as new

ENVELOPE = ("schema_version", "kind", "event_id", "occurred_at", "source", "channel")
SESSION = (
    "native_id", "person_key", "agent", "agent_version", "surface", "session_id", "parent_session_id", "repository",
    "branch", "is_subagent", "prompt_id", "origin", "launch_id",
)  # fmt: skip


class ContractError(ValueError):
    """An event that may not be published; the text names field and rule, never the value."""


@dataclass(frozen=True)
class Kind:
    """One kind of event: what it says, what it must carry, what it may carry besides envelope and session."""

    about: str
    required: Tuple[str, ...]
    optional: Tuple[str, ...]

    @property
    def fields(self) -> Tuple[str, ...]:
        """Every allowed field name, in the order of the published schema."""
        own = self.required + self.optional
        return ENVELOPE + own + tuple(name for name in SESSION if name not in own)


TOKENS = (
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "output_tokens", "reasoning_tokens", "web_search_requests",
)  # fmt: skip
LINES = ("lines_added", "lines_removed", "agent_lines_added", "agent_lines_removed")
REPORT = ("report", "fetched_at", "window_start", "window_end")
GATEWAY = (
    "gateway", "gateway_call_id", "gateway_team", "gateway_key", "tags", "end_user_key", "limited_by", "limit_dimension",
    "is_gateway_cache_hit", "retry_count",
)  # fmt: skip
AMOUNTS = ("is_billable", "list_amount_usd", "amount_usd")
DIMENSIONS = (
    "provider", "model", "product", "service_tier", "speed", "inference_geo", "context_window", "cost_type", "token_type",
    "workspace", "api_key_id", "billing_account", "is_subscription", "data_complete_to",
)  # fmt: skip

KINDS: Dict[str, Kind] = {
    "model_request": Kind(
        "What one channel saw of one call of a model: an observation, not yet a request.",
        ("agent", "session_id", "status"),
        ("provider", "model", "response_id", "provider_request_id", *TOKENS, "http_status", "error_class", "attempt",
         "service_tier", "speed", "processing", "inference_geo", "effort", "query_source", "is_output_estimated",
         "is_fallback", "duration_ms", "time_to_first_token_ms", "reported_cost_usd", "reported_cost_basis",
         "session_started_at", "model_requested", "is_subscription", *GATEWAY, *AMOUNTS, *REPORT, "billing_account"),
    ),
    "tool_call": Kind(
        "One tool call of an agent, with its outcome when that is known.",
        ("agent", "session_id", "tool_name"),
        ("tool_call_id", "tool_key", "success", "exit_code", "decision", "decision_source", "error_class", "duration_ms",
         "is_duration_upper_bound", "session_started_at"),
    ),
    "code_change": Kind(
        "Lines that one tool call added to or removed from files, or would have.",
        ("agent", "session_id", "decision"),
        ("tool_call_id", "tool_name", *LINES, "operation", "language", "files_changed", "is_user_modified",
         "session_started_at"),
    ),
    "prompt": Kind(
        "One prompt that started work; its text is never read into an event.",
        ("agent", "session_id"),
        ("session_started_at",),
    ),
    "session": Kind(
        "One run of an agent, as its file begins.",
        ("agent", "session_id"),
        ("session_started_at", "started_by", "model", "provider", "external_session_id"),
    ),
    "commit": Kind(
        "One commit in a work tree that a session named.",
        ("commit_sha",),
        ("committed_at", "parent_count", *LINES[:2], "files_changed", "binary_files", "ai_agents", "ai_evidence",
         "is_revert", "reverts_sha", "patch_key", "is_bot", "ai_lines_added", "ai_lines_removed", *REPORT, "billing_account"),
    ),
    "pull_request": Kind(
        "State of one pull or merge request at one moment.",
        ("repository", "pull_request_number", "pull_request_state"),
        ("opened_at", "ready_at", "merged_at", "closed_at", "head_sha", "merge_sha", *LINES[:2], "files_changed",
         "ai_agents", "ai_evidence", "is_bot"),
    ),
    "review": Kind(
        "One review of a pull request.",
        ("repository", "pull_request_number", "review_state"),
        ("reviewer_key", "head_sha", "is_bot"),
    ),
    "ci_run": Kind(
        "One attempt of one CI run.",
        ("repository", "ci_run_id"),
        ("head_sha", "attempt", "ci_conclusion", "duration_ms", "pull_request_number"),
    ),
    "rate_limit": Kind(
        "What an agent or gateway said about a limit of the provider.",
        ("limit_name",),
        ("provider", "limit_window_minutes", "limit_used_share", "limit_resets_at", "plan", "http_status", "model",
         *GATEWAY),
    ),
    "policy_decision": Kind(
        "One decision of a policy engine about an agent's action.",
        ("policy_id", "policy_verdict"),
        ("tool_name", "tool_key", "tool_call_id", "decision_source"),
    ),
    "inventory": Kind(
        "One finding about what is installed on a machine; kinds and counts, never values.",
        ("item_kind", "item_name"),
        ("item_version", "item_count", "platform", "item_state", "age_days"),
    ),
    "heartbeat": Kind(
        "A sign of life of a collector, with its own counters.",
        ("collector_version",),
        ("platform", "files_watched", "files_unreadable", "lines_skipped", "events_waiting", "agents", "spool_bytes"),
    ),
    "billing_line": Kind(
        "One line of a vendor's bill or cost report.",
        ("provider", "billing_period_start", "billing_period_end", "billed_cost_usd"),
        ("billing_account", "charge_category", "service_name", "sku", "model", "quantity", *AMOUNTS, *REPORT),
    ),
    "seat": Kind(
        "One paid seat of one product at one moment.",
        ("agent", "seat_state"),
        ("provider", "plan", "last_active_at", "billing_account", *REPORT),
    ),
    "vendor_usage": Kind(
        "One row of a vendor's usage, cost or activity report: compared with requests, never added to them.",
        REPORT,
        (*DIMENSIONS, *TOKENS, "requests", "sessions", "prompts", "commits", "pull_requests", *LINES[:2],
         "lines_suggested", "edits_accepted", "edits_rejected", "tool_name", *AMOUNTS, "processing", "charge_category"),
    ),
    "vendor_window": Kind(
        "One fetch of one window of a vendor's report; it replaces what earlier fetches of that window said.",
        REPORT,
        ("row_count", "data_complete_to", "billing_account"),
    ),
    "usage_delta": Kind(
        "Growth of a running total that a harness keeps for a session, between two looks at it.",
        ("agent", "session_id", "window_end"),
        ("window_start", "provider", "model", *TOKENS, "reported_cost_usd", "reported_cost_basis", "external_session_id"),
    ),
    "launch": Kind(
        "One start of an agent through the wrapper that an organisation gives its people.",
        ("agent", "launch_id"),
        ("exit_code", "duration_ms", "gateway", "platform"),
    ),
}  # fmt: skip

ID_PATTERN = r"^[\x21-\x7e]([\x20-\x7e]{0,198}[\x21-\x7e])?$"  # 1-200 printable ASCII characters, no outer blanks
TEXT_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]{1,200}$"  # no control or bidi marks
INSTANT_PATTERN = r"^20[2-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,6})?Z$"
DAY_PATTERN = r"^20[2-9][0-9]-[01][0-9]-[0-3][0-9]$"
MONEY_PATTERN = r"^[0-9]{1,20}(\.[0-9]{1,12})?$"
SHARE_PATTERN = r"^(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"
_PATTERNS = {name: re.compile(pattern) for name, pattern in {
    "id": ID_PATTERN, "text": TEXT_PATTERN, "instant": INSTANT_PATTERN, "day": DAY_PATTERN, "money": MONEY_PATTERN,
    "share": SHARE_PATTERN}.items()}  # fmt: skip

_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: json.loads lets it in, UTF-8 does not let it out
_FIELDS_OF = {name: {field: FIELDS[field] for field in kind.fields} for name, kind in KINDS.items()}


class Draft(NamedTuple):
    """What a source module yields; the collector adds source, channel and person and calls `make`."""

    kind: str
    key: Tuple[
        Any, ...
    ]  # what identifies the thing, for event_id: session id, native id, and counts that may still grow
    occurred_at: str
    values: Dict[str, Any]


def fits(field: Field, value: Any) -> bool:
    """Whether a value obeys its field's type; a bool is no number, a float never fits."""
    if field.type == "boolean":
        return isinstance(value, bool)
    if field.type in ("count", "integer"):
        low = 0 if field.type == "count" else -COUNT_MAX
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= COUNT_MAX
    if field.type == "texts":
        text = FIELDS["branch"]
        return isinstance(value, (list, tuple)) and len(value) <= 32 and all(fits(text, item) for item in value)
    if not isinstance(value, str) or not _PATTERNS[field.type].fullmatch(value):  # match would let a last LF through
        return False
    return field.type != "text" or not _SURROGATE.search(value)


def event_id(source: str, kind: str, *key: Any) -> str:
    """128 bits, hexadecimal, over what identifies the thing; independent of when and how often it was read."""
    text = json.dumps([ID_VERSION, source, kind, *key], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def make(
    kind: str, *, source: str, channel: str, occurred_at: str, key: Tuple[Any, ...], **values: Any
) -> Dict[str, Any]:
    """One publishable event; values that are None are left out.

    An optional value that breaks its type (a 10 kB branch name) is left out: better an event with one fact less than none.
    Raises ContractError for an unknown kind or field and for a required value that is missing or broken.
    """
    if kind not in KINDS:
        raise ContractError(f"{kind}: unknown kind; the kinds are {', '.join(KINDS)}")
    allowed = _FIELDS_OF[kind]
    for name in values:
        if name not in allowed:
            raise ContractError(f"{kind}.{name}: not a field of this kind; see events.py")
    given = dict(values, schema_version=SCHEMA_VERSION, kind=kind, event_id=event_id(source, kind, *key),
                 occurred_at=occurred_at, source=source, channel=channel)  # fmt: skip
    event = {}
    for name, field in allowed.items():
        value = given.get(name)
        if value is not None and fits(field, value):
            event[name] = value
    for name in ENVELOPE + KINDS[kind].required:
        if name not in event:
            raise ContractError(
                f"{kind}.{name}: {'broken' if given.get(name) is not None else 'missing'}; it is required"
            )
    return event


def line(event: Dict[str, Any]) -> bytes:
    """Canonical bytes of one event, without line feed; `preview` prints these and nothing else is shipped."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


def money(value: Any) -> "str | None":
    """A decimal string for a money field, or None when the value is no finite amount from 0."""
    try:
        amount = Decimal(str(value))
        if not amount.is_finite() or amount < 0:
            return None
        return format(amount.quantize(Decimal("1e-12")).normalize(), "f")
    except InvalidOperation:  # no number, or one beyond all money
        return None
