"""OpenAI's organisation usage and costs. Input includes what was cached; costs are floats in dollars, read as exact decimals."""

from datetime import date
from typing import Any, Dict, Mapping, Tuple

from meterhouse_collector.amounts import check_currency, dollars, whole
from meterhouse_collector.days import following, midnight, milliseconds
from meterhouse_collector.errors import WindowError
from meterhouse_collector.json_values import ident, part
from meterhouse_collector.vendors import Api, Report, Row, Window, day_window, objects

NAME = "openai"
BASE = "https://api.openai.com"
PER_MINUTE = 60  # to each path; OpenAI names no figure, so this is our own restraint
TRAILING = 7
PRICED_BY = ("project_id", "api_key_id", "model", "batch", "service_tier")
COST_BY = ("project_id", "line_item", "api_key_id")
PROCESSING = {True: "batch", False: "realtime"}


def headers(key: str) -> Mapping[str, str]:
    """How a request says who asks."""
    return {"Authorization": f"Bearer {key}"}


def completions(api: Api, day: date) -> Window:
    """Tokens of chat and responses."""
    return _usage(api, day, "completions", PRICED_BY)


def embeddings(api: Api, day: date) -> Window:
    """Tokens of embeddings; they know neither batch nor tier."""
    return _usage(api, day, "embeddings", PRICED_BY[:3])


def moderations(api: Api, day: date) -> Window:
    """Tokens of moderations, which cost nothing."""
    return _usage(api, day, "moderations", PRICED_BY[:3])


def costs(api: Api, day: date) -> Window:
    """Dollars by project, key and line of the bill. OpenAI states no list price, so discounts cannot be seen."""
    return _buckets(api, day, "/v1/organization/costs", COST_BY, _cost)


REPORTS = (  # images, speech, stores and searches have no tokens: `openai_costs` has their dollars
    Report("openai_completions", completions, TRAILING),
    Report("openai_embeddings", embeddings, TRAILING),
    Report("openai_moderations", moderations, TRAILING),
    Report("openai_costs", costs, TRAILING),
)


def _usage(api: Api, day: date, what: str, by: Tuple[str, ...]) -> Window:
    def values(result: Dict[str, Any]) -> Dict[str, Any]:
        return {
            **_dimensions(result),
            "product": what,
            "model": ident(result.get("model")),
            "service_tier": ident(result.get("service_tier")),
            "processing": PROCESSING.get(result["batch"]) if isinstance(result.get("batch"), bool) else None,
            "input_tokens": whole(result.get("input_tokens")),
            "cache_read_tokens": whole(result.get("input_cached_tokens")),
            "cache_write_tokens": whole(result.get("input_cache_write_tokens")),
            "output_tokens": whole(result.get("output_tokens")),
            "requests": whole(result.get("num_model_requests")),
        }

    return _buckets(api, day, f"/v1/organization/usage/{what}", by, values)


def _buckets(api: Api, day: date, path: str, by: Tuple[str, ...], values: Any) -> Window:
    begin, end = (milliseconds(moment) // 1000 for moment in (day, following(day)))
    asked = [("start_time", begin), ("end_time", end), ("bucket_width", "1d"), *(("group_by", name) for name in by)]
    rows = []
    for page in api.pages(path, asked):
        for bucket in objects(page, "data"):
            if bucket.get("start_time") != begin:
                raise WindowError("a row belongs to another day")
            rows += [Row("vendor_usage", midnight(day), values(result)) for result in objects(bucket, "results")]
    return day_window(day, rows)


def _cost(result: Dict[str, Any]) -> Dict[str, Any]:
    """A line such as `gpt-6-astra, input_tokens` names model and class of tokens; any other names itself."""
    amount = part(result, "amount")
    check_currency(amount.get("currency"))
    line = result.get("line_item")
    model, comma, token_type = line.partition(", ") if isinstance(line, str) else ("", "", "")
    named = {"model": ident(model), "token_type": ident(token_type), "cost_type": "tokens"}
    return {**_dimensions(result), **(named if comma else {"cost_type": ident(model)}),
            "amount_usd": dollars(amount.get("value"))}  # fmt: skip


def _dimensions(result: Dict[str, Any]) -> Dict[str, Any]:
    return {"person_key": None, "provider": NAME, "workspace": ident(result.get("project_id")),
            "api_key_id": ident(result.get("api_key_id"))}  # fmt: skip
