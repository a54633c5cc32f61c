"""What rows of Cursor and Copilot become: requests, commits, seats, credits, with every trap they are known for."""

import pytest

from collectors import fixtures_vendors as made  # noqa: TID251 - tests/collectors
from collectors import vendor_apis  # noqa: TID251
from collectors.fixtures_vendors import part  # noqa: TID251
from collectors.puller import Server  # noqa: TID251
from collectors.vendor_apis import KEY, Loopback  # noqa: TID251
from meterhouse_collector.settings import pseudonym

NOW = "2026-11-04T06:00:00Z"
PERSON = pseudonym(made.EMAIL, b"k" * 20)


def test_cursors_four_token_amounts_nest_and_its_event_is_a_request(pulled):
    (row,), _, _ = pulled("cursor", {"events": [made.event()]}, "model_request")
    assert part(row, "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens") == {
        "input_tokens": 115, "cache_read_tokens": 100, "cache_write_tokens": 5, "output_tokens": 7}  # fmt: skip
    assert part(row, "list_amount_usd", "amount_usd", "reported_cost_usd", "reported_cost_basis", "is_billable") == {
        "list_amount_usd": "1.0005", "amount_usd": "1.234", "reported_cost_usd": "1.234",
        "reported_cost_basis": "provider_invoiced", "is_billable": True}  # fmt: skip
    assert part(row, "agent", "channel", "person_key", "session_id", "occurred_at", "status") == {
        "agent": "cursor", "channel": "vendor_api", "person_key": PERSON, "session_id": f"cursor:{PERSON}:2026-11-02",
        "occurred_at": "2026-11-02T12:00:00.123Z", "status": "ok"}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"kind": "Errored, Not Charged", "tokenUsage": None, "chargedCents": 0, "isChargeable": False},
         {"status": "error", "input_tokens": None, "amount_usd": "0", "is_billable": False}),
        ({"kind": "Aborted, Not Charged", "chargedCents": 0, "isChargeable": False},
         {"status": "cancelled", "input_tokens": 115, "amount_usd": "0"}),
        ({"kind": "Included in Business", "isChargeable": False},
         {"status": "ok", "is_billable": False, "reported_cost_basis": "plan_included", "is_subscription": True, "amount_usd": "1.234"}),
        ({"conversationId": "c-1"}, {"session_id": "c-1"}),
        ({"isChargeable": None, "chargedCents": None}, {"is_billable": None, "amount_usd": None, "reported_cost_basis": None}),
    ],
)  # fmt: skip
def test_an_event_of_cursor_says_how_it_ended_and_who_pays(pulled, more, expected):
    (row,), _, _ = pulled("cursor", {"events": [made.event(**more)]}, "model_request")
    assert part(row, *expected) == expected


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_what_a_page_of_cursor_repeats_counts_once_and_calls_alike_in_every_field_all_count(pulled, shift):
    stamps = [f"179362080000{digit}" for digit in "987765"]
    rows, _, _ = pulled("cursor", {"events": [made.event(at) for at in stamps]}, "model_request", size=2, shift=shift)
    assert len(rows) == len({row["native_id"] for row in rows}) == 6


def test_events_that_are_not_as_many_as_cursor_says_fail_the_window(pulled, monkeypatch, capfd):
    routes = vendor_apis.cursor({"events": [made.event()]})
    whole = routes["/teams/filtered-usage-events"]
    routes["/teams/filtered-usage-events"] = lambda query, body: {**whole(query, body), "totalUsageEventsCount": 2}
    monkeypatch.setattr(vendor_apis, "cursor", lambda data: routes)
    _, server, api = pulled("cursor", {}, report="cursor_events", code=1)
    assert "not as many as it says" in capfd.readouterr().err
    assert len(api.requests) == 3
    assert server.lines() == []


