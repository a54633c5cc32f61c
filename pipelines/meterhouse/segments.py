"""From the bytes of one object to its lines: bounded decompression, byte ranges, the segment header.

No input, however hostile, may raise here or take more than the limits: what cannot be read becomes a `Damage`.
"""

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

MAX_COMPRESSED = 64 * 2**20
MAX_INFLATED = 512 * 2**20
MAX_RATIO = 200  # a bomb inflates a thousandfold, event lines about twentyfold
RATIO_FREE = 2**20  # below this no ratio is dangerous, also for a thousand such objects
MAX_LINE = 2**20
MAX_LINES = 10**6
LINE_COST = 500  # bytes of memory that a line takes besides its own
PIECE = 1024  # compressed bytes taken at once: even a bomb grows by a few MB before it is seen
HEADER_START = b'{"meterhouse_segment":'

_Name = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,200}\Z")]
_Number = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class Header(msgspec.Struct, frozen=True):
    """First line of a segment: who sent it, its place in the sender's sequence, and what the sender left out and why."""

    sender: _Name | None = None
    epoch: _Name | None = None
    seq: _Number | None = None
    count: _Number | None = None
    dropped: dict[str, _Number] = {}
    replaces: list[_Name] = []
    unused: list[_Name] = []

    @property
    def settled(self) -> list[str]:
        """Numbers (`<epoch>-<seq>`) under which nothing will ever arrive: sent under another, or given up and told as drops."""
        return [*self.replaces, *self.unused]


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line and its place in the decompressed stream: bytes `start` (inclusive) to `end` (exclusive, without LF)."""

    number: int
    start: int
    end: int
    data: bytes
    object_number: int = 0  # which object of a batch it stands in

    @property
    def memory(self) -> int:
        """About what it takes in memory, in bytes."""
        return LINE_COST + len(self.data)


@dataclass(frozen=True)
class Damage:
    """A part of an object that is no line: cut or corrupt compression, a limit passed, a broken header."""

    reason: str
    start: int
    end: int
    number: int
    events: int = 1  # how many announced events it stands for


@dataclass
class Segment:
    """One object, read: its header if it has one, its lines and its damage."""

    header: Header | None = None
    lines: list[Line] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    inflated: int = 0

    @property
    def memory(self) -> int:
        """About what it takes in memory: a million lines of one byte are not small."""
        return self.inflated + LINE_COST * len(self.lines)


def read_segment(key: str, raw: bytes, object_number: int = 0) -> Segment:
    """Split an object into lines; the header line is taken out, blank lines are passed over."""
    segment = Segment()
    if len(raw) > (MAX_INFLATED if key.endswith(".jsonl") else MAX_COMPRESSED):
        segment.damage.append(Damage("object_too_large", 0, len(raw), 1))
        return segment
    data, reason = _inflate(key, raw)
    segment.inflated = len(data)
    for line in _lines(data, object_number):
        if line.number == 1 and line.data.startswith(HEADER_START):
            segment.header = _header(line, segment)
        elif line.number > MAX_LINES:
            segment.damage.append(Damage("too_many_lines", line.start, len(data), line.number))
            break
        elif len(line.data) > MAX_LINE:
            segment.damage.append(Damage("line_too_long", line.start, line.end, line.number))
        elif line.data.strip():
            segment.lines.append(line)
    if reason:
        _cut_tail(segment, data, reason)
    return segment


def inflate(key: str, raw: bytes) -> bytes:
    """The decompressed bytes that can be trusted; byte ranges of lines and damage count in them."""
    return _inflate(key, raw)[0]


def _inflate(key: str, raw: bytes) -> tuple[bytes, str | None]:
    """The decompressed bytes that can be trusted, and why they are not all."""
    if key.endswith(".gz"):
        return _stream(raw, lambda: zlib.decompressobj(wbits=31), zlib.error)
    if key.endswith(".zst"):
        import zstandard

        codec = zstandard.ZstdDecompressor(max_window_size=2**27)
        return _stream(raw, codec.decompressobj, zstandard.ZstdError)
    return raw, None


def _stream(raw: bytes, engine_of: Callable[[], Any], error: type[Exception]) -> tuple[bytes, str | None]:
    """All members or frames, up to the limits; one whose checksum fails is dropped whole, for any of its bytes may be wrong."""
    out = io.BytesIO()  # gives its bytes away without a copy, of which half a gigabyte would be too many
    limit = min(MAX_INFLATED, max(RATIO_FREE, len(raw) * MAX_RATIO))
    engine, begun, is_open = engine_of(), 0, False
    for start in range(0, len(raw), PIECE):
        piece = raw[start : start + PIECE]
        while piece:
            try:
                out.write(engine.decompress(piece))
            except error:
                out.truncate(begun)
                return out.getvalue(), "trailing_garbage" if begun else "corrupt_compression"
            if out.tell() > limit:
                out.truncate(limit)
                return out.getvalue(), "inflates_too_much"
            is_open, piece = not engine.eof, engine.unused_data
            if not is_open:
                engine, begun = engine_of(), out.tell()
    return out.getvalue(), "cut_compression" if is_open else None


def _lines(data: bytes, object_number: int) -> Iterator[Line]:
    start = number = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        number += 1
        yield Line(
            number, start, end, data[start : min(end, start + MAX_LINE + 1)], object_number
        )  # enough to refuse it
        start = end + 1


def _header(line: Line, segment: Segment) -> Header | None:
    """The header; a broken one is damage, and the lines below it are read all the same."""
    try:
        if len(line.data) <= MAX_LINE:
            return msgspec.json.decode(line.data, type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    segment.damage.append(Damage("bad_header", line.start, line.end, line.number, events=0))
    return None


def _cut_tail(segment: Segment, data: bytes, reason: str) -> None:
    """Of a stream that broke off, keep whole lines only: an unfinished one may still be valid JSON with other numbers."""
    last_end = data.rfind(b"\n") + 1
    whole = [line for line in segment.lines if line.end < last_end]
    number = data.count(b"\n") + 1
    segment.lines = whole
    segment.damage = [row for row in segment.damage if row.end < last_end]
    announced = segment.header and segment.header.count
    events = max(announced - len(whole) - len(segment.damage), 0) if announced else 1
    segment.damage.append(Damage(reason, last_end, len(data), number, events))
