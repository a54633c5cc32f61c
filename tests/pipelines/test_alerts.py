"""Alerts on published snapshots: few, right, once, and never lost on the way."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from meterhouse.alerts import find_and_deliver, print_alerts
from meterhouse.alerts.rules import find, load_rules
from meterhouse.errors import SettingsError
from meterhouse.outbox import history
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.settings import Settings
from meterhouse.snapshot import reading
from pipelines.postbox import Postbox, running  # noqa: TID251 - tests/pipelines
from pipelines.spending import Spent, found, sessions, ship, workdays  # noqa: TID251

FEBRUARY, MARCH, APRIL = date(2026, 2, 2), date(2026, 3, 1), date(2026, 4, 1)
NOBODY = Settings()


@pytest.fixture
def bucket(tmp_path):
    return found(tmp_path / "raw")


@pytest.fixture
def data(tmp_path):
    return DataDir(tmp_path / "data")


def mailed(box, **more):
    return Settings(mail_host="localhost", mail_port=box.port, mail_security="none",
                    mail_sender="meterhouse@example.com", **more)  # fmt: skip


def keys(data):
    return sorted(alert.dedup_key for alert, _ in history(data.outbox))


def publish(bucket, data, rows, seq=1):
    ship(bucket, rows, seq)
    run(str(bucket), data)


def test_a_budget_is_first_forecast_to_be_passed_then_passed_each_told_once(bucket, data, box):
    def day_after_day(last, seq):
        publish(bucket, data, [row for row in workdays(APRIL, last, 50) if row.day > last - timedelta(7)], seq)
        find_and_deliver(data, str(bucket), mailed(box))
        return [key for key in keys(data) if key.endswith("2026-04")]

    publish(bucket, data, workdays(FEBRUARY, date(2026, 3, 31), 50))
    assert day_after_day(date(2026, 4, 2), 2) == []  # too early in the month to tell
    forecast, passed = "budget_forecast:payments:2026-04", "budget_passed:payments:2026-04"
    assert day_after_day(date(2026, 4, 9), 3) == [forecast]
    assert day_after_day(date(2026, 4, 16), 4) == [forecast]
    assert day_after_day(date(2026, 4, 23), 5) == [forecast]
    assert day_after_day(date(2026, 4, 30), 6) == [forecast, passed]
    told = [message["Subject"] for _, message in box.received if "April" in message["Subject"]]
    assert [subject.split(":")[0] for subject in told] == [
        "[Meterhouse] payments is likely to pass its April budget",
        "[Meterhouse] payments has passed its April budget",
    ]
    assert set(box.recipients) == {"payments-lead@example.com"}


WORLDS = {
    "the nineteenth of March": (
        [
            *sessions(MARCH, 1000, "payments"),  # reached is not passed
            *sessions(MARCH, 1001, "search"),
            Spent(date(2026, 3, 5), 151, "platform", "too long ago"),
            Spent(date(2026, 3, 6), 151, "platform", "passed"),
            Spent(date(2026, 3, 7), 150, "platform", "reached"),
            *(Spent(date(2026, 3, day), 80, "platform", "over two days") for day in (8, 9)),
            *(Spent(date(2026, 3, 10), 80, "platform", f"two of them {number}") for number in (1, 2)),
            Spent(date(2026, 3, 11), 80, "platform", "parent"),
            Spent(date(2026, 3, 11), 80, "platform", "child", parent="parent"),
            Spent(date(2026, 3, 19), 1, "platform"),
        ],
        [
            "budget_passed:search:2026-03",
            "runaway_session:claude_code:over two days",
            "runaway_session:claude_code:parent",
            "runaway_session:claude_code:passed",
        ],
    ),
    "the first of April": (
        [
            *sessions(date(2026, 3, 31), 1001, "payments"),  # still news the day after
            *sessions(date(2026, 3, 20), 1001, "search"),  # known for long, had anyone looked
            Spent(APRIL, 1),
        ],
        ["budget_passed:payments:2026-03"],
    ),
}


@pytest.mark.parametrize("world", WORLDS)
def test_the_data_decide_and_nothing_else(bucket, data, world):
    rows, expected = WORLDS[world]
    publish(bucket, data, rows)
    with reading(data) as db:
        assert [row.alert.dedup_key for row in find(db, load_rules())] == expected


def test_without_governance_there_are_no_alerts(bucket, data):
    (bucket / "governance.yaml").unlink()
    publish(bucket, data, sessions(MARCH, 5000))
    assert find_and_deliver(data, str(bucket), NOBODY) == ["no new alerts, none waiting to be sent"]
    assert keys(data) == []


BOTH = ["budget_passed:payments:2026-03", "runaway_session:claude_code:loop"]


def test_each_owner_gets_one_mail_with_size_cause_and_next_step_and_no_person(fresh, box):
    bucket, data = fresh
    settings = mailed(box, dashboard_url="https://meterhouse.example.com")
    first = find_and_deliver(data, bucket, settings)
    second = find_and_deliver(data, bucket, settings)
    assert first[-2:] == [f"{key}: mail sent" for key in BOTH]
    assert second == ["no new alerts, none waiting to be sent"]
    assert box.recipients == ["payments-lead@example.com", "platform@example.com"]
    budget, runaway = (message.get_content() for _, message in box.received)
    for words in ("$1,200.00", "$1,000.00", "claude-opus-4-8 in github.com/example/payments: $1,200.00",
                  "Next step:", "meterhouse sql", "https://meterhouse.example.com", BOTH[0]):  # fmt: skip
        assert words in budget
    for words in ("$400.00", "$150.00", "claude_code", "claude-opus-4-8: $400.00", "1 March at 10:00 UTC", BOTH[1]):
        assert words in runaway
    assert not any("@" in text or "person" in text for text in (budget, runaway))


def test_without_any_channel_alerts_wait_and_are_sent_once_there_is_one(fresh, box, capsys):
    bucket, data = fresh
    lines = find_and_deliver(data, bucket, NOBODY)
    assert lines[-1].startswith("2 mails are due: no mail server is set")
    assert {row.state for _, deliveries in history(data.outbox) for row in deliveries} == {"due"}
    find_and_deliver(data, bucket, mailed(box))
    assert len(box.received) == 2


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_the_list_tells_alerts_and_deliveries_and_no_address(fresh, box, capsys, form):
    bucket, data = fresh
    box.refused = {"platform@example.com"}
    lines = find_and_deliver(data, bucket, mailed(box))
    print_alerts(data, form)
    shown = capsys.readouterr().out
    assert "mail sent" in shown
    assert "mail failed (refused with 550)" in shown
    assert "@" not in shown + "".join(lines)
    if form == "json":
        assert [(row["dedup_key"], row["state"]) for row in json.loads(shown)] == [
            (BOTH[0], "sent"),
            (BOTH[1], "failed"),
        ]


def test_a_broken_mail_setting_loses_no_alert(fresh, box):
    bucket, data = fresh
    with pytest.raises(SettingsError, match="mail_sender"):
        find_and_deliver(data, bucket, replace(mailed(box), mail_sender=None))
    assert keys(data) == BOTH
    find_and_deliver(data, bucket, mailed(box))
    assert len(box.received) == 2


@pytest.mark.parametrize("silent_on", [1, 2])
def test_killed_between_deciding_and_sending_all_is_sent_on_restart(fresh, silent_on):
    """The first server takes the message and says nothing; the sender is killed while it waits."""
    bucket, data = fresh
    environment = os.environ | {"METERHOUSE_MAIL_HOST": "localhost", "METERHOUSE_MAIL_SECURITY": "none",
                                "METERHOUSE_MAIL_SENDER": "meterhouse@example.com"}  # fmt: skip
    with running(Postbox(script=["250 OK"] * (silent_on - 1) + ["hang"])) as box:
        command = [sys.executable, "-m", "meterhouse", "alerts", "send", "--raw", bucket, "--data", str(data.root)]
        sender = subprocess.Popen(command, env=environment | {"METERHOUSE_MAIL_PORT": str(box.port)})
        box.hung.wait(60)
        sender.send_signal(signal.SIGKILL)
        sender.wait()
        before = box.message_ids
    assert len(before) == silent_on
    states = [deliveries[0].state for _, deliveries in history(data.outbox)]
    assert states == (["claimed", "due"] if silent_on == 1 else ["sent", "claimed"])
    with running(Postbox()) as box:
        find_and_deliver(data, bucket, mailed(box))
        find_and_deliver(data, bucket, mailed(box))
        assert len(box.received) == 3 - silent_on
        assert box.message_ids[0] == before[-1]  # the one that may have arrived is known as the same
    assert {deliveries[0].state for _, deliveries in history(data.outbox)} == {"sent"}


def test_owners_addresses_are_in_no_published_table(fresh):
    with reading(fresh[1]) as db:
        for (table,) in db.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            assert "@example.com" not in str(db.execute(f"SELECT * FROM {table}").fetchall()), table


def test_the_samples_runaway_and_overspending_team_raise_one_alert_each(sample_data, tmp_path, box):
    """And the team that is on its way to overspend one more."""
    data = DataDir(tmp_path / "sample")
    data.snapshots.mkdir(parents=True)
    data.current.symlink_to(sample_data.current.resolve())
    sample = str(Path(__file__).resolve().parents[2] / "data" / "sample")
    first = find_and_deliver(data, sample, mailed(box))
    second = find_and_deliver(data, sample, mailed(box))
    assert [alert.rule for alert, _ in history(data.outbox)] == ["budget_forecast", "budget_passed", "runaway_session"]
    assert sorted(box.recipients) == ["payments-lead@example.com", "platform@example.com", "search-lead@example.com"]
    assert len(first) == 6
    assert second == ["no new alerts, none waiting to be sent"]
