"""Vendors' reports replayed by loopback servers from the shared fixtures: sums equal what `truth.json` says, to the last digit."""

import json
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from collectors import vendor_apis  # noqa: TID251 - tests/collectors
from collectors.puller import Server  # noqa: TID251
from conformance.ends import FIXTURES, needs_fixtures
from meterhouse_collector.pulls import cursor

pytestmark = needs_fixtures
CURSOR = FIXTURES / "cursor" / "api-synthetic-A"
COPILOT = FIXTURES / "copilot"


def read(path):
    return json.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)


def plain(rows):
    """Decimals back to the text that they were read from, for a server to send."""
    return json.loads(json.dumps(rows, default=float))


def total(events, field):
    return sum(Decimal(event[field]) for event in events if field in event)


def in_cents(events, field):
    """The sum in cents, near enough for a truth that was added up in floats and written to a millionth."""
    return pytest.approx(total(events, field) * 100, abs=Decimal("1e-6"), rel=0)


@pytest.fixture
def server(tmp_path, monkeypatch):
    def start(vendor, api, at, account=None):
        return Server(tmp_path, monkeypatch, vendor, api.url, at, account)

    return start


def cursor_pages():
    return [read(path)["usageEvents"] for path in sorted((CURSOR / "admin").glob("filtered-usage-events.page*"))]


def test_a_usage_event_that_two_pages_of_cursor_repeat_is_one():
    pages = cursor_pages()
    assert sum(map(len, pages)) == 526
    assert len(cursor._whole(lambda: iter([(page, 525) for page in pages]))) == 525


def test_cursor_adds_up_to_its_truth(server):
    truth = read(CURSOR / "truth.json")
    exact = [event for page in cursor_pages() for event in page]
    del exact[100]  # the server repeats rows by itself, at every page
    data = {
        "events": plain(exact),
        "daily": [row for path in sorted((CURSOR / "admin").glob("daily-usage-data.page*")) for row in plain(read(path)["data"])],
        "members": plain(read(CURSOR / "admin" / "spend.page1.json")["teamMemberSpend"]),
        "commits": [row for path in sorted((CURSOR / "ai-code").glob("commits.page*")) for row in read(path)["items"]],
    }  # fmt: skip
    with vendor_apis.Loopback(vendor_apis.cursor(data, size=7)) as api:
        organisation = server("cursor", api, "2026-10-22T06:00:00Z")
        assert organisation.pull("--since", "2026-10-01") == 0
    requests = organisation.current("model_request")
    assert len(requests) == truth["events"]
    assert sum("input_tokens" in row for row in requests) == truth["token_based_events"]
    tokens = truth["tokens"]
    assert total(requests, "output_tokens") == tokens["outputTokens"]
    assert total(requests, "cache_read_tokens") == tokens["cacheReadTokens"]
    assert total(requests, "cache_write_tokens") == tokens["cacheWriteTokens"]
    assert total(requests, "input_tokens") == sum(
        tokens[name] for name in ("inputTokens", "cacheReadTokens", "cacheWriteTokens")
    )
    assert in_cents(requests, "list_amount_usd") == truth["total_cents"]
    assert in_cents(requests, "reported_cost_usd") == truth["charged_cents_all"]
    billable = [row for row in requests if row["is_billable"]]
    assert in_cents(billable, "amount_usd") == truth["charged_cents_chargeable"]
    kinds = Counter(event["kind"].partition(",")[0] for event in exact)
    assert kinds["Errored"] == sum(row["status"] == "error" for row in requests) > 0
    assert kinds["Aborted"] == sum(row["status"] == "cancelled" for row in requests) > 0
    people = defaultdict(Decimal)
    for row in requests:
        people[row["person_key"]] += Decimal(row.get("list_amount_usd", 0)) * 100
    assert sorted(people.values()) == sorted(truth["by_user_cents"].values())
    stated = [event["tokenUsage"]["totalCents"] for event in exact if "tokenUsage" in event]
    assert total(requests, "list_amount_usd") == sum((cents / 100).quantize(Decimal("1e-12")) for cents in stated)
    assert len(organisation.current("commit")) == truth["commits_after_amend_dedupe"]
    spend = [row for row in organisation.current("vendor_usage") if row["report"] == "cursor_spend"]
    assert total(spend, "amount_usd") == Decimal("64.13")  # members' overall spend, whole cents each
    lines = [row for row in organisation.current("vendor_usage") if row["report"] == "cursor_daily"]
    assert total(lines, "lines_added") == sum(row["totalLinesAdded"] for row in data["daily"])


