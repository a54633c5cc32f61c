"""Anthropic's Admin API: usage, cost, Claude Code and analytics reports. Every `amount` is in cents; null in a dimension is kept.

Rows that Anthropic cannot attribute have nulls where others have a person or a model. They are the residual: dropping them
would make the sum of people smaller than the bill.
"""

from datetime import date
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from meterhouse_collector.amounts import added, cents, check_currency, whole
from meterhouse_collector.days import following, instant, midnight
from meterhouse_collector.errors import WindowError
from meterhouse_collector.json_values import ident, part, parts
from meterhouse_collector.vendors import Api, Report, Row, Window, day_window, objects

NAME = "anthropic"
BASE = "https://api.anthropic.com"
PER_MINUTE = 60  # to each path; Anthropic names no figure, so this is our own restraint
TRAILING = 7
ANALYTICS = ("anthropic-beta", "analytics-usage-cost-2026-08-24")
USAGE_BY = ("model", "workspace_id", "api_key_id", "service_tier", "context_window", "inference_geo")
COST_BY = ("workspace_id", "description")  # by description, or model and token type stay null
ACTOR_BY = ("actor", "model", "product")
TOOLS = {
    "edit_tool": "Edit",
    "multi_edit_tool": "MultiEdit",
    "write_tool": "Write",
    "notebook_edit_tool": "NotebookEdit",
}


def headers(key: str) -> Mapping[str, str]:
    """How a request says who asks. The beta header is ignored by reports that are none."""
    return {"x-api-key": key, "anthropic-version": "2023-06-01", ANALYTICS[0]: ANALYTICS[1]}


def usage(api: Api, day: date) -> Window:
    """Tokens of the whole organisation by model, workspace, key and what changes the price."""
    return _buckets(
        api, day, "/v1/organizations/usage_report/messages", USAGE_BY, lambda result: _usage(result, result)
    )


def cost(api: Api, day: date) -> Window:
    """Dollars of the whole organisation, after discounts and before credits; Priority Tier is never in it."""
    return _buckets(api, day, "/v1/organizations/cost_report", COST_BY, _cost)


def claude_code(api: Api, day: date) -> Window:
    """What each person did with Claude Code: sessions, lines, edits by tool, tokens and estimated cost by model."""
    path, rows = "/v1/organizations/usage_report/claude_code", []
    for page in api.pages(path, [("starting_at", day.isoformat()), ("limit", 1000)]):
        for record in objects(page, "data"):
            _same_day(record.get("date"), day)
            rows += [Row("vendor_usage", midnight(day), values) for values in _claude_code(api, record)]
    return day_window(day, rows)


def analytics_usage(api: Api, day: date) -> Window:
    """Tokens by person, model and product, with Anthropic's word on how far they are complete."""
    return _analytics(api, day, "usage", ACTOR_BY)


def analytics_cost(api: Api, day: date) -> Window:
    """List and discounted dollars by person, model, product and what they are for."""
    return _analytics(api, day, "cost", (*ACTOR_BY, "cost_type", "token_type"))


REPORTS = (
    Report("anthropic_usage", usage, TRAILING),
    Report("anthropic_cost", cost, TRAILING),
    Report("anthropic_claude_code", claude_code, TRAILING),
    Report("anthropic_analytics_usage", analytics_usage, TRAILING),
    Report("anthropic_analytics_cost", analytics_cost, TRAILING),
)


def _range(day: date, by: Tuple[str, ...]) -> List[Tuple[str, Any]]:
    return [
        ("starting_at", midnight(day)),
        ("ending_at", midnight(following(day))),
        *(("group_by[]", name) for name in by),
    ]


def _buckets(api: Api, day: date, path: str, by: Tuple[str, ...], values: Any) -> Window:
    rows = []
    for page in api.pages(path, [*_range(day, by), ("bucket_width", "1d")]):
        for bucket in objects(page, "data"):
            _same_day(bucket.get("starting_at"), day)
            rows += [Row("vendor_usage", midnight(day), values(result)) for result in objects(bucket, "results")]
    return day_window(day, rows)


def _analytics(api: Api, day: date, what: str, by: Tuple[str, ...]) -> Window:
    rows, complete_to = [], None
    for page in api.pages(f"/v1/organizations/analytics/{what}",
                          [*_range(day, by), ("time_bucket_width", "1d"), ("limit", 1000)]):  # fmt: skip
        complete_to = instant(page.get("data_refreshed_at"))
        for record in objects(page, "data"):
            _same_day(record.get("starting_at"), day)
            group, actor = part(record, "group"), part(part(record, "group"), "actor")
            values = (
                _usage(group, part(record, "usage"))
                if what == "usage"
                else _analytics_cost(group, part(record, "cost"))
            )
            values["person_key"] = api.person(actor.get("email_address"))
            rows.append(Row("vendor_usage", midnight(day), values))
    return day_window(day, rows, complete_to)


