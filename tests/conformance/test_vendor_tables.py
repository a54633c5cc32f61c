"""From a vendor's API to tables: a real pull, the real load and models; a day that a vendor restates is replaced, never added."""

import pytest

from collectors import fixtures_vendors as made  # noqa: TID251 - tests/collectors
from collectors import vendor_apis  # noqa: TID251
from collectors.puller import Server  # noqa: TID251
from pipelines import raw  # noqa: TID251 - tests/pipelines

NOW = "2026-11-04T06:00:00Z"
TOTALS = "SELECT count(*), sum(output_tokens), sum(reported_cost_usd) FROM fct_requests"
USAGE = "SELECT report, sum(lines_added), sum(amount_usd), count(*) FROM fct_vendor_usage GROUP BY 1 ORDER BY 1"
COMMITS = "SELECT sha, lines_added, ai_lines_added FROM fct_commits ORDER BY 1"


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A loopback Cursor, and a function that pulls it, builds the tables and asks them."""
    data = {
        "events": [made.event(), made.event("1793620800999", chargedCents=6.6)],
        "daily": [made.editor()],
        "members": [made.member()],
        "commits": [made.commit(), made.commit("b" * 40, at=f"{made.DAY}T11:00:00.000Z")],
    }
    with vendor_apis.Loopback(vendor_apis.cursor(data)) as api:
        server = Server(tmp_path, monkeypatch, "cursor", api.url, NOW)

        def tables(*statements):
            assert server.pull("--since", made.DAY) == 0
            built = raw.published(server.to, tmp_path / "data")
            return [[tuple(map(str, row)) for row in raw.rows(built, statement)] for statement in statements]

        yield data, tables, server, tmp_path


def test_a_restated_day_is_replaced_in_every_table_and_a_rebuild_says_the_same(house):
    data, tables, server, root = house
    first = tables(TOTALS, USAGE, COMMITS)
    assert first == [
        [("2", "14", "1.300000000000")],
        [("cursor_daily", "30", "None", "2"), ("cursor_spend", "None", "9.090000000000", "2")],
        [("a" * 40, "20", "16"), ("b" * 40, "20", "16")],
    ]
    assert tables(TOTALS, USAGE, COMMITS) == first
    data["events"] = [made.event(chargedCents=100)]
    data["daily"] = [made.editor(totalLinesAdded=31)]
    data["members"] = [made.member(spendCents=600, overallSpendCents=1000)]
    data["commits"] = [made.commit(composerLinesAdded=10)]
    assert tables(TOTALS, USAGE, COMMITS) == [
        [("1", "7", "1.000000000000")],
        [("cursor_daily", "31", "None", "2"), ("cursor_spend", "None", "10.000000000000", "2")],
        [("a" * 40, "20", "11")],
    ]
    raw.published(server.to, root / "again")
    assert raw.fingerprint(root / "again") == raw.fingerprint(root / "data")


def test_vendors_reports_are_never_added_to_requests(house):
    _, tables, _, _ = house
    agents = "SELECT agent, count(*), sum(input_tokens) FROM fct_requests GROUP BY 1"
    assert tables(agents) == [[("cursor", "2", "230")]]
