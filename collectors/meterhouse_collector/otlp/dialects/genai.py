"""Plain OpenTelemetry GenAI spans and events of any program, a gateway among them; asked last.

A call told by a span and by an event has one id, by its response. Of a gateway's own attributes (no convention knows
team, key or cost) only the names that the gateways document are read.
"""

from typing import Any, Dict, Iterator, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.json_values import ident
from meterhouse_collector.otlp.records import Record

from ._genai import CALLS, TOOL, draft_key, operation, request_values, session_id, tool_values

NAME = "genai"
IS_FALLBACK = True
_EVENT = "gen_ai.client.inference.operation.details"
_GATEWAYS = ("litellm", "portkey", "kong", "envoy-ai-gateway", "bifrost", "helicone", "openrouter", "mlflow")
_COSTS = (
    "meterhouse.cost.usd",
    "gen_ai.cost.total_cost",
    "gen_ai.usage.cost",
    "llm.cost.total",
    "litellm.response_cost",
)
_TEAMS = ("meterhouse.gateway.team", "metadata.user_api_key_team_alias", "metadata.user_api_key_team_id")
_KEYS = ("meterhouse.gateway.key", "metadata.user_api_key_alias")
_TAGS = ("meterhouse.tags", "metadata.request_tags", "metadata.tags")
_END_USERS = ("enduser.id", "metadata.user_api_key_end_user_id", "llm.user")
_CALL_IDS = ("litellm.call_id", "litellm_call_id", "gateway.call.id")


def claims(record: Record) -> bool:
    """Whoever speaks the conventions: names the operation, or reports usage."""
    names = record.attributes.names()
    return "gen_ai.operation.name" in names or any(name.startswith("gen_ai.usage.") for name in names)


def read(record: Record, here: Any) -> Iterator[Draft]:
    """Drafts of one span, or of the event of a program that sends no spans."""
    what, gateway = operation(record), _gateway(record)
    is_call = what in CALLS or (what is None and "gen_ai.usage.input_tokens" in record.attributes.names())
    response_id = record.attributes.ident("gen_ai.response.id")
    if record.at is None or (record.signal == "logs" and record.name != _EVENT):
        return
    if record.signal == "logs" and record.span_id and not response_id:
        return  # nothing would tie it to the span that tells the same call
    values: Dict[str, Any] = {
        "agent": record.attributes.ident("gen_ai.agent.name")
        or (None if gateway else ident(record.service))
        or "unknown",
        "agent_version": record.resource.ident("service.version"),
        "session_id": session_id(record) or record.nanos,
    }
    if is_call:
        values.update(request_values(record), **_paid(record, gateway), **_through(record, gateway, here))
        key = (values["session_id"], response_id) if response_id else draft_key(record, values)
        yield Draft("model_request", key, record.at, values)
    elif what == TOOL:
        values.update(tool_values(record, frozenset(), here))
        yield Draft("tool_call", draft_key(record, values), record.at, values)


def _gateway(record: Record) -> Optional[str]:
    """The gateway's name, by its service or scope."""
    names = (record.service.lower(), record.scope.lower(), (record.attributes.text("meterhouse.gateway") or "").lower())
    return next((gateway for gateway in _GATEWAYS for name in names if name.startswith(gateway)), None)


def _paid(record: Record, gateway: Optional[str]) -> Dict[str, Any]:
    cost = record.attributes.money(*_COSTS)
    basis = "gateway_list" if gateway else "client_estimate"
    return {} if cost is None else {"reported_cost_usd": cost, "reported_cost_basis": basis}


def _through(record: Record, gateway: Optional[str], here: Any) -> Dict[str, Any]:
    """What only a gateway knows. The person is whom it names, not whose machine or token this is."""
    given = record.attributes
    if gateway is None:
        return {}
    return {
        "gateway": gateway,
        "gateway_call_id": given.ident(*_CALL_IDS),
        "gateway_team": given.text(*_TEAMS),
        "gateway_key": given.text(*_KEYS),
        "tags": given.texts(*_TAGS) or None,
        "end_user_key": here.pseudonym(given.text(*_END_USERS)),
        "person_key": None,
        "limited_by": None,  # the provider or the gateway's own budget: nothing says which
    }
