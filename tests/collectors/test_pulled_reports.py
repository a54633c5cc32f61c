"""What rows of the providers' bills and usage become: units, tokens and people, with every trap they are known for."""

from decimal import Decimal

import pytest

from collectors import fixtures_vendors as made  # noqa: TID251 - tests/collectors
from collectors import vendor_apis  # noqa: TID251
from collectors.fixtures_vendors import part  # noqa: TID251
from collectors.puller import Server  # noqa: TID251
from collectors.vendor_apis import Loopback  # noqa: TID251
from meterhouse_collector.settings import pseudonym

NOW = "2026-11-04T06:00:00Z"
PERSON = pseudonym(made.EMAIL, b"k" * 20)


def test_anthropics_input_becomes_all_that_was_read(pulled):
    (row,), _, _ = pulled("anthropic", {"usage": {made.DAY: [made.usage()]}})
    assert row["input_tokens"] == 10 + 100 + 3 + 4
    assert (row["cache_read_tokens"], row["cache_write_tokens"]) == (100, 7)
    assert (row["cache_write_5m_tokens"], row["cache_write_1h_tokens"]) == (3, 4)
    assert "workspace" not in row  # the default workspace has no id; unknown is absent


@pytest.mark.parametrize(
    ("cents", "usd"),
    [("123.45", "1.2345"), ("1523", "15.23"), ("0", "0"), ("0.0000000001", "0.000000000001"),
     ("909090909090909.123", "9090909090909.09123")],
)  # fmt: skip
def test_anthropics_cost_is_cents_as_text_and_never_a_float(pulled, cents, usd):
    (row,), _, _ = pulled("anthropic", {"cost": {made.DAY: [made.cost(cents)]}})
    assert row["amount_usd"] == usd
    assert "list_amount_usd" not in row


@pytest.mark.parametrize(("number", "usd"), [(123, "1.23"), (0.1, "0.001"), (12.345678, "0.12345678")])
@pytest.mark.parametrize(("customer", "is_billable"), [("api", True), ("subscription", False)])
def test_claude_codes_estimate_is_cents_as_a_number_and_a_subscription_pays_none_of_it(
    pulled, number, usd, customer, is_billable
):
    rows, _, _ = pulled(
        "anthropic", {"claude_code": [made.claude_code(customer, number)]}, report="anthropic_claude_code"
    )
    activity, tool, model = rows
    assert {row["person_key"] for row in rows} == {PERSON}
    assert part(activity, "sessions", "lines_added", "lines_removed", "commits", "pull_requests", "amount_usd") == {
        "sessions": 3, "lines_added": 50, "lines_removed": 20, "commits": 2, "pull_requests": 1, "amount_usd": None}  # fmt: skip
    assert part(tool, "tool_name", "edits_accepted", "edits_rejected") == {
        "tool_name": "Edit", "edits_accepted": 9, "edits_rejected": 1}  # fmt: skip
    assert part(model, "list_amount_usd", "is_billable", "is_subscription", "input_tokens") == {
        "list_amount_usd": usd, "is_billable": is_billable, "is_subscription": not is_billable, "input_tokens": 115}  # fmt: skip


def test_what_anthropic_charges_nobody_with_is_kept(pulled):
    values = {"currency": "USD", "list_amount": "200", "amount": "180.5"}
    data = {"analytics_cost": [made.analytics("cost", **values), made.analytics("cost", actor=None, **values)]}
    rows, _, _ = pulled("anthropic", data, report="anthropic_analytics_cost")
    assert [row.get("person_key") for row in rows] == [PERSON, None]
    assert [part(row, "list_amount_usd", "amount_usd") for row in rows] == [
        {"list_amount_usd": "2", "amount_usd": "1.805"}
    ] * 2


def test_the_vendors_word_on_completeness_counts_until_the_day_is_closed_and_no_longer(tmp_path, monkeypatch):
    routes = [vendor_apis.anthropic({}, refreshed=f"2026-11-0{day}T00:00:00Z") for day in (3, 4, 6, 7)]
    with Loopback({}) as api:
        server = Server(tmp_path, monkeypatch, "anthropic", api.url, NOW)
        for api.routes in routes:
            server.pull("--reports", "anthropic_analytics_usage", "--since", made.DAY, "--until", made.DAY)
    told = [row["data_complete_to"][8:10] for row in server.events("vendor_window")]
    assert told == ["03", "04", "06"]


