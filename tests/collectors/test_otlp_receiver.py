"""The receiver of `run`, by real HTTP on the loopback: what was answered with 200 is kept, and no agent is ever held up."""

import gzip
import http.client
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from collectors.conformance import FIXTURES  # noqa: TID251 - tests/collectors
from collectors.laptop import Laptop  # noqa: TID251
from collectors.pushed import Pushed, bodies_of  # noqa: TID251
from meterhouse_collector.journal import files
from meterhouse_collector.otlp import body as bodies
from meterhouse_collector.otlp import receiver as receivers
from meterhouse_collector.otlp.receiver import Receiver
from meterhouse_collector.privacy import Publisher
from meterhouse_collector.spool import open_spool

TOKEN = "a-token-of-sixteen-or-more"
BODY = bodies_of(FIXTURES / "otlp" / "claude_code" / "bodies.jsonl")[0]
JSON = {"Content-Type": "application/json"}


def request(number):
    """A body with one request of its own."""
    attributes = {"event.name": "api_request", "session.id": "s", "request_id": f"req_{number}", "model": "m"}
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    record = {"timeUnixNano": str(1790848800000000000 + number), "attributes": pairs}
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "claude-code"}}]}
    return json.dumps({"resourceLogs": [{"resource": service, "scopeLogs": [{"logRecords": [record]}]}]}).encode()


