"""Costs of requests: equal to the oracle to the last 1e-12 USD, exact at every boundary, NULL with a reason elsewhere."""

import csv
import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from meterhouse.checks import run_checks
from meterhouse.models import Model

INPUT_COSTS = ("input_cost_pico", "cache_read_cost_pico", "cache_write_cost_pico")


@pytest.fixture(scope="module")
def oracle(reference: Callable[[str], Path]) -> list[dict[str, str]]:
    """Cases with the price that genai-prices computed for them."""
    with reference("pricing_oracle.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _oracle_request(row: Mapping[str, str]) -> dict[str, Any]:
    read, write_5m, write_1h = (
        int(row[f"{name}_tokens"]) for name in ("cache_read", "cache_write_5m", "cache_write_1h")
    )
    return {
        "provider": row["provider_id"],
        "model": row["model_ref"],
        "started_at": datetime.fromisoformat(row["request_ts"]),
        "input_tokens": int(row["uncached_input_tokens"]) + read + write_5m + write_1h,
        "cache_read_tokens": read,
        "cache_write_tokens": write_5m + write_1h,
        "cache_write_5m_tokens": write_5m,
        "cache_write_1h_tokens": write_1h,
        "output_tokens": int(row["output_tokens"]),
        **json.loads(row["price_context"] or "{}"),
    }


def _pico(usd: str | Decimal) -> Decimal:
    return Decimal(usd).scaleb(12)


def test_every_case_of_the_oracle_is_priced_to_the_last_pico_dollar(
    price: Any, oracle: list[dict[str, str]], warehouse: duckdb.DuckDBPyConnection, price_models: list[Model]
) -> None:
    priced = price([_oracle_request(row) for row in oracle])
    wrong = [
        (row, cost)
        for row, cost in zip(oracle, priced, strict=True)
        if cost["price_model"] != row["model_id_expected"]
        or sum(cost[column] for column in INPUT_COSTS) != _pico(row["expected_input_usd"])
        or cost["output_cost_pico"] != _pico(row["expected_output_usd"])
        or cost["list_cost_pico"] != _pico(row["expected_total_usd"])
    ]
    assert len(priced) == 3000
    assert wrong == []
    for model in price_models:
        assert [verdict for verdict in run_checks(warehouse, model) if not verdict.is_passed] == []
        assert [row[0] for row in warehouse.execute(f"DESCRIBE {model.name}").fetchall()] == list(model.columns)


def test_opentelemetry_names_of_providers_price_like_those_of_the_list(price: Any, oracle: list[dict]) -> None:
    names = {"aws": "aws.bedrock", "google": "gcp.vertex_ai"}
    renamed = [row for row in oracle if row["provider_id"] in names]
    priced = price([{**_oracle_request(row), "provider": names[row["provider_id"]]} for row in renamed])
    assert [cost["list_cost_pico"] for cost in priced] == [_pico(row["expected_total_usd"]) for row in renamed]


MIDNIGHT = datetime(2026, 3, 13, tzinfo=UTC)  # claude-opus-4-6 lost its tier above 200,000 tokens on this day
PEAK = datetime(2026, 11, 2, 1, tzinfo=UTC)  # deepseek-v4-pro costs twice as much from 01:00 to 04:00 UTC
MOMENT = timedelta(microseconds=1)
BATCH_START = datetime(2026, 10, 14, tzinfo=UTC)
CASES = {
    "tier: at the limit the base price holds": (
        {"model": "claude-sonnet-4-5", "input_tokens": 200_000}, 200_000 * 3_000_000, None),
    "tier: one token more reprices all of them": (
        {"model": "claude-sonnet-4-5", "input_tokens": 200_001}, 200_001 * 6_000_000, None),
    "tier: cached tokens count towards the limit": (
        {"model": "claude-sonnet-4-5", "input_tokens": 200_001, "cache_read_tokens": 200_000, "cache_write_tokens": 0},
        200_000 * 600_000 + 6_000_000, None),
    "tier: no input is in the first one": (
        {"model": "claude-sonnet-4-5", "output_tokens": 10}, 10 * 15_000_000, None),
    "validity: the last microsecond of the old price": (
        {"model": "claude-opus-4-6", "input_tokens": 200_001, "started_at": MIDNIGHT - MOMENT}, 200_001 * 10_000_000, None),
    "validity: the first microsecond of the new price": (
        {"model": "claude-opus-4-6", "input_tokens": 200_001, "started_at": MIDNIGHT}, 200_001 * 5_000_000, None),
    "hours: just before the peak": (
        {"provider": "deepseek", "model": "deepseek-v4-pro", "output_tokens": 1, "started_at": PEAK - MOMENT}, 1_980_000, None),
    "hours: the peak begins": (
        {"provider": "deepseek", "model": "deepseek-v4-pro", "output_tokens": 1, "started_at": PEAK}, 3_960_000, None),
    "hours: the peak has ended": (
        {"provider": "deepseek", "model": "deepseek-v4-pro", "output_tokens": 1, "started_at": PEAK + timedelta(hours=3)},
        1_980_000, None),
    "hours: and begins again": (
        {"provider": "deepseek", "model": "deepseek-v4-pro", "output_tokens": 1, "started_at": PEAK + timedelta(hours=5)},
        3_960_000, None),
    "context: standard words mean none": (
        {"input_tokens": 1, "service_tier": "standard", "speed": "standard", "inference_geo": "not_available"}, 5_000_000, None),
    "context: fast": ({"input_tokens": 1, "speed": "fast"}, 10_000_000, None),
    "context: batch": ({"input_tokens": 1, "processing": "batch"}, 2_500_000, None),
    "context: batch, as the vendor writes it": ({"input_tokens": 1, "service_tier": "batch"}, 2_500_000, None),
    "context: batch before it had a price": (
        {"input_tokens": 1, "processing": "batch", "started_at": BATCH_START - MOMENT}, 5_000_000, "context_unpriced"),
    "context: batch on its first day": (
        {"input_tokens": 1, "processing": "batch", "started_at": BATCH_START}, 2_500_000, None),
    "context: one that has no price": ({"input_tokens": 1, "service_tier": "priority"}, 5_000_000, "context_unpriced"),
    "context: two at once that have none together": (
        {"input_tokens": 1, "processing": "batch", "speed": "fast"}, 5_000_000, "context_unpriced"),
    "context: meters it does not name keep their price": (
        {"provider": "openai", "model": "gpt-4.1", "input_tokens": 2, "cache_read_tokens": 1, "processing": "batch"},
        1_000_000 + 500_000, None),
    "geo: the US costs a tenth more": ({"input_tokens": 1, "output_tokens": 1, "inference_geo": "us"}, 33_000_000, None),
    "geo: on top of speed": ({"input_tokens": 1, "speed": "fast", "inference_geo": "us"}, 11_000_000, None),
    "geo: web searches cost the same": (
        {"inference_geo": "us", "web_search_requests": 1}, 10_000_000_000, None),
    "geo: a model without the multiplier": (
        {"model": "claude-opus-4-5", "input_tokens": 1, "inference_geo": "us"}, 5_000_000, "context_unpriced"),
    "writes: five minutes and one hour": (
        {"input_tokens": 3, "cache_read_tokens": 0, "cache_write_tokens": 3, "cache_write_5m_tokens": 2,
         "cache_write_1h_tokens": 1}, 2 * 6_250_000 + 10_000_000, None),
    "writes: without a lifetime, as five minutes": (
        {"input_tokens": 3, "cache_read_tokens": 0, "cache_write_tokens": 3}, 3 * 6_250_000, "cache_write_without_ttl"),
    "writes: the rest after the known lifetime": (
        {"input_tokens": 3, "cache_read_tokens": 0, "cache_write_tokens": 3, "cache_write_1h_tokens": 2},
        6_250_000 + 2 * 10_000_000, "cache_write_without_ttl"),
    "writes: lifetimes alone make the whole": (
        {"input_tokens": 3, "cache_read_tokens": 0, "cache_write_5m_tokens": 2, "cache_write_1h_tokens": 1},
        2 * 6_250_000 + 10_000_000, None),
    "writes: a model that does not price them takes its input price": (
        {"provider": "openai", "model": "gpt-5.5", "input_tokens": 3, "cache_read_tokens": 0, "cache_write_5m_tokens": 3},
        3 * 5_000_000, None),
    "cache unknown: plain input, and said so": ({"input_tokens": 3}, 3 * 5_000_000, "cache_split_unknown"),
    "search: a cent each": ({"web_search_requests": 2}, 20_000_000_000, None),
    "request: a fee of its own": (
        {"provider": "perplexity", "model": "sonar", "input_tokens": 1}, 12_000_000_000 + 1_000_000, None),
    "free: zero because a row says so": (
        {"provider": "openrouter", "model": "deepseek/deepseek-chat:free", "input_tokens": 5}, 0, None),
}  # fmt: skip
CACHE_KNOWN = {"cache_read_tokens": 0, "cache_write_tokens": 0}


def test_prices_change_exactly_at_their_boundaries(price: Any) -> None:
    requests = []
    for name, (request, _, _) in CASES.items():
        known = {} if name.startswith(("cache unknown", "writes", "tier: cached")) else CACHE_KNOWN
        requests.append({**known, **request})
    costs = price(requests)
    assert {
        name: (cost["price_status"], cost["list_cost_pico"], cost["price_flags"])
        for name, cost in zip(CASES, costs, strict=True)
    } == {name: ("priced", expected, flags) for name, (_, expected, flags) in CASES.items()}


UNPRICED = {
    "input unknown": ({"input_tokens": None}, "no_tokens"),
    "output unknown": ({"input_tokens": 1, "output_tokens": None}, "no_tokens"),
    "failed before any token": (
        {"status": "error", "input_tokens": None, "output_tokens": None, "model": None}, "no_tokens"),
    "cache exceeds input": (
        {"input_tokens": 10, "cache_read_tokens": 6, "cache_write_tokens": 5}, "inconsistent_tokens"),
    "lifetimes exceed writes": (
        {"input_tokens": 10, "cache_write_tokens": 5, "cache_write_5m_tokens": 3, "cache_write_1h_tokens": 3},
        "inconsistent_tokens"),
    "reasoning exceeds output": ({"output_tokens": 1, "reasoning_tokens": 2}, "inconsistent_tokens"),
    "negative input": ({"input_tokens": -1}, "inconsistent_tokens"),
    "negative output": ({"output_tokens": -1}, "inconsistent_tokens"),
    "negative cache": ({"input_tokens": 1, "cache_read_tokens": -1}, "inconsistent_tokens"),
    "model unknown": ({"model": "aide-gpt-5", "input_tokens": 1}, "unknown_model"),
    "model missing": ({"model": None, "input_tokens": 1}, "unknown_model"),
    "model unknown, no tokens used": ({"model": "aide-gpt-5"}, "unknown_model"),
    "output without a price": (
        {"provider": "openai", "model": "text-embedding-3-small", "output_tokens": 1}, "unknown_meter"),
    "search without a price": (
        {"provider": "openai", "model": "text-embedding-3-small", "web_search_requests": 1}, "unknown_meter"),
    "listed, but by none of our meters": (
        {"provider": "groq", "model": "whisper-large-v3", "output_tokens": 0}, "unknown_meter"),
    "input beyond reason": ({"input_tokens": 2**63 - 1}, "overflow"),
    "output beyond reason": ({"output_tokens": 2**63 - 1}, "overflow"),
    "searches beyond reason": ({"web_search_requests": 2**63 - 1}, "overflow"),
}  # fmt: skip


def test_what_cannot_be_priced_has_no_cost_and_says_why(price: Any) -> None:
    costs = price([request for request, _ in UNPRICED.values()])
    found = {name: cost["price_status"] for name, cost in zip(UNPRICED, costs, strict=True)}
    assert found == {name: status for name, (_, status) in UNPRICED.items()}
    assert {value for cost in costs for column, value in cost.items() if column.endswith("_pico")} == {None}


def test_the_largest_count_of_the_contract_is_priced_without_overflow(price: Any) -> None:
    cost, *_ = price([{"provider": "openai", "model": "o1-pro", "input_tokens": 10**9, "output_tokens": 10**9}])
    assert cost["list_cost_pico"] == 10**9 * (150_000_000 + 600_000_000)


def test_the_cost_of_searches_is_unknown_when_their_number_is(price: Any) -> None:
    unknown, none = price([{"input_tokens": 1, **CACHE_KNOWN}, {"input_tokens": 1, "web_search_requests": 0}])
    assert (unknown["web_search_cost_pico"], none["web_search_cost_pico"]) == (None, 0)
    assert unknown["list_cost_pico"] == none["list_cost_pico"] == 5_000_000


def test_a_resellers_price_ignores_the_suppliers_contexts_and_says_so(price: Any) -> None:
    cost, *_ = price([{"provider": "azure.ai.openai", "model": "gpt-5.5", "input_tokens": 1, "service_tier": "flex"}])
    assert cost["list_cost_pico"] == 5_000_000
    assert cost["price_flags"] == "reseller_price,context_unpriced,cache_split_unknown"


def test_only_days_of_the_run_are_priced(price: Any) -> None:
    requests = [{"input_tokens": 1}, {"input_tokens": 1, "started_at": datetime(2026, 11, 3, tzinfo=UTC)}]
    costs = price(requests, run_days="SELECT DATE '2026-11-03' AS day")
    assert [cost["day"] for cost in costs] == [date(2026, 11, 3)]
