"""Webhooks through Apprise, against a real HTTP receiver."""

import http.server
import json
import threading
from datetime import date

import pytest

from meterhouse.alerts import find_and_deliver
from meterhouse.errors import SettingsError
from meterhouse.outbox import history
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.settings import Settings
from pipelines.spending import Spent, found, ship  # noqa: TID251 - tests/pipelines

BOTH = ["budget_passed:payments:2026-03", "runaway_session:claude_code:loop"]


class Receiver(http.server.BaseHTTPRequestHandler):
    """A webhook receiver that answers as its server's script says: a status, or `hang` once it has the message."""

    def do_POST(self):
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = self.server.script.pop(0) if self.server.script else 200
        if answer == "hang":
            self.server.released.wait()
            return
        self.send_response(answer)
        self.send_header("Location", f"http://localhost:{self.server.server_port}/elsewhere")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - the name http.server calls

    def log_message(self, *_):
        """Nothing: the test reads `bodies`."""


@pytest.fixture
def receiver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.bodies, server.script, server.released = [], [], threading.Event()
    threading.Thread(target=server.serve_forever).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def hooked(receiver):
    return Settings(alerts_webhooks=(f"json://localhost:{receiver.server_port}/?rto=0.3",))


def deliveries_of(data):
    return [row for _, rows in history(data.outbox) for row in rows if row.channel == "webhook"]


def test_each_webhook_gets_each_alert_once_with_its_key_in_the_text(fresh, receiver, hooked):
    bucket, data = fresh
    for _ in range(2):
        find_and_deliver(data, bucket, hooked)
    assert [key for key in BOTH for body in receiver.bodies if key in body["message"]] == BOTH
    assert len(receiver.bodies) == 2
    assert {row.state for row in deliveries_of(data)} == {"sent"}
    assert not any("localhost" in row.recipient for row in deliveries_of(data))


@pytest.mark.parametrize("status", [500, 429, 302])
def test_a_refusal_is_tried_again_until_it_is_taken(fresh, receiver, hooked, status):
    bucket, data = fresh
    receiver.script = [status] * 6
    for _ in range(3):
        find_and_deliver(data, bucket, hooked)
        assert {row.state for row in deliveries_of(data)} == {"failed"}
    find_and_deliver(data, bucket, hooked)
    assert {row.state for row in deliveries_of(data)} == {"sent"}
    assert len(receiver.bodies) == 8


def test_a_silence_after_sending_makes_at_most_one_duplicate(fresh, receiver, hooked):
    bucket, data = fresh
    receiver.script = ["hang"] * 20
    for _ in range(4):
        find_and_deliver(data, bucket, hooked)
    assert {row.state for row in deliveries_of(data)} == {"unknown"}
    assert len(receiver.bodies) == 4


def test_a_receiver_that_is_down_loses_nothing(fresh, receiver, hooked):
    bucket, data = fresh
    down = Settings(alerts_webhooks=("json://localhost:9/",))
    for _ in range(3):
        find_and_deliver(data, bucket, down)
    assert {(row.state, row.attempts) for row in deliveries_of(data)} == {("failed", 3)}


def test_a_webhook_that_left_the_settings_is_named_in_the_list(fresh, receiver, hooked):
    bucket, data = fresh
    receiver.script = [500, 500]
    find_and_deliver(data, bucket, hooked)
    find_and_deliver(data, bucket, Settings())
    assert {row.last_error for row in deliveries_of(data)} == {"no longer in the settings"}


def test_a_webhook_address_that_nobody_knows_is_not_repeated(fresh, capsys):
    bucket, data = fresh
    with pytest.raises(SettingsError, match="alerts_webhooks: entry 2 is no address") as error:
        find_and_deliver(data, bucket, Settings(alerts_webhooks=("json://localhost/", "nothing://s3cret")))
    assert "s3cret" not in str(error.value) + capsys.readouterr().err


def test_names_from_the_data_call_nobody_and_break_no_line(receiver, tmp_path):
    """Line ends, turned reading direction, chat mentions and markup in a team's name."""
    bucket, data = found(tmp_path / "raw"), DataDir(tmp_path / "data")
    people = bucket / "roster" / "people.csv"
    people.write_text(people.read_text().replace(",payments,", ',"x\u202e @channel <b>&\ny",'), encoding="utf-8")
    ship(bucket, [Spent(date(2026, 3, 1), 400)])
    run(str(bucket), data)
    find_and_deliver(data, str(bucket), Settings(alerts_webhooks=(f"json://localhost:{receiver.server_port}",)))
    [body] = receiver.bodies
    assert body["title"].startswith("A session of x· ＠channel <b>&·y ran away")
    assert body["title"].isprintable()
