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
BODY_LINE_COST = 100  # and before it is split: most never are, but a million lines of one byte are not small
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


class Body(msgspec.Struct, frozen=True, gc=False):
    """Consecutive lines, not split yet: bytes `start` to `end` of the stream; the first is line `number` of the object."""

    data: bytes
    start: int
    end: int
    number: int
    count: int
    object_number: int = 0

    @property
    def memory(self) -> int:
        """About what it takes in memory until it is parsed, in bytes."""
        return self.end - self.start + BODY_LINE_COST * self.count

    def lines(self) -> Iterator[Line]:
        """Its lines; blank ones are passed over."""
        start = self.start
        for number in range(self.number, self.number + self.count):
            end = self.data.find(b"\n", start, self.end)
            end = self.end if end < 0 else end
            if (text := self.data[start:end]).strip():
                yield Line(number, start, end, text, self.object_number)
            start = end + 1


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
    bodies: list[Body] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)

    @property
    def lines(self) -> Iterator[Line]:
        """All its lines, split."""
        return (line for body in self.bodies for line in body.lines())


def read_segment(key: str, raw: bytes, object_number: int = 0) -> Segment:
    """Find the lines of an object; the header line is taken out. Of a stream that broke off only whole lines are kept:
    an unfinished one may still be valid JSON with other numbers.
    """
    segment = Segment()
    if len(raw) > (MAX_INFLATED if key.endswith(".jsonl") else MAX_COMPRESSED):
        segment.damage.append(Damage("object_too_large", 0, len(raw), 1))
        return segment
    data, reason = _inflate(key, raw)
    whole = data.rfind(b"\n") + 1 if reason else len(data)
    start = _take_header(data, segment)
    _take_bodies(data, start, whole, object_number, segment)
    if reason:
        segment.damage = [row for row in segment.damage if row.end < whole]
        announced = segment.header and segment.header.count
        told = sum(1 for _ in segment.lines) + len(segment.damage)
        events = max(announced - told, 0) if announced else 1
        segment.damage.append(Damage(reason, whole, len(data), data.count(b"\n") + 1, events))
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


def _take_header(data: bytes, segment: Segment) -> int:
    """Where the lines begin; a broken header is damage, and the lines below it are read all the same."""
    if not data.startswith(HEADER_START):
        return 0
    end = data.find(b"\n")
    end = len(data) if end < 0 else end
    try:
        if end <= MAX_LINE:
            segment.header = msgspec.json.decode(data[:end], type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    if segment.header is None:
        segment.damage.append(Damage("bad_header", 0, end, 1, events=0))
    return min(end + 1, len(data))


def _take_bodies(data: bytes, start: int, end: int, object_number: int, segment: Segment) -> None:
    """Bodies of at most the size that one line may have: then each holds whole lines, or a line is too long."""
    number = 1 if start == 0 else 2
    while start < end:
        if number > MAX_LINES:
            segment.damage.append(Damage("too_many_lines", start, end, number))
            return
        stop = end if end - start <= MAX_LINE else data.rfind(b"\n", start, start + MAX_LINE + 1) + 1
        if not stop:
            stop = data.find(b"\n", start, end)
            stop = end if stop < 0 else stop
            segment.damage.append(Damage("line_too_long", start, stop, number))
            start, number = stop + 1, number + 1
            continue
        count = data.count(b"\n", start, stop) + (data[stop - 1] != 10)
        if count > MAX_LINES + 1 - number:
            count = MAX_LINES + 1 - number
            stop = _skip(data, start, count)
        segment.bodies.append(Body(data, start, stop, number, count, object_number))
        start, number = stop, number + count


def _skip(data: bytes, start: int, lines: int) -> int:
    for _ in range(lines):
        start = data.find(b"\n", start) + 1
    return start