def test_a_request_keeps_its_id_when_its_window_is_restated(tmp_path, monkeypatch):
    data = {"events": [made.event()]}
    with Loopback(vendor_apis.cursor(data)) as api:
        server = Server(tmp_path, monkeypatch, "cursor", api.url, NOW)
        for _ in range(2):
            server.pull("--reports", "cursor_events", "--since", made.DAY, "--until", made.DAY)
            data["events"].append(made.event("1793620899999"))
    first, again, _ = server.events("model_request")
    assert first["native_id"] == again["native_id"]
    assert first["event_id"] != again["event_id"]


def test_cursors_spend_is_one_window_a_cycle_and_adds_up_to_overall(pulled):
    rows, server, _ = pulled("cursor", {"members": [made.member()]}, report="cursor_spend")
    assert [part(row, "cost_type", "amount_usd", "is_billable") for row in rows] == [
        {"cost_type": "on_demand", "amount_usd": "5.21", "is_billable": True},
        {"cost_type": "included", "amount_usd": "3.88", "is_billable": False},
    ]
    (window,) = server.current("vendor_window")
    assert (window["window_start"], window["window_end"]) == ("2026-10-01T00:00:00Z", "2026-11-05T00:00:00Z")


def test_cursors_day_is_a_row_of_the_editor_and_one_a_feature(pulled):
    idle = made.editor(
        userId=2,
        isActive=False,
        **dict.fromkeys(("totalLinesAdded", "totalAccepts", "totalRejects", "agentRequests"), 0),
    )
    rows, _, _ = pulled("cursor", {"daily": [made.editor(), idle]}, report="cursor_daily")
    assert [part(row, "lines_added", "edits_accepted", "product", "requests") for row in rows] == [
        {"lines_added": 30, "edits_accepted": 4, "product": None, "requests": None},
        {"lines_added": None, "edits_accepted": None, "product": "agent", "requests": 6},
    ]


def test_of_a_commit_that_was_amended_the_last_one_is_left(pulled):
    amended = made.commit("b" * 40, createdAt="2026-11-09T10:00:00.000Z", repoName="acme/web")
    other = made.commit("c" * 40, repoName=None, tabLinesAdded=0, composerLinesAdded=0, composerLinesDeleted=0)
    rows, _, _ = pulled("cursor", {"commits": [amended, made.commit(), other]}, "commit", size=2)
    found = {row["commit_sha"][0]: row for row in rows}
    assert found.keys() == {"b", "c"}
    assert part(found["b"], "ai_lines_added", "ai_lines_removed", "lines_added", "ai_agents", "committed_at") == {
        "ai_lines_added": 16, "ai_lines_removed": 3, "lines_added": 20, "ai_agents": ["cursor"],
        "committed_at": "2026-11-02T10:00:00Z"}  # fmt: skip
    assert part(found["c"], "ai_agents", "repository") == {"ai_agents": [], "repository": None}


def test_copilots_signed_links_get_no_key_and_are_told_to_nobody(pulled, capfd):
    record = b'{"day":"%s","user_login":"octo","user_initiated_interaction_count":2,"ai_credits_used":188.98}\n'
    data = {"users": {made.DAY: [record % made.DAY.encode(), b""], made.NEXT: [b"{broken CANARY"]}}
    rows, _, api = pulled("copilot", data, account="acme", code=1)
    signed = [headers for path, headers in zip(api.requests, api.headers, strict=True) if path.startswith("/signed/")]
    asked = [
        headers for path, headers in zip(api.requests, api.headers, strict=True) if not path.startswith("/signed/")
    ]
    assert len(signed) == 3
    assert all(KEY not in str(headers) for headers in signed)
    assert all(headers["Authorization"] == f"Bearer {KEY}" for headers in asked)
    told = capfd.readouterr().err
    assert "copilot_users 2026-11-03: " in told
    assert "CANARY" not in told
    assert [part(row, "prompts", "list_amount_usd", "person_key") for row in rows] == [
        {"prompts": 2, "list_amount_usd": None, "person_key": pseudonym("github:octo", b"k" * 20)},
        {"prompts": None, "list_amount_usd": "1.8898", "person_key": pseudonym("github:octo", b"k" * 20)},
    ]


