"""A machine that is full for a moment: the receiver serves again as soon as threads can be started."""

import http.client
import socket

from meterhouse_collector.otlp import receiver as receivers
from meterhouse_collector.privacy import Publisher
from meterhouse_collector.spool import open_spool


def full(*_):
    raise RuntimeError("can't start new thread")


def test_a_thread_that_could_not_be_started_holds_no_slot(tmp_path, monkeypatch):
    open_spool(str(tmp_path / "spool"), 1 << 30).close()
    receiver = receivers.Receiver(str(tmp_path / "spool"), 1 << 30, Publisher("p-1", "names", None), 0, None)
    with monkeypatch.context() as machine:
        machine.setattr(receivers.ThreadingHTTPServer, "process_request", full)
        for _ in range(receivers.AT_ONCE):
            with socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as sent_away:
                assert sent_away.recv(1) == b""
    asked = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=30)
    asked.request("POST", "/v1/logs", b"{}", {"Content-Type": "application/json"})
    assert asked.getresponse().status == 200
    asked.close()
    receiver.close()