def _usage(group: Dict[str, Any], counts: Dict[str, Any]) -> Dict[str, Any]:
    """Anthropic's input is without cache; ours is all that was read."""
    creation = part(counts, "cache_creation")
    short, long = whole(creation.get("ephemeral_5m_input_tokens")), whole(creation.get("ephemeral_1h_input_tokens"))
    read, written = whole(counts.get("cache_read_input_tokens")), added(short, long)
    return {
        **_dimensions(group),
        "input_tokens": added(whole(counts.get("uncached_input_tokens")), read, written),
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_5m_tokens": short,
        "cache_write_1h_tokens": long,
        "output_tokens": whole(counts.get("output_tokens")),
        "web_search_requests": whole(part(counts, "server_tool_use").get("web_search_requests")),
        "requests": whole(counts.get("requests")),
    }


def _cost(result: Dict[str, Any]) -> Dict[str, Any]:
    check_currency(result.get("currency"))
    return {**_dimensions(result), "amount_usd": cents(result.get("amount"))}


def _analytics_cost(group: Dict[str, Any], cost: Dict[str, Any]) -> Dict[str, Any]:
    check_currency(cost.get("currency"))
    amounts = {"list_amount_usd": cents(cost.get("list_amount")), "amount_usd": cents(cost.get("amount"))}
    return {**_dimensions(group), **amounts, "requests": whole(cost.get("requests"))}


def _claude_code(api: Api, record: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """One row of activity, one a tool and one a model: their figures differ in kind, so nothing counts twice.

    The cost is an estimate at list price; one of a subscription is an estimate that nobody pays.
    """
    is_subscription = {"subscription": True, "api": False}.get(str(record.get("customer_type")))
    who = {"person_key": api.person(part(record, "actor").get("email_address")), "provider": NAME,
           "agent": "claude_code", "product": "claude_code", "is_subscription": is_subscription}  # fmt: skip
    core, lines = part(record, "core_metrics"), part(part(record, "core_metrics"), "lines_of_code")
    yield {
        **who,
        "sessions": whole(core.get("num_sessions")),
        "lines_added": whole(lines.get("added")),
        "lines_removed": whole(lines.get("removed")),
        "commits": whole(core.get("commits_by_claude_code")),
        "pull_requests": whole(core.get("pull_requests_by_claude_code")),
    }
    for name, tool in TOOLS.items():
        action = part(part(record, "tool_actions"), name)
        accepted, rejected = whole(action.get("accepted")), whole(action.get("rejected"))
        if accepted or rejected:
            yield {**who, "tool_name": tool, "edits_accepted": accepted, "edits_rejected": rejected}
    for model in parts(record.get("model_breakdown")):
        tokens, estimate = part(model, "tokens"), part(model, "estimated_cost")
        if estimate:
            check_currency(estimate.get("currency"))
        read, written = whole(tokens.get("cache_read")), whole(tokens.get("cache_creation"))
        yield {
            **who,
            "model": ident(model.get("model")),
            "input_tokens": added(whole(tokens.get("input")), read, written),
            "cache_read_tokens": read,
            "cache_write_tokens": written,
            "output_tokens": whole(tokens.get("output")),
            "list_amount_usd": cents(estimate.get("amount")),
            "is_billable": None if is_subscription is None else not is_subscription,
        }


def _dimensions(group: Dict[str, Any]) -> Dict[str, Any]:
    product = ident(group.get("product"))
    return {
        "person_key": None,
        "provider": NAME,
        "agent": product if product == "claude_code" else None,
        "product": product,
        "model": ident(group.get("model")),
        "service_tier": ident(group.get("service_tier")),
        "context_window": ident(group.get("context_window")),
        "inference_geo": ident(group.get("inference_geo")),
        "cost_type": ident(group.get("cost_type")),
        "token_type": ident(group.get("token_type")),
        "workspace": ident(group.get("workspace_id")),
        "api_key_id": ident(group.get("api_key_id")),
    }


def _same_day(value: Optional[Any], day: date) -> None:
    if not isinstance(value, str) or value[:10] != day.isoformat():
        raise WindowError("a row belongs to another day")
