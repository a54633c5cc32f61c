"""What the intake answers to whom: health to anybody, everything else to a known token within its rate.

Nothing is acknowledged before it is durable. When storage is away the answer is 503 with Retry-After, never 401 or 500: an
agent that obeys OTLP would drop its data.
"""

import hashlib
import json
import sys
import threading
import time
from typing import Any, Dict, Optional, Tuple

from meterhouse_collector.errors import ShipError

from . import protobuf
from .errors import HttpError
from .http import Handler, Reply, reply, ungzip
from .otlp_desk import OtlpDesk
from .segments import COMPRESSED_MAX, INFLATED_MAX, Receiver
from .tokens import Token, Tokens

PER_MINUTE, BURST = 60.0, 120.0  # requests of one token
READY_FOR = 10.0  # seconds that a look at the storage counts
GATEWAY_SHARE = 50  # times the rate for a sender that speaks for many
OTLP_MAX = 4 << 20
SEGMENTS = "/v1/segments"
SIGNALS = {"/v1/logs": "logs", "/v1/traces": "traces", "/v1/metrics": "metrics"}
REJECTED = {"logs": "rejectedLogRecords", "traces": "rejectedSpans", "metrics": "rejectedDataPoints"}


class Service:
    """The routes; one instance serves all threads."""

    def __init__(self, destination: Any, tokens: Tokens, desk: Optional[OtlpDesk] = None) -> None:
        self._desk = desk
        self._heavy = threading.BoundedSemaphore(4)  # bodies being decoded: bounds memory
        self._tokens = tokens
        self._receiver = Receiver(destination)
        self._rate = Rate()
        self._ready = Readiness(destination)

    def answer(self, request: Handler) -> Reply:
        """The answer to one request; raises HttpError."""
        path = request.path.partition("?")[0]
        if request.command == "GET" and path == "/healthz":
            return reply(200, state="ok")
        if request.command == "GET" and path == "/readyz":
            self._ready.check()
            return reply(200, state="ready")
        token = self._sender(request)
        try:
            return self._known(request, path, token)
        except HttpError as error:
            print(f"{token.name}: {error.status} {error.reason}", file=sys.stderr)
            raise

    def _known(self, request: Handler, path: str, token: Token) -> Reply:
        """The routes of a known sender."""
        if request.command == "GET" and path == SEGMENTS:
            self._ready.check()
            return reply(200, sender=token.name)
        if request.command == "POST" and path.startswith(SEGMENTS + "/"):
            return self._segment(request, path[len(SEGMENTS) + 1 :], token)
        if request.command == "POST" and path in SIGNALS and self._desk is not None:
            return self._otlp(request, SIGNALS[path], token)
        raise HttpError(404, "path: not known here")

    def _otlp(self, request: Handler, signal: str, token: Token) -> Reply:
        """Taken bodies answer 200, with the count of records that nobody could use; only what is no OTLP is an error."""
        assert self._desk is not None
        content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type not in ("application/json", protobuf.TYPE):
            raise HttpError(415, f"Content-Type: send application/json or {protobuf.TYPE}")
        data = ungzip(request.body(OTLP_MAX), request.headers.get("Content-Encoding"), INFLATED_MAX)
        with self._heavy:
            body = _json(data) if content_type != protobuf.TYPE else protobuf.decode(signal, data)
        outcome = self._desk.take(token, signal, body)
        rejected, reason = sum(outcome.rejected.values()), ", ".join(sorted(outcome.rejected))
        if content_type == protobuf.TYPE:
            return Reply(200, protobuf.encode(signal, rejected, reason), content_type)
        partial = {"partialSuccess": {REJECTED[signal]: str(rejected), "errorMessage": reason}} if rejected else {}
        return Reply(200, json.dumps(partial).encode("ascii"))

    def _segment(self, request: Handler, name: str, token: Token) -> Reply:
        data = request.body(COMPRESSED_MAX)
        try:
            told = self._receiver.take(token, name, data)
        except ShipError as error:
            print(error, file=sys.stderr)
            raise HttpError(503, "storage: cannot be reached; try again") from None
        print(f"{token.name}: {told['events']} events", file=sys.stderr)
        return reply(200, digest=hashlib.sha256(data).hexdigest(), **told)

    def _sender(self, request: Handler) -> Token:
        """Who asks; its body is not read before that is known."""
        given = request.headers.get_all("Authorization", [])
        token = self._tokens.find(given[0]) if len(given) == 1 else None
        if token is None:
            raise HttpError(401, "Authorization: no token that is known here")
        wait = self._rate.wait(token.name, time.monotonic(), 1 if token.person_key else GATEWAY_SHARE)
        if wait is not None:
            raise HttpError(429, "rate: too many requests", wait)
        return token


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise HttpError(400, "body: is no JSON") from None


class Rate:
    """A bucket a token: so many requests a minute, and twice that at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buckets: Dict[str, Tuple[float, float]] = {}

    def wait(self, name: str, now: float, share: float = 1) -> Optional[int]:
        """Seconds to wait, or None when the request is within the rate, or within so many times the rate."""
        with self._lock:
            left, since = self._buckets.get(name, (BURST * share, now))
            left = min(BURST * share, left + (now - since) * PER_MINUTE * share / 60)
            is_allowed = left >= 1
            self._buckets[name] = (left - 1 if is_allowed else left, now)
        return None if is_allowed else max(1, round((1 - left) * 60 / PER_MINUTE / share))


class Readiness:
    """Whether the storage could be written just now; looked at seldom, however often somebody asks."""

    def __init__(self, destination: Any) -> None:
        self._destination = destination
        self._lock = threading.Lock()
        self._until = 0.0
        self._is_ready = False

    def check(self) -> None:
        """Raise HttpError unless it is."""
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._destination.probe()
                    self._is_ready = True
                except ShipError as error:
                    print(error, file=sys.stderr)
                    self._is_ready = False
                self._until = time.monotonic() + READY_FOR
            if not self._is_ready:
                raise HttpError(503, "storage: cannot be written")
