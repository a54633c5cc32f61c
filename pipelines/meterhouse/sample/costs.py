"""What the sample costs at public prices, by the price package itself: the check on the warehouse's SQL.

Development only: genai-prices is no dependency of Meterhouse, whose tables are priced from its own dated price table.
"""

import statistics
from collections import defaultdict
from decimal import Decimal
from typing import Any

from meterhouse.sample.drafts import Draft
from meterhouse.sample.expected import iso_week
from meterhouse.sample.people import Person
from meterhouse.sample.story import Story

PROVIDERS = {"anthropic": "anthropic", "openai": "openai", "gcp.gemini": "google"}
MONTH = "2026-11"


def costs(story: Story, crowd: list[Person], drafts: list[Draft], runaway: str) -> dict[str, Any]:
    """The document of expected-costs.json; amounts are exact USD as decimal strings."""
    by_key = {one.key: one for one in crowd}
    month: dict[str, Decimal] = defaultdict(Decimal)
    sums: dict[str, dict[str, Decimal]] = {name: defaultdict(Decimal) for name in ("month", "week", "session", "day")}
    for draft in drafts:
        if draft.kind != "model_request" or draft.is_copy or draft.values.get("model") in (None, story.unpriced.model):
            continue
        cost = _cost(draft)
        day = str(draft.at.date())
        person = by_key[draft.values["person_key"]]
        sums["month"][day[:7]] += cost
        sums["week"][iso_week(draft)] += cost
        sums["session"][draft.values["session_id"]] += cost
        sums["day"][f"{person.key} {day}"] += cost
        if day.startswith(MONTH):
            month[person.team_on(draft.at.date())] += cost
    return {
        "list_cost_usd": _plain(sum(sums["month"].values(), Decimal())),
        "by_month": _amounts(sums["month"]),
        "by_week": _amounts(sums["week"]),
        f"by_team_in_{MONTH}": {
            team.name: {"list_cost_usd": _plain(month[team.name]), "budget_usd": team.budget_usd}
            for team in story.teams
        },
        "runaway": {"session_id": runaway, "list_cost_usd": _plain(sums["session"].pop(runaway))},
        "dearest_other_session_usd": _plain(max(sums["session"].values())),
        "median_person_day_usd": _plain(statistics.median(sums["day"].values())),
    }


def _cost(draft: Draft) -> Decimal:
    from genai_prices import Usage, calc_price

    values = draft.values
    usage = Usage(
        input_tokens=values["input_tokens"],
        cache_read_tokens=values["cache_read_tokens"],
        cache_write_tokens=values.get("cache_write_tokens"),
        cache_write_1h_tokens=values.get("cache_write_1h_tokens"),
        output_tokens=values["output_tokens"],
        web_searches=values.get("web_search_requests"),
    )
    price = calc_price(
        usage, values["model"], provider_id=PROVIDERS[values["provider"]], genai_request_timestamp=draft.at
    )
    return price.total_price


def _amounts(sums: dict[str, Decimal]) -> dict[str, str]:
    return {name: _plain(amount) for name, amount in sorted(sums.items())}


def _plain(amount: Decimal) -> str:
    return format(amount.normalize(), "f")
