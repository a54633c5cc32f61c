"""HTTP with bounds, for strangers: so many connections, so many bytes, so many seconds, and an answer to everything.

One request a connection: a slow or silent sender holds a thread for seconds, never for ever. Errors hold no internals.
"""

import contextlib
import io
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Dict, NamedTuple, Optional, Tuple

from .errors import HttpError

CONNECTIONS = 64
HEAD_SECONDS, HEAD_BYTES, HEAD_LINES = 10.0, 65536, 64
BODY_SECONDS = 30.0
DRAIN_BYTES, DRAIN_SECONDS = 4 << 20, 2.0  # so that a sender that is still writing can read why it was refused
MARK = "meterhouse_intake"
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b'Content-Length: 23\r\n\r\n{"meterhouse_intake":1}'
)


class Reply(NamedTuple):
    """Status, body and its type."""

    status: int
    body: bytes
    content_type: str = "application/json"


def reply(status: int, **said: Any) -> Reply:
    """An answer in JSON that shows whose it is."""
    return Reply(status, json.dumps({MARK: 1, **said}, separators=(",", ":")).encode("utf-8"))


class BoundedServer(ThreadingHTTPServer):
    """A thread a connection, up to a limit; beyond it an answer that says when to come again."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: Tuple[str, int], service: Any) -> None:
        self.service = service
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Without asking DNS for our own name, as the base class does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread, or send the caller away."""
        if not self._free.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.settimeout(1)
                request.sendall(BUSY)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What went wrong, without what was sent."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"a request failed: {type(error).__name__}", file=sys.stderr)


class _Bounded(io.RawIOBase):
    """A connection that ends after so many bytes and seconds."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.allow(HEAD_BYTES, HEAD_SECONDS)

    def allow(self, size: int, seconds: float) -> None:
        self._left, self._end = size, time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise socket.timeout("too slow")
        self._connection.settimeout(seconds)
        count = self._connection.recv_into(memoryview(buffer)[: self._left]) if self._left else 0
        self._left -= count
        return count


class Handler(BaseHTTPRequestHandler):
    """Reads one request within bounds and gives it to the service's `answer(method, path, headers, body)`."""

    server_version, sys_version = "meterhouse", ""
    protocol_version = "HTTP/1.1"
    server: BoundedServer

    def setup(self) -> None:
        """Read through the bounded connection."""
        super().setup()
        self.rfile.close()
        self._bounded = _Bounded(self.connection)
        self.rfile = io.BufferedReader(self._bounded)

    def do_GET(self) -> None:
        """Answer a request without a body."""
        self._serve()

    def do_POST(self) -> None:
        """Answer a request with a body."""
        self._serve()

    def _serve(self) -> None:
        self.close_connection = True
        try:
            if len(self.headers) > HEAD_LINES:
                raise HttpError(431, "headers: too many")
            answer, wait = self.server.service.answer(self), None
        except HttpError as error:
            answer, wait = reply(error.status, error=error.reason), error.retry_after
        except socket.timeout:
            answer, wait = reply(408, error="body: came too slowly"), None
        except OSError:
            raise
        except Exception as error:
            print(f"a request failed: {type(error).__name__}", file=sys.stderr)
            answer, wait = reply(503, error="the intake failed; try again"), 30
        self._send(answer, wait)

    def body(self, limit: int) -> bytes:
        """The request's body; refused as soon as it is known to be above the limit."""
        lengths, coding = self.headers.get_all("Content-Length", []), self.headers.get("Transfer-Encoding")
        self._bounded.allow(limit + (limit >> 3) + HEAD_BYTES, BODY_SECONDS)
        if coding is not None:
            if coding.strip().lower() != "chunked" or lengths:
                raise HttpError(400, "Transfer-Encoding: only chunked, and without Content-Length")
            return self._chunks(limit)
        if not lengths:
            raise HttpError(411, "Content-Length: is missing")
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise HttpError(400, "Content-Length: is no number")
        if len(lengths[0]) > 12 or int(lengths[0]) > limit:
            raise HttpError(413, f"body: more than {limit} bytes")
        data = self.rfile.read(int(lengths[0]))
        if len(data) < int(lengths[0]):
            raise ConnectionError("the body was cut")
        return data

    def _chunks(self, limit: int) -> bytes:
        out = bytearray()
        while True:
            line = self.rfile.readline(64)
            size = _hex(line)
            if size is None:
                raise HttpError(400, "body: broken chunk")
            if len(out) + size > limit:
                raise HttpError(413, f"body: more than {limit} bytes")
            out += self.rfile.read(size)
            if self.rfile.readline(HEAD_BYTES) not in (b"\r\n", b"\n"):
                raise HttpError(400, "body: broken chunk")
            if size == 0:
                return bytes(out)

    def _send(self, answer: Reply, wait: Optional[int]) -> None:
        with contextlib.suppress(OSError):
            self.connection.settimeout(HEAD_SECONDS)
            self.send_response(answer.status)
            for name, value in _headers(answer, wait).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)
            self.wfile.flush()
            if answer.status >= 400 and self.command == "POST":
                self._drain()

    def _drain(self) -> None:
        """Closing on unread bytes would reset the connection before the sender has read the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        self._bounded.allow(DRAIN_BYTES, DRAIN_SECONDS)
        while self.rfile.read1(65536):
            pass

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """The service narrates; the base class would print request lines as they came."""


def ungzip(data: bytes, coding: Optional[str], limit: int) -> bytes:
    """A body as it was before its Content-Encoding."""
    from .segments import inflate

    if coding is None or coding.strip().lower() in ("", "identity"):
        return data
    if coding.strip().lower() != "gzip":
        raise HttpError(415, "Content-Encoding: only gzip is known")
    return inflate(data, limit)


def _headers(answer: Reply, wait: Optional[int]) -> Dict[str, str]:
    found = {"Content-Type": answer.content_type, "Content-Length": str(len(answer.body)), "Connection": "close",
             "Cache-Control": "no-store"}  # fmt: skip
    if wait is not None:
        found["Retry-After"] = str(wait)
    if answer.status == 401:
        found["WWW-Authenticate"] = "Bearer"
    return found


def _hex(line: bytes) -> Optional[int]:
    digits = line.split(b";")[0].strip()
    if not line.endswith(b"\n") or not 0 < len(digits) <= 8 or set(digits.lower()) - set(b"0123456789abcdef"):
        return None
    return int(digits, 16)