@pytest.mark.parametrize("link", ["http://reports.example.com/x", "file:///etc/passwd", "ftp://reports.example.com/x"])
def test_a_link_that_leaves_tls_is_not_followed(pulled, monkeypatch, capfd, link):
    routes = {
        "/orgs/acme/copilot/metrics/reports/users-1-day": lambda query, _: {
            "download_links": [link],
            "report_day": query["day"],
        }
    }
    monkeypatch.setattr(vendor_apis, "copilot", lambda data: routes)
    _, server, _ = pulled("copilot", {}, report="copilot_users", account="acme", code=1)
    assert "a download link is not https" in capfd.readouterr().err
    assert server.lines() == []


def test_a_signed_link_that_ran_out_fails_its_day_alone(pulled, monkeypatch, capfd):
    routes = vendor_apis.copilot(
        {"users": {made.DAY: [b'{"day":"2026-11-02"}'], made.NEXT: [b'{"day":"2026-11-03"}']}}, account="orgs/acme"
    )
    del routes[f"/signed/users/{made.DAY}/0"]
    monkeypatch.setattr(vendor_apis, "copilot", lambda data: routes)
    rows, _, _ = pulled("copilot", {}, account="acme", code=1)
    assert "copilot_users 2026-11-02: a download link answers 404" in capfd.readouterr().err
    assert [row["window_start"][:10] for row in rows if row["report"] == "copilot_users"] == [made.NEXT]


def test_a_copilot_report_that_is_not_made_yet_is_no_failure_and_no_empty_day(pulled, capfd):
    rows, server, _ = pulled("copilot", {}, report="copilot_users", account="acme")
    assert rows == server.lines() == []
    assert "1 not reported yet" in capfd.readouterr().err


def test_copilots_credits_are_list_price_gross_and_billed_net(pulled):
    item = {"sku": "copilot_ai_credit", "model": "Auto: GPT-5.4", "unitType": "ai-credits", "grossAmount": 1.225412,
            "netAmount": 0.428894, "user": "octo"}  # fmt: skip
    (row,), _, _ = pulled("copilot", {"credits": {made.DAY: [item]}}, report="copilot_credits", account="acme")
    assert part(row, "list_amount_usd", "amount_usd", "product", "model", "cost_type") == {
        "list_amount_usd": "1.225412", "amount_usd": "0.428894", "product": "copilot_ai_credit", "model": "Auto: GPT-5.4",
        "cost_type": "ai_credit"}  # fmt: skip


def test_seats_are_one_a_person_and_plan_and_all_pages_are_read(pulled):
    def seat(number, plan="business", **more):
        return {
            "assignee": {"id": number, "login": f"octo{number}"},
            "plan_type": plan,
            "last_activity_at": None,
            **more,
        }

    seats = [
        seat(1),
        seat(2, pending_cancellation_date="2026-12-01"),
        seat(1, last_activity_at="2026-11-01T10:00:00-06:00"),
        seat(1, "enterprise"),
    ]
    rows, _, api = pulled("copilot", {"seats": seats}, "seat", report="copilot_seats", account="acme")
    assert {(row["person_key"], row["plan"]): (row["seat_state"], row.get("last_active_at")) for row in rows} == {
        (pseudonym("github:octo1", b"k" * 20), "business"): ("active", "2026-11-01T16:00:00Z"),
        (pseudonym("github:octo1", b"k" * 20), "enterprise"): ("active", None),
        (pseudonym("github:octo2", b"k" * 20), "business"): ("pending", None),
    }
    assert len(rows) == 3
    assert api.count()["/orgs/acme/copilot/billing/seats"] == 2