def post(port, data, path="/v1/logs", **headers):
    """Status and decoded answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, data, {**JSON, **{name.replace("_", "-"): text for name, text in headers.items()}})
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read() or b"{}")
    connection.close()
    return found


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path)


@contextmanager
def receiving(laptop, token=None, limit=1 << 30):
    """A receiver over an open spool; what arrived is moved, and shipped by `once`, at the end."""
    spool = open_spool(str(laptop.spool), 1 << 30)
    receiver = Receiver(str(laptop.spool), limit, Publisher("p-1", "names", None), 0, token)
    try:
        yield receiver
    finally:
        receiver.close()
        receiver.journal.move(spool)
        spool.close()
    laptop.once()


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def running(laptop, port, **settings):
    """`run` as a process of its own, once it listens."""
    laptop.write_settings(otlp_port=port, **settings)
    process = laptop.start()
    try:
        assert b"following" in process.stderr.readline()
        assert b"listening" in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def test_what_is_answered_with_200_is_shipped_as_a_dialect_reads_it(laptop):
    with receiving(laptop) as receiver:
        assert post(receiver.port, BODY) == (200, {})
        assert post(receiver.port, BODY) == (200, {})  # a client that repeats itself
        assert post(receiver.port, gzip.compress(BODY), Content_Encoding="gzip") == (200, {})
    assert laptop.events() == Pushed().take(BODY).events


def test_a_body_in_chunks_is_taken(laptop):
    with receiving(laptop) as receiver:
        connection = http.client.HTTPConnection("127.0.0.1", receiver.port)
        pieces = iter([gzip.compress(BODY)[:100], gzip.compress(BODY)[100:]])
        connection.request("POST", "/v1/logs", pieces, {**JSON, "Content-Encoding": "gzip"}, encode_chunked=True)
        assert connection.getresponse().status == 200
        connection.close()
    assert len(laptop.events()) == len(Pushed().take(BODY).events)


def test_unknown_records_are_a_partial_success_with_their_count(laptop):
    stranger = request(1).replace(b"claude-code", b"somebody")
    with receiving(laptop) as receiver:
        status, answer = post(receiver.port, stranger)
        assert post(receiver.port, b'{"resourceMetrics":[]}', "/v1/metrics") == (200, {})
    assert (status, answer["partialSuccess"]["rejectedLogRecords"]) == (200, "1")
    assert "1 otlp_unknown" in answer["partialSuccess"]["errorMessage"]


def test_a_full_spool_is_a_partial_success_and_a_counted_drop(laptop):
    with receiving(laptop, limit=0) as receiver:
        status, answer = post(receiver.port, request(1))
        assert (status, answer["partialSuccess"]["rejectedLogRecords"]) == (200, "1")
        receiver._limit = 1 << 30
        assert post(receiver.port, request(2)) == (200, {})
    assert laptop.ids() == ["req_2"]
    assert laptop.dropped() == {"otlp_spool_full": 1}


def test_a_disk_that_fails_is_a_partial_success_and_what_comes_later_is_kept(laptop, monkeypatch):
    def fail(file):
        raise OSError(28, "No space left on device")

    with receiving(laptop) as receiver:
        with monkeypatch.context() as broken:
            broken.setattr("meterhouse_collector.durable.sync", fail)
            status, answer = post(receiver.port, request(1))
        assert (status, "1 otlp_disk" in answer["partialSuccess"]["errorMessage"]) == (200, True)
        assert post(receiver.port, request(2)) == (200, {})
    assert "req_2" in laptop.ids()
    assert laptop.dropped() == {"otlp_disk": 1}


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example:4318"}, {"Host": "127.0.0.1.evil.example"}, {"Origin": "http://localhost"}],
    ids=["another host", "a host that begins like ours", "a web page"],
)
def test_a_web_page_is_refused(laptop, headers):
    with receiving(laptop) as receiver:
        assert post(receiver.port, request(1), **headers)[0] == 403
        assert post(receiver.port, request(2), Host=f"localhost:{receiver.port}") == (200, {})
    assert laptop.ids() == ["req_2"]


def test_with_a_token_only_its_holders_are_heard(laptop):
    with receiving(laptop, token=TOKEN) as receiver:
        assert post(receiver.port, request(1))[0] == 403
        assert post(receiver.port, request(2), "/wrong/v1/logs")[0] == 403
        assert post(receiver.port, request(3), Authorization="Bearer é")[0] == 403
        assert post(receiver.port, request(4), f"/{TOKEN}/v1/logs") == (200, {})
        assert post(receiver.port, request(5), Authorization=f"Bearer {TOKEN}") == (200, {})
        assert post(receiver.port, request(6), X_Meterhouse_Token=TOKEN) == (200, {})
    assert laptop.ids() == ["req_4", "req_5", "req_6"]


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (gzip.compress(b" " * (64 << 20)), {"Content_Encoding": "gzip"}, 413),
        (b" " * (bodies.PACKED_MAX + 1), {}, 413),
        (b"[" * 200_000, {}, 400),
        (b'{"resourceLogs":' + b"9" * 2_000_000 + b"}", {}, 200),
        (b'{"resourceLogs":', {}, 400),
        (b"\xff\xfe{", {}, 400),
        (gzip.compress(BODY)[:-20], {"Content_Encoding": "gzip"}, 400),
        (BODY, {"Content_Encoding": "br"}, 415),
        (b"\x0a\x02", {"Content_Type": "application/x-protobuf"}, 415),
        (BODY, {"Content_Type": "text/plain"}, 415),
    ],
    ids=["gzip bomb", "too long", "too deep", "a number without end", "cut", "no text", "cut gzip", "brotli", "protobuf",
         "a form"],
)  # fmt: skip
def test_what_cannot_be_read_gets_a_status_that_no_client_retries_and_the_next_body_is_taken(
    laptop, data, headers, status
):
    with receiving(laptop) as receiver:
        found, _ = post(receiver.port, data, **headers)
        assert found == status
        assert found not in (429, 502, 503, 504)
        assert post(receiver.port, request(1)) == (200, {})
    assert laptop.ids() == ["req_1"]


def test_agents_that_are_killed_or_dawdle_take_nobodys_place_for_long(laptop, monkeypatch):
    monkeypatch.setattr(receivers, "SECONDS", 0.3)
    head = (
        b"POST /v1/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"
    )
    with receiving(laptop) as receiver:
        dawdlers = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(2 * receivers.AT_ONCE)]
        for number, dawdler in enumerate(dawdlers):
            dawdler.sendall(head if number % 3 else head[:30])
        for dawdler in dawdlers[::2]:
            dawdler.close()
        assert post(receiver.port, request(1)) == (200, {})
        for dawdler in dawdlers[1::2]:
            dawdler.close()
    assert laptop.ids() == ["req_1"]


def test_twenty_agents_at_once_lose_nothing(laptop):
    with receiving(laptop) as receiver, ThreadPoolExecutor(20) as agents:
        answers = list(agents.map(lambda number: post(receiver.port, request(number)), range(200)))
    assert answers == [(200, {})] * 200
    assert sorted(laptop.ids()) == sorted(f"req_{number}" for number in range(200))


def test_moving_while_agents_send_loses_nothing_and_repeats_nothing(laptop):
    spool = open_spool(str(laptop.spool), 1 << 30)
    receiver = Receiver(str(laptop.spool), 1 << 30, Publisher("p-1", "names", None), 0, None)
    with ThreadPoolExecutor(4) as agents:
        sent = agents.map(lambda number: post(receiver.port, request(number)), range(100))
        while not files(str(laptop.spool)):
            pass
        for _ in range(50):
            receiver.journal.move(spool)
        assert list(sent) == [(200, {})] * 100
    receiver.close()
    receiver.journal.move(spool)
    spool.close()
    laptop.once()
    assert sorted(laptop.ids()) == sorted(f"req_{number}" for number in range(100))
    assert files(str(laptop.spool)) == []


def test_run_takes_what_agents_send_and_ends_cleanly(laptop, port):
    with running(laptop, port) as process:
        assert post(port, request(1)) == (200, {})
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    laptop.once()
    assert laptop.native_ids() == ["req_1"]


def test_kill_9_after_200_loses_nothing(laptop, port):
    with running(laptop, port, otlp_token=TOKEN) as process:
        answered = [number for number in range(20) if post(port, request(number), f"/{TOKEN}/v1/logs") == (200, {})]
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert answered == list(range(20))
    laptop.once()
    assert sorted(laptop.native_ids()) == sorted(f"req_{number}" for number in range(20))


def test_preview_and_status_know_what_a_killed_receiver_left(laptop, capsysbinary):
    spool = open_spool(str(laptop.spool), 1 << 30)
    receiver = Receiver(str(laptop.spool), 1 << 30, Publisher("p-1", "names", None), 0, None)
    post(receiver.port, request(1))
    post(receiver.port, request(1))
    receiver.close()
    spool.close()
    from meterhouse_collector.__main__ import main

    main(laptop.arguments("preview"))
    previewed = capsysbinary.readouterr().out
    laptop.once()
    assert previewed == b"".join(line + b"\n" for line in laptop.lines())
    assert len(laptop.lines()) == 1


def test_a_port_that_is_taken_is_told_in_one_line_and_run_goes_on(laptop):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        laptop.write_settings(otlp_port=port)
        process = laptop.start()
        assert b"following" in process.stderr.readline()
        told = process.stderr.readline()
        assert told.startswith(f"otlp_port: 127.0.0.1:{port} cannot be opened".encode())
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"otlp" not in rest


def test_nothing_that_was_sent_is_ever_said(laptop, port):
    text = BODY + b"CANARY-tail"
    with running(laptop, port) as process:
        for data, path in (
            (text, "/v1/logs"),
            (BODY, "/CANARY-path/v1/logs"),
            (BODY, "/CANARY"),
            (b"\x00", "/v1/logs"),
        ):
            post(port, data, path)
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=30)
    assert b"CANARY" not in out + said
    assert not any(b"CANARY" in path.read_bytes() for path in laptop.spool.rglob("*") if path.is_file())
