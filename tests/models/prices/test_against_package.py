"""Any usage of any listed model costs what genai-prices itself computes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from genai_prices import Usage, calc_price
from genai_prices.data import providers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meterhouse import prices as exporter

TOKENS = (
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "output_tokens", "reasoning_tokens", "web_search_requests",
)  # fmt: skip
CONTEXTS = (
    {}, {"processing": "batch"}, {"speed": "fast"}, {"service_tier": "flex"}, {"service_tier": "priority"},
)  # fmt: skip
LISTED = [
    (provider.id, model.id)
    for provider in providers
    if provider.id in {"anthropic", "openai", "google", "x-ai", "mistral", "deepseek", "azure", "perplexity", "zai"}
    for model in provider.models
    if provider.find_model(model.id, all_providers=providers) is model and not model.id.endswith(exporter.FREE)
]
COUNT = st.one_of(st.sampled_from([0, 1, 199_999, 200_000, 200_001, 272_000, 272_001]), st.integers(0, 2_000_000))


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    """A request of a listed model with consistent counts, at any time that prices know."""
    provider, model = draw(st.sampled_from(LISTED))
    uncached, read, write_5m, write_1h, output = (draw(COUNT) for _ in range(5))
    return {
        "provider": provider,
        "model": model,
        "started_at": draw(st.datetimes(datetime(2024, 1, 1), datetime(2027, 6, 1), timezones=st.just(UTC))),  # noqa: DTZ001
        "input_tokens": uncached + read + write_5m + write_1h,
        "cache_read_tokens": read,
        "cache_write_tokens": write_5m + write_1h,
        "cache_write_5m_tokens": write_5m,
        "cache_write_1h_tokens": write_1h,
        "output_tokens": output,
        "reasoning_tokens": draw(st.integers(0, output)),
        "web_search_requests": draw(st.integers(0, 3)),
        **draw(st.sampled_from(CONTEXTS)),
    }


def _package_price(request: Mapping[str, Any]) -> Any:
    context = {key: request[key] for key in ("processing", "service_tier", "speed") if key in request}
    renamed = {"reasoning_tokens": "output_reasoning_tokens", "web_search_requests": "web_searches"}
    usage = Usage(**{renamed.get(key, key): request[key] for key in TOKENS})
    return calc_price(
        usage,
        request["model"],
        provider_id=request["provider"],
        genai_request_timestamp=request["started_at"],
        price_context=context or None,
    )


def _expected(request: Mapping[str, Any]) -> tuple[str, Decimal | None]:
    """What the package says, except that a used meter without a price is unknown here and nothing there."""
    result = _package_price(request)
    used = {"input_mtok": "input_tokens", "output_mtok": "output_tokens", "web_searches_kcount": "web_search_requests"}
    listed = vars(result.model_price)
    is_unknown = any(request[count] and listed.get(key) is None for key, count in used.items())
    if is_unknown or not listed.keys() & {*used, "cache_read_mtok", "cache_write_mtok", "requests_kcount"}:
        return "unknown_meter", None
    return "priced", result.total_price.scaleb(12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(usages(), min_size=20, max_size=60))
def test_any_usage_of_any_listed_model_costs_what_the_package_says(price: Any, requests: list[dict]) -> None:
    costs = price(requests)
    found = [(cost["price_status"], cost["list_cost_pico"]) for cost in costs]
    assert found == [_expected(request) for request in requests]
