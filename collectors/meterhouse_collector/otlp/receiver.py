"""The laptop's OTLP receiver: HTTP/JSON on 127.0.0.1, so that agents on this machine, and nobody else, can tell us what they did.

An agent is never held up: the answer comes as soon as the events are fsynced, and whatever goes wrong is a status that an OTLP
client may not retry (a 429 or 503 makes agents hang at exit). Bodies are bounded, before and after gzip, in size and in time.
"""

import hmac
import io
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, Optional, Tuple

from meterhouse_collector import durable
from meterhouse_collector.inlet import Inlets
from meterhouse_collector.journal import Arrival, Journal
from meterhouse_collector.otlp import SIGNALS, receive
from meterhouse_collector.otlp.body import BodyError, Timed, decoded, read_body
from meterhouse_collector.privacy import Publisher
from meterhouse_collector.spool import KEEP_FREE, list_waiting

HOST = "127.0.0.1"
_NAMES = ("127.0.0.1", "localhost")  # a page that a browser loaded from elsewhere shows its own name (DNS rebinding)
AT_ONCE = 16  # bodies read at a time; more wait in the system's queue
SECONDS = 10.0  # for a whole request; an agent on this machine needs milliseconds
_REJECTED = {"logs": "rejectedLogRecords", "traces": "rejectedSpans", "metrics": "rejectedDataPoints"}


class Receiver:
    """The open port and its threads. `journal` holds what arrived until the follower moves it."""

    def __init__(self, folder: str, limit: int, publisher: Publisher, port: int, token: Optional[str]) -> None:
        """Raises OSError when the port is taken."""
        self.journal = Journal(folder)
        self.publisher = publisher
        self.token = token
        self._limit = limit
        self._told: "set[str]" = set()
        self._server = _Server((HOST, port), _Handler)
        self._server.receiver = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="otlp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take nothing new, and let the bodies that are being read end; each has its time limit."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.drain(SECONDS)

    def take(self, signal: str, body: Any) -> Dict[str, Any]:
        """The answer to one body; its events are durable when this returns, or counted as rejected."""
        arrival = Arrival(self.journal)
        inlets = Inlets(arrival, self.publisher)
        outcome = receive(inlets, signal, body)
        lost = "otlp_spool_full" if outcome.accepted and self._is_full() else ""
        if lost:
            arrival.discard()
        try:
            inlets.commit()
        except OSError:
            lost = "otlp_disk"
        rejected = dict(outcome.rejected)
        if lost and outcome.accepted:
            rejected[lost] = outcome.accepted
            self.lose(lost, outcome.accepted)
        return _answer(signal, rejected)

    def lose(self, reason: str, count: int = 1) -> None:
        """Something that was sent is not kept: counted for the next segment's header, and told once."""
        self.journal.count({reason: count}, told=True)
        if reason not in self._told:
            self._told.add(reason)
            print(f"otlp: {_REASONS.get(reason, reason)}", file=sys.stderr)

    def _is_full(self) -> bool:
        """As the spool itself sees it, with what waits in the journal."""
        used = self.journal.size + sum(waiting.size for waiting in list_waiting(self.journal.folder))
        return used >= self._limit or durable.free_space(self.journal.folder) < KEEP_FREE


_REASONS = {
    "otlp_spool_full": "the spool is full; what agents send is counted as dropped until segments are shipped",
    "otlp_disk": "the disk cannot be written; what agents send is counted as dropped until it can",
    "otlp_protobuf": "an agent sends protobuf; set its protocol to http/json",
    "otlp_too_large": "a body is too large or unpacks to too much; it is counted as dropped",
    "otlp_broken": "a body is no JSON or came cut or too slowly; it is counted as dropped",
    "otlp_forbidden": "a request had a wrong token or came from a web page; it is refused",
}


def _answer(signal: str, rejected: Dict[str, int]) -> Dict[str, Any]:
    """As OTLP writes it: an empty object when everything was kept."""
    if not rejected:
        return {}
    message = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()))
    return {"partialSuccess": {_REJECTED[signal]: str(sum(rejected.values())), "errorMessage": message}}


class _Server(ThreadingHTTPServer):
    """Accepts when a slot is free; a connection serves one request, because an idle one would hold its slot."""

    daemon_threads = True
    allow_reuse_address = sys.platform != "win32"  # there it would let another program take the port
    request_queue_size = 128
    receiver: Receiver

    def __init__(self, *given: Any) -> None:
        self._slots = threading.BoundedSemaphore(AT_ONCE)
        super().__init__(*given)

    def server_bind(self) -> None:
        """Without http.server's look-up of our own name, which may wait for a name server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if self.allow_reuse_address else 0)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._slots.acquire()  # the slowest body ends after SECONDS
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started, which happens when a machine is full
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that went away; what it sent is content and is not printed."""

    def drain(self, seconds: float) -> None:
        """Wait until no body is being read."""
        end = time.monotonic() + seconds
        for _ in range(AT_ONCE):
            self._slots.acquire(timeout=max(0.0, end - time.monotonic()))


class _Handler(BaseHTTPRequestHandler):
    """One request. Nothing that it holds is ever logged."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(Timed(self.connection, SECONDS))

    def do_POST(self) -> None:
        """The only method; a browser's preflight gets a 501 and so sends nothing."""
        self.close_connection = True
        try:
            status, answer = self._take()
        except BodyError as error:
            self.server.receiver.lose(error.reason)
            status, answer = error.status, {"message": str(error)}
        except Exception:
            self.server.receiver.lose("otlp_defect")
            status, answer = 400, {"message": "not understood"}
        self._reply(status, answer)

    def _take(self) -> Tuple[int, Dict[str, Any]]:
        receiver, signal = self.server.receiver, self._signal()
        data = read_body(self.headers, self.rfile)
        if self._forbidden():
            raise BodyError(403, "otlp_forbidden", "use 127.0.0.1 and the token of the collector's settings")
        if signal is None or signal not in SIGNALS:
            return 404, {"message": "paths are /v1/logs, /v1/traces and /v1/metrics"}
        return 200, receiver.take(signal, decoded(self.headers, data))

    def _signal(self) -> Optional[str]:
        """The last part of the path; before /v1 there may be the token."""
        parts = self.path.split("?")[0].split("/")
        return parts[-1] if len(parts) in (3, 4) and parts[-2] == "v1" else None

    def _forbidden(self) -> bool:
        """Another host's name, a web page, or not the token."""
        name = (self.headers.get("Host") or "").lower()
        port = f":{self.server.receiver.port}"
        name = name[: -len(port)] if name.endswith(port) else name
        return name not in _NAMES or self.headers.get("Origin") is not None or not self._has_token()

    def _has_token(self) -> bool:
        """In the path (Codex and others have no place for a header), as Bearer, or as X-Meterhouse-Token."""
        token = self.server.receiver.token
        if token is None:
            return True
        parts, bearer = self.path.split("/"), (self.headers.get("Authorization") or "").partition(" ")[2]
        shown = (parts[1] if len(parts) == 4 else "", bearer, self.headers.get("X-Meterhouse-Token") or "")
        return any(hmac.compare_digest(each.encode("utf-8", "replace"), token.encode()) for each in shown)

    def _reply(self, status: int, answer: Dict[str, Any]) -> None:
        data = json.dumps(answer).encode("ascii")
        try:
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # the agent ended meanwhile; what it sent is kept
            pass

    def log_message(self, *_: Any) -> None:
        """Paths hold the token, and a request line may hold anything."""
