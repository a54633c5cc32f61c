"""One HTTP body within bounds: bytes, time, unpacked size, depth and digits; what breaks one is a status that is not retried."""

import io
import json
import socket
import time
import zlib
from decimal import Decimal
from email.message import Message
from typing import Any

PACKED_MAX = 8 << 20  # bytes on the wire; agents send some hundred kilobytes
UNPACKED_MAX = 32 << 20
_BLOCK = 1 << 16
_DIGITS_MAX = 25  # of a whole number; Python takes minutes for a million of them
_SKIPPED_MAX = 32 << 20  # read and forgotten, so that a sender of too much sees our answer rather than a broken pipe


class BodyError(Exception):
    """Why a body is refused: HTTP status, the reason to count, and a text without content."""

    def __init__(self, status: int, reason: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


class Timed(io.RawIOBase):
    """What a connection sends, until a moment that no dripping sender can put off."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._end = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - time.monotonic()
        if left <= 0:
            raise socket.timeout
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def read_body(headers: Message, file: Any) -> bytes:
    """The bytes of a request, by length or in chunks, out of a `Timed` stream."""
    stream = _Stream(file)
    try:
        if "chunked" in (headers.get("Transfer-Encoding") or "").lower():
            return _chunks(stream)
        length = headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit() and len(length) < 12):
            raise BodyError(400, "otlp_broken", "Content-Length is no number")
        if int(length) > PACKED_MAX:
            stream.skip(min(int(length), _SKIPPED_MAX))
            raise BodyError(413, "otlp_too_large", f"a body may have {PACKED_MAX >> 20} MB")
        return stream.read(int(length))
    except OSError:
        raise BodyError(408, "otlp_broken", "the body did not come in time") from None


def decoded(headers: Message, data: bytes) -> Any:
    """The JSON of a body. Numbers with a fraction are Decimals: an amount keeps the digits that were sent."""
    kind = (headers.get("Content-Type") or "").split(";")[0].strip().lower()
    if kind != "application/json":
        reason = "otlp_protobuf" if "protobuf" in kind else "otlp_broken"
        raise BodyError(415, reason, "set the exporter's protocol to http/json")
    return loads(unpack(data, (headers.get("Content-Encoding") or "identity").strip().lower()))


def unpack(data: bytes, encoding: str) -> bytes:
    """Without gzip or deflate, within the bound."""
    if encoding == "identity":
        return data
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise BodyError(415, "otlp_broken", "a body may be gzip or plain")
    decoder, found = zlib.decompressobj(zlib.MAX_WBITS | 32), b""
    try:
        found = decoder.decompress(data, UNPACKED_MAX)
    except zlib.error:
        raise BodyError(400, "otlp_broken", "the body is no gzip") from None
    if decoder.unconsumed_tail:
        raise BodyError(413, "otlp_too_large", f"a body may unpack to {UNPACKED_MAX >> 20} MB")
    if not decoder.eof:
        raise BodyError(400, "otlp_broken", "the body is cut")
    return found


def loads(data: bytes) -> Any:
    """JSON that may be hostile: no deep nesting, no endless numbers, no NaN."""
    try:
        return json.loads(data, parse_float=_decimal, parse_int=_whole, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise BodyError(400, "otlp_broken", "the body is no JSON") from None


def _decimal(text: str) -> Any:
    return Decimal(text) if len(text) <= 100 else None


def _whole(text: str) -> Any:
    return int(text) if len(text) <= _DIGITS_MAX else None


class _Stream:
    """Whole pieces of a body; one that ends too soon is cut."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, length: int) -> bytes:
        """Exactly so many bytes."""
        found = bytearray()
        while len(found) < length:
            found += self._some(length - len(found))
        return bytes(found)

    def skip(self, length: int) -> None:
        """Read and forget."""
        while length:
            length -= len(self._some(length))

    def line(self) -> bytes:
        """Up to a line feed; a chunk's size or a trailer."""
        text = self._file.readline(1000)
        if not text.endswith(b"\n"):
            raise BodyError(400, "otlp_broken", "the body is cut")
        return text.strip()

    def _some(self, length: int) -> bytes:
        data = self._file.read1(min(length, _BLOCK))
        if not data:
            raise BodyError(400, "otlp_broken", "the body is cut")
        return data


def _chunks(stream: _Stream) -> bytes:
    """A body of unknown length: what Node's exporters send when they pack."""
    found = bytearray()
    while True:
        size = stream.line().split(b";")[0].strip()
        try:
            length = int(size, 16) if len(size) <= 8 else -1
        except ValueError:
            length = -1
        if length < 0:
            raise BodyError(400, "otlp_broken", "a chunk has no size")
        if length == 0:
            while stream.line():
                pass
            return bytes(found)
        if len(found) + length > PACKED_MAX:
            raise BodyError(413, "otlp_too_large", f"a body may have {PACKED_MAX >> 20} MB")
        found += stream.read(length)
        stream.line()
