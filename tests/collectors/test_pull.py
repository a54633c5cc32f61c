"""Pulling: windows replaced whole or left alone, whatever the network, the vendor or a kill does; the key is told to nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from collectors import fixtures_vendors as made  # noqa: TID251 - tests/collectors
from collectors import vendor_apis  # noqa: TID251
from collectors.puller import Server  # noqa: TID251
from collectors.vendor_apis import KEY, Loopback  # noqa: TID251

NOW = "2026-11-04T06:00:00Z"
LAUNCH = Path(__file__).with_name("launch.py")
SINCE = ("--since", made.DAY)


@pytest.fixture
def anthropic(tmp_path, monkeypatch):
    """A loopback Anthropic with two days of usage, and a server that pulls it."""
    data = {"usage": {made.DAY: [made.usage(), made.usage("claude-haiku-4-5")], made.NEXT: [made.usage()]}}
    with Loopback(vendor_apis.anthropic(data, size=1)) as api:
        yield api, data["usage"], Server(tmp_path, monkeypatch, "anthropic", api.url, NOW)


def pull(server, *more):
    return server.pull("--reports", "anthropic_usage", *SINCE, *more)


def windows(server):
    return [(row["window_start"][:10], row["row_count"]) for row in server.events("vendor_window")]


def test_a_second_pull_sends_nothing(anthropic, capfd):
    _, _, server = anthropic
    assert pull(server) == 0
    before = server.lines()
    assert windows(server) == [("2026-11-02", 2), ("2026-11-03", 1), ("2026-11-04", 0)]
    capfd.readouterr()
    assert pull(server) == 0
    assert server.lines() == before
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "anthropic_usage: 0 of 3 windows changed, 0 rows"


def test_a_restated_window_is_sent_whole_and_a_row_that_vanished_is_in_it_no_more(anthropic):
    _, usage, server = anthropic
    pull(server)
    usage[made.DAY] = [made.usage(output_tokens=8)]
    pull(server)
    assert windows(server)[3:] == [("2026-11-02", 1)]
    assert [row["output_tokens"] for row in server.current("vendor_usage")] == [7, 8]
    fetched = {row["fetched_at"] for row in server.events("vendor_usage") if row["window_start"].startswith(made.DAY)}
    assert len(fetched) == 2


def test_the_window_event_is_the_last_of_its_fetch(anthropic):
    _, _, server = anthropic
    pull(server)
    kinds = [event["kind"] for event in server.events()]
    assert kinds == ["vendor_usage", "vendor_usage", "vendor_window", "vendor_usage", "vendor_window", "vendor_window"]


def test_the_order_of_rows_is_no_change(anthropic):
    _, usage, server = anthropic
    pull(server)
    usage[made.DAY].reverse()
    count = len(server.lines())
    pull(server)
    assert len(server.lines()) == count


def test_rows_alike_in_every_field_all_count(anthropic):
    _, usage, server = anthropic
    usage[made.DAY] = [made.usage()] * 3
    pull(server)
    assert len({row["event_id"] for row in server.current("vendor_usage")}) == 4


def test_retry_after_is_waited_for_and_a_server_error_in_the_middle_is_asked_again(anthropic):
    api, _, server = anthropic
    api.faults = [(429, {"Retry-After": "17"}), None, (500, {}), b'{"data": [', (503, {})]
    assert pull(server) == 0
    assert server.clock.slept[0] >= 17
    assert len(server.clock.slept) == 4
    assert len(server.current("vendor_usage")) == 3


@pytest.mark.parametrize("fault", [(500, {}), (429, {"Retry-After": "7200"})])
def test_a_vendor_that_stays_away_fails_the_report_in_one_line_and_the_next_pull_goes_on(anthropic, capfd, fault):
    api, _, server = anthropic
    api.faults = [None, None, *[fault] * 8]
    assert pull(server) == 1
    told = capfd.readouterr().err.splitlines()
    assert told[0].startswith("anthropic: /v1/organizations/usage_report/messages answers ")
    assert windows(server) == [("2026-11-02", 2)]
    api.faults = []
    assert pull(server) == 0
    assert windows(server) == [("2026-11-02", 2), ("2026-11-03", 1), ("2026-11-04", 0)]


@pytest.mark.parametrize(
    "broken", [{"has_more": True, "next_page": None}, {"has_more": None}, {"data": None}, {"data": [1]}]
)
def test_a_page_loop_that_ends_early_fails_its_window_and_keeps_the_earlier_one(anthropic, capfd, broken):
    api, usage, server = anthropic
    pull(server)
    usage[made.DAY] = [made.usage(output_tokens=9)]
    path = f"{vendor_apis.ADMIN}/usage_report/messages"
    whole = api.routes[path]
    api.routes[path] = lambda query, body: {
        **whole(query, body),
        **(broken if made.DAY in query["starting_at"] else {}),
    }
    capfd.readouterr()
    assert pull(server) == 1
    assert capfd.readouterr().err.startswith("anthropic_usage 2026-11-02: ")
    assert [row["output_tokens"] for row in server.current("vendor_usage")] == [7, 7, 7]


def test_a_day_that_failed_is_asked_for_until_it_came(anthropic):
    api, _, server = anthropic
    path = f"{vendor_apis.ADMIN}/usage_report/messages"
    whole = api.routes[path]
    api.routes[path] = lambda query, body: [] if "2026-10-10" in query["starting_at"] else whole(query, body)
    assert server.pull("--reports", "anthropic_usage") == 1
    assert len(api.requests) == 31 + 1  # today, 30 days before it, and a second page
    api.routes[path], api.requests = whole, []
    assert server.pull("--reports", "anthropic_usage") == 0
    assert len(api.requests) == 26 + 1  # from the day that failed on
    api.requests = []
    assert server.pull("--reports", "anthropic_usage") == 0
    assert len(api.requests) == 8 + 1  # today and the days that may be restated


def test_a_pull_that_was_away_for_weeks_asks_for_what_was_not_final_then(anthropic):
    api, _, server = anthropic
    server.pull("--reports", "anthropic_usage")
    server.clock.at = server.clock.at.replace(day=25)
    api.requests = []
    server.pull("--reports", "anthropic_usage")
    assert len(api.requests) == 7 + 22 + 1


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_a_refused_key_is_told_in_one_line_without_the_key(anthropic, capfd, status):
    api, _, server = anthropic
    api.faults = [(status, {"Location": "http://localhost:9/elsewhere"})]
    assert pull(server) == 1
    out, err = capfd.readouterr()
    line = err.splitlines()[0]
    assert line.startswith("anthropic: /v1/organizations/usage_report/messages ")
    assert KEY not in out + err
    assert len(api.requests) == 1
    assert server.lines() == []


def test_one_report_that_the_plan_lacks_does_not_keep_the_others(anthropic):
    api, _, server = anthropic
    del api.routes[f"{vendor_apis.ADMIN}/analytics/cost"]
    assert server.pull(*SINCE) == 1
    assert len(server.current("vendor_usage")) == 3


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_file_that_others_may_read_is_refused(anthropic, tmp_path, monkeypatch, capfd, mode):
    _, _, server = anthropic
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    monkeypatch.delenv("METERHOUSE_ANTHROPIC_KEY")
    monkeypatch.setenv("METERHOUSE_ANTHROPIC_KEY_FILE", str(path))
    path.chmod(mode)
    assert pull(server) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"{path}: others may read this key")
    path.chmod(0o600)
    assert pull(server) == 0


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("KEY", "", "METERHOUSE_ANTHROPIC_KEY: is not set"),
        ("KEY", "CANARY two\r\nlines", "METERHOUSE_ANTHROPIC_KEY: holds no key"),
        ("URL", "http://vendor.example.com", "METERHOUSE_ANTHROPIC_URL: must be https"),
        ("URL", "https://user:CANARY@example.com", "METERHOUSE_ANTHROPIC_URL: must be https"),
        ("URL", "file:///etc/passwd", "METERHOUSE_ANTHROPIC_URL: must be https"),
        ("ACCOUNT", "x" * 201, "METERHOUSE_ANTHROPIC_ACCOUNT: is no name"),
    ],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_one_line(anthropic, monkeypatch, capfd, name, value, says):
    _, _, server = anthropic
    monkeypatch.setenv(f"METERHOUSE_ANTHROPIC_{name}", value)
    assert pull(server) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(says)
    assert "CANARY" not in line


@pytest.mark.parametrize("arguments", [("--since", "2026-11-05", "--until", "2026-11-04"), ("--reports", "bogus")])
def test_a_wrong_argument_asks_nobody(anthropic, arguments):
    api, _, server = anthropic
    assert server.pull(*arguments) == 1
    assert api.requests == []


def test_a_day_that_is_none_is_wrong_usage(anthropic):
    _, _, server = anthropic
    with pytest.raises(SystemExit, match="2"):
        server.pull("--since", "2026-13-01")


def test_until_bounds_what_is_asked_for(anthropic):
    _, _, server = anthropic
    assert pull(server, "--until", made.DAY) == 0
    assert windows(server) == [("2026-11-02", 2)]


def test_two_accounts_of_one_vendor_are_kept_apart(anthropic, monkeypatch):
    _, _, server = anthropic
    for account in ("one", "two"):
        monkeypatch.setenv("METERHOUSE_ANTHROPIC_ACCOUNT", account)
        assert pull(server) == 0
    assert {row["billing_account"] for row in server.events("vendor_usage")} == {"one", "two"}
    assert len(server.events("vendor_usage")) == 6


def test_requests_to_a_path_keep_to_the_vendors_limit(tmp_path, monkeypatch):
    with Loopback(vendor_apis.cursor({})) as api:
        server = Server(tmp_path, monkeypatch, "cursor", api.url, NOW)
        begun = server.clock.elapsed()
        assert server.pull("--reports", "cursor_daily", "--since", "2026-10-01", "--until", "2026-11-04") == 0
        assert len(api.requests) == 35
        assert server.clock.elapsed() - begun >= 60


@pytest.mark.parametrize("moment", [1, 3, 4, 5])
def test_killed_in_the_middle_it_goes_on_and_nothing_counts_twice(anthropic, moment):
    api, _, server = anthropic
    place = server.arguments("--reports", "anthropic_usage", *SINCE, "--until", made.NEXT)
    child = subprocess.Popen([sys.executable, str(LAUNCH), *place], env=os.environ, stderr=subprocess.DEVNULL)
    api.on_request = lambda number: child.kill() if number == moment else None
    child.wait()
    api.on_request = None
    assert pull(server) == 0
    rows = server.current("vendor_usage")
    assert [(row["window_start"][:10], row["model"]) for row in rows] == [
        (made.DAY, "claude-opus-4-5"), (made.DAY, "claude-haiku-4-5"), (made.NEXT, "claude-opus-4-5")]  # fmt: skip
    assert len({json.dumps(row) for row in server.events()}) == len(server.lines())


def test_nothing_of_key_person_or_content_is_in_any_byte_that_leaves_or_stays(tmp_path, monkeypatch, capfd):
    data = {"events": [made.event()], "daily": [made.editor()], "members": [made.member()], "commits": [made.commit()]}
    with Loopback(vendor_apis.cursor(data)) as api:
        server = Server(tmp_path, monkeypatch, "cursor", api.url, NOW)
        assert server.pull(*SINCE) == 0
        assert all(KEY not in json.dumps(headers) for headers in api.headers)  # Basic, so encoded
    out, err = capfd.readouterr()
    everything = out.encode() + err.encode() + b"".join(server.lines())
    everything += b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(server.lines()) > 10
    assert b"CANARY" not in everything
    assert b"example.com" not in everything


def test_without_the_organisations_key_nobody_is_named(tmp_path, monkeypatch):
    with Loopback(vendor_apis.cursor({"events": [made.event()], "members": [made.member()]})) as api:
        server = Server(tmp_path, monkeypatch, "cursor", api.url, NOW, pseudonym_key="")
        assert server.pull(*SINCE) == 0
    assert all("person_key" not in event for event in server.events())
    (request,) = server.events("model_request")
    assert request["session_id"] == "cursor:team:2026-11-02"


def test_every_vendor_is_offered_and_has_a_page(capfd):
    from meterhouse_collector import vendors

    page = (Path(__file__).resolve().parents[2] / "docs" / "deploy" / "vendors.md").read_text(encoding="utf-8")
    assert vendors.names()
    for name in vendors.names():
        vendor = vendors.open_vendor(name)
        assert vendor.name == name
        assert f"METERHOUSE_{name.upper()}_KEY" in page
        for report in vendor.reports:
            assert f"`{report.name}`" in page