def test_anthropic_analytics_adds_up_to_its_pages(server):
    folder = FIXTURES / "anthropic_usage_api" / "synthetic_analytics"
    raw = {
        what: [row for path in sorted(folder.glob(f"{what}_page*")) for row in read(path)["data"]]
        for what in ("usage", "cost")
    }
    data = {f"analytics_{what}": plain(rows) for what, rows in raw.items()}
    with vendor_apis.Loopback(vendor_apis.anthropic(data, size=3)) as api:
        organisation = server("anthropic", api, "2026-11-09T06:00:00Z")
        assert organisation.pull() == 0
    rows = organisation.current("vendor_usage")
    usage = [row for row in rows if row["report"] == "anthropic_analytics_usage"]
    cost = [row for row in rows if row["report"] == "anthropic_analytics_cost"]
    assert (len(usage), len(cost)) == (50, 250)
    assert total(usage, "input_tokens") + total(usage, "output_tokens") == sum(
        row["usage"]["total_tokens"] for row in raw["usage"]
    )
    assert total(usage, "requests") == sum(row["usage"]["requests"] for row in raw["usage"])
    for field, name in (("list_amount_usd", "list_amount"), ("amount_usd", "amount")):
        assert total(cost, field) * 100 == sum(Decimal(row["cost"][name]) for row in raw["cost"])
    assert total(cost, "amount_usd") == total(cost, "list_amount_usd") * Decimal("0.9")
    windows = [row for row in organisation.current("vendor_window") if row["report"] == "anthropic_analytics_cost"]
    assert {row["data_complete_to"] for row in windows} == {"2026-11-09T02:10:00Z"}


def test_openai_examples_keep_their_invariant_and_their_cents(server):
    folder = FIXTURES / "openai_usage_api"
    data = {
        name: {bucket["start_time"]: plain(bucket["results"]) for bucket in read(folder / file)["data"]}
        for name, file in (("completions", "usage_completions.json"), ("moderations", "usage_moderations.json"), ("costs", "costs.json"))
    }  # fmt: skip
    with vendor_apis.Loopback(vendor_apis.openai(data)) as api:
        organisation = server("openai", api, "2024-11-02T06:00:00Z")
        assert organisation.pull() == 0
    rows = {row["report"]: row for row in organisation.current("vendor_usage")}
    chat = rows["openai_completions"]
    assert (chat["input_tokens"], chat["cache_read_tokens"], chat["cache_write_tokens"]) == (1000, 400, 100)
    assert (chat["output_tokens"], chat["requests"]) == (500, 5)
    assert rows["openai_costs"]["amount_usd"] == "0.06"
    assert rows["openai_moderations"]["input_tokens"] == 16


def test_copilot_adds_up_to_its_truth(server):
    truth = read(COPILOT / "metrics-synthetic-A" / "truth.json")
    folder = COPILOT / "metrics-synthetic-A" / "users-1-day"
    upstream = COPILOT / "metrics-api-upstream"
    data = {
        "users": {day.name: [path.read_bytes() for path in sorted(day.glob("*.ndjson"))] for day in folder.iterdir()},
        "seats": read(upstream / "enterprise_seats_with_duplicates.json")["seats"],
        "credits": {"2026-06-20": plain(read(upstream / "billing-credits.json")["usageItems"])},
    }
    with vendor_apis.Loopback(vendor_apis.copilot(data)) as api:
        organisation = server("copilot", api, "2026-06-23T06:00:00Z", account="acme")
        assert organisation.pull() == 0
    users = [row for row in organisation.current("vendor_usage") if row["report"] == "copilot_users"]
    assert total(users, "list_amount_usd") * 100 == truth["ai_credits_used"]
    assert total(users, "lines_added") == truth["loc_added_sum"]
    assert total(users, "output_tokens") == truth["cli_output_tokens"]
    assert total(users, "input_tokens") == truth["cli_prompt_tokens"]
    assert sum("prompts" in row for row in users) == truth["user_days"]
    assert len({(row["person_key"], row["window_start"]) for row in users}) == truth["user_days"]
    credits_ = [row for row in organisation.current("vendor_usage") if row["report"] == "copilot_credits"]
    items = read(upstream / "billing-credits.json")["usageItems"]
    assert total(credits_, "list_amount_usd") == sum(item["grossAmount"] for item in items)
    assert total(credits_, "amount_usd") == sum(item["netAmount"] for item in items)
    seats = organisation.current("seat")
    assert (len(data["seats"]), len(seats), len({row["person_key"] for row in seats})) == (4, 2, 2)
    assert sorted(row["last_active_at"] for row in seats) == ["2021-10-15T06:53:32Z", "2021-10-16T06:53:32Z"]


def test_whole_documents_of_earlier_copilot_files_are_read_too(server):
    upstream = COPILOT / "metrics-api-upstream"
    data = {
        "users": {"2026-04-25": [(upstream / "organization-users-1-day-report.json").read_bytes()]},
        "organization": {"2026-04-25": [(upstream / "organization-1-day-report.json").read_bytes()]},
    }
    with vendor_apis.Loopback(vendor_apis.copilot(data)) as api:
        organisation = server("copilot", api, "2026-04-26T06:00:00Z", account="acme")
        assert organisation.pull() == 0
    rows = organisation.current("vendor_usage")
    whole = [row for row in rows if row["report"] == "copilot_organization"]
    assert total(whole, "lines_added") == 435
    assert total(whole, "output_tokens") == 748058
    assert total([row for row in rows if row["report"] == "copilot_users"], "prompts") == 24
