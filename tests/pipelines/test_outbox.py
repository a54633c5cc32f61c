"""The outbox: decided once, sent once, and nothing forgotten by a crash."""

import sqlite3
import threading

import pytest

from meterhouse.errors import MeterhouseError
from meterhouse.outbox import Alert, Outbox, history

ALERT = Alert("rule:a", "rule", "critical", "subject", "body", "2026-11-19", "2026-11-20T00:00:00Z")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "outbox.sqlite"


def test_the_same_key_is_decided_once(path):
    with Outbox(path) as outbox:
        assert outbox.decide(ALERT, [("mail", "a@example.com")])
        assert not outbox.decide(ALERT, [("mail", "b@example.com")])
    [(alert, deliveries)] = history(path)
    assert alert == ALERT
    assert [row.recipient for row in deliveries] == ["a@example.com"]


def test_an_alert_and_its_deliveries_are_decided_together_or_not_at_all(path):
    with Outbox(path) as outbox:
        with pytest.raises(sqlite3.Error):
            outbox.decide(ALERT, [("mail", "a@example.com"), ("mail", {"no": "text"})])
        assert outbox.open_deliveries("mail") == []
    assert history(path) == []


@pytest.mark.parametrize(
    ("endings", "is_open"),
    [
        ([], True),
        (["sent"], False),
        (["failed"], True),
        (["failed"] * 9, True),
        (["unknown"], True),
        (["unknown", "unknown"], False),
        (["failed", "unknown", "failed"], True),
    ],
)
def test_what_is_not_sent_stays_open_and_a_doubt_is_repeated_once(path, endings, is_open):
    with Outbox(path) as outbox:
        row = outbox.enter("key", "mail", "a@example.com")
        for state in endings:
            row = outbox.settle(outbox.claim(row, "<id@example.com>"), state, "why")
        assert outbox.enter("key", "mail", "a@example.com") == row
        assert row.attempts == len(endings)
        assert row.is_open is is_open


def test_a_claim_of_a_dead_process_is_tried_again_however_often_it_dies(path):
    for attempt in range(1, 5):
        with Outbox(path) as outbox:
            row = outbox.enter("key", "mail", "a@example.com")
            assert row.is_open
            claimed = outbox.claim(row, f"<{attempt}@example.com>")
            assert claimed.message_id == "<1@example.com>"
    with Outbox(path) as outbox:
        row = outbox.enter("key", "mail", "a@example.com")
    assert (row.state, row.attempts, row.last_error) == ("unknown", 4, "interrupted")


def test_a_second_sender_waits_and_a_reader_does_not(path, capsys):
    opened = threading.Event()

    def second():
        with Outbox(path):
            opened.set()

    with Outbox(path) as outbox:
        outbox.decide(ALERT, [("mail", "a@example.com")])
        thread = threading.Thread(target=second)
        thread.start()
        assert not opened.wait(0.2)
        assert len(history(path)) == 1
    thread.join()
    assert opened.is_set()
    assert "waiting" in capsys.readouterr().err


def test_it_is_readable_by_its_owner_alone(path):
    with Outbox(path):
        assert path.stat().st_mode & 0o077 == 0


def test_a_file_of_a_newer_version_is_left_alone(path):
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(MeterhouseError, match="newer Meterhouse"):
        Outbox(path)


def test_a_file_that_is_no_database_is_named(path):
    path.parent.mkdir()
    path.write_text("no database, " * 100)
    with pytest.raises(MeterhouseError, match=r"outbox\.sqlite: cannot be opened"):
        Outbox(path)


def test_no_outbox_is_no_history(path):
    assert history(path) == []
    assert not path.exists()