def test_openais_input_includes_the_cache_already_and_its_costs_are_float_dollars(pulled):
    start = 1793577600
    result = {"input_tokens": 1000, "input_cached_tokens": 400, "input_cache_write_tokens": 100, "output_tokens": 500,
              "num_model_requests": 5, "model": "gpt-5.4", "batch": True, "project_id": "proj_1"}  # fmt: skip
    lines = [{"amount": {"value": value, "currency": "usd"}, "line_item": line}
             for value, line in ((0.1, "gpt-5.4, input_tokens"), (0.2, "web search"), (1e-05, None))]  # fmt: skip
    rows, _, _ = pulled("openai", {"completions": {start: [result]}, "costs": {start: lines}})
    assert part(rows[0], "input_tokens", "cache_read_tokens", "cache_write_tokens", "processing", "requests") == {
        "input_tokens": 1000, "cache_read_tokens": 400, "cache_write_tokens": 100, "processing": "batch", "requests": 5}  # fmt: skip
    assert [part(row, "amount_usd", "model", "token_type", "cost_type") for row in rows[1:]] == [
        {"amount_usd": "0.1", "model": "gpt-5.4", "token_type": "input_tokens", "cost_type": "tokens"},
        {"amount_usd": "0.2", "model": None, "token_type": None, "cost_type": "web search"},
        {"amount_usd": "0.00001", "model": None, "token_type": None, "cost_type": None},
    ]


@pytest.mark.parametrize(
    "amount",
    [{"currency": "EUR"}, {"amount": "NaN"}, {"amount": "1e999999999"}, {"amount": "12 CANARY"}, {"amount": True}],
)
def test_an_amount_that_is_none_or_in_another_currency_fails_its_window(pulled, capfd, amount):
    rows, server, _ = pulled("anthropic", {"cost": {made.DAY: [made.cost(**amount)]}}, report="anthropic_cost", code=1)
    assert rows == server.lines() == []
    told = capfd.readouterr().err
    assert told.startswith("anthropic_cost 2026-11-02: a")
    assert "CANARY" not in told


def test_an_amount_below_zero_is_a_credit_row_to_be_subtracted(pulled):
    rows, _, _ = pulled("anthropic", {"cost": {made.DAY: [made.cost("-50")]}})
    assert [part(row, "amount_usd", "charge_category", "model") for row in rows] == [
        {"amount_usd": None, "charge_category": None, "model": "claude-opus-4-5"},
        {"amount_usd": "0.5", "charge_category": "credit", "model": "claude-opus-4-5"},
    ]


def test_a_request_that_is_paid_back_stays_a_request_and_the_money_becomes_a_credit(pulled):
    requests, server, _ = pulled("cursor", {"events": [made.event(chargedCents=-40)]}, "model_request")
    assert part(requests[0], "list_amount_usd", "amount_usd") == {"list_amount_usd": "1.0005", "amount_usd": None}
    (credit,) = server.current("vendor_usage")
    assert part(credit, "amount_usd", "charge_category", "report", "requests") == {
        "amount_usd": "0.4", "charge_category": "credit", "report": "cursor_events", "requests": None}  # fmt: skip


def test_a_day_of_more_tokens_than_one_event_carries_loses_none(pulled):
    whole = 25 * 10**9 + 7
    rows, _, _ = pulled("anthropic", {"usage": {made.DAY: [made.usage(output_tokens=whole)]}})
    assert [row["output_tokens"] for row in rows] == [10**10, 10**10, 5 * 10**9 + 7]
    assert [row.get("cache_read_tokens") for row in rows] == [100, None, None]


def test_sums_do_not_drift_through_floats(pulled):
    start = 1793577600
    lines = [{"amount": {"value": 0.1, "currency": "usd"}, "line_item": f"line {number}"} for number in range(30)]
    rows, _, _ = pulled("openai", {"costs": {start: lines}}, report="openai_costs")
    assert sum(Decimal(row["amount_usd"]) for row in rows) == Decimal("3.0")
