"""The bytes of a segment: while it is written (one checked line per event) and when it is sealed (gzip, named by digest).

A line of the active file is `crc32 SP json LF`, where json is `{"at":[path,end],"event":{…}}`: the event and how far its
source was read. CRC-32 is zlib's, not Castagnoli's: it guards local lines against torn and flipped bytes, and only zlib's
runs at full speed without a third-party module.
"""

import gzip
import hashlib
import json
import re
import zlib
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

NAME = re.compile(r"^([0-9a-f]{16})-(\d{12})-([0-9a-f]{16})\.jsonl\.gz$")
FORMAT = 1
_START = re.compile(
    rb'[0-9a-f]{8} \{"at":\['
)  # begins a line and nothing else: inside JSON text every quote is escaped


class Entry(NamedTuple):
    """One good line: where its event came from, and the event's canonical bytes."""

    path: str
    end: int
    line: bytes


class Damage(NamedTuple):
    """Byte range of lines that fail their check, in the middle of an active file."""

    start: int
    end: int


def encode(entry: Entry) -> bytes:
    """One line of the active file; the event's bytes are kept as they are, so what was previewed is what is shipped."""
    at = json.dumps([entry.path, entry.end], ensure_ascii=True, separators=(",", ":")).encode("ascii")
    body = b'{"at":' + at + b',"event":' + entry.line + b"}"
    return b"%08x " % zlib.crc32(body) + body + b"\n"


def decode(data: bytes) -> Tuple[List[Entry], List[Damage]]:
    """Every line that passes its check; a bad one is damage, or the torn tail when it is the last and its LF is missing."""
    entries: List[Entry] = []
    damages: List[Damage] = []
    start = 0
    while start < len(data):
        end = data.find(b"\n", start) + 1 or len(data)
        following = _START.search(data, start + 1, end)  # found when the flipped byte is the line feed
        if following:
            end = following.start()
        entry = _entry(data[start:end])
        if entry:
            entries.append(entry)
        elif end < len(data) or data[-1:] == b"\n":
            damages.append(Damage(start, end))
        start = end
    return entries, damages


def _entry(line: bytes) -> Optional[Entry]:
    """The line's entry when its check holds, whatever byte stands for the LF."""
    body = line[9:-1]
    if line[:9] != b"%08x " % zlib.crc32(body):
        return None
    start = body.index(b',"event":')
    path, end = json.loads(body[len(b'{"at":') : start])
    return Entry(path, end, body[start + len(b',"event":') : -1])


def seal(header: Dict[str, Any], lines: List[bytes]) -> Tuple[str, bytes]:
    """Name and bytes of the sealed segment; the same header and lines give the same bytes, whenever it is done."""
    text = json.dumps({"meterhouse_segment": FORMAT, **header}, separators=(",", ":")).encode("ascii")
    data = gzip.compress(b"\n".join([text, *lines]) + b"\n", mtime=0)
    return f"{header['epoch']}-{header['seq']:012d}-{digest(data)}.jsonl.gz", data


def unseal(data: bytes) -> Tuple[Dict[str, Any], List[bytes]]:
    """Header and event lines of a sealed segment."""
    header, *lines = gzip.decompress(data).splitlines()
    return json.loads(header), lines


def announced(data: bytes) -> int:
    """How many events a damaged segment says it holds; 1 when even that cannot be read."""
    try:
        text = zlib.decompressobj(31).decompress(data, 4096)
        return int(json.loads(text.split(b"\n", 1)[0])["count"])
    except (zlib.error, ValueError, KeyError, TypeError):
        return 1


def read_header(path: str) -> Dict[str, Any]:
    """The header of a sealed file, without inflating its events."""
    with gzip.open(path, "rb") as file:
        return json.loads(file.readline())


def event_id(line: bytes) -> str:
    """The id inside an event's canonical bytes."""
    return json.loads(line)["event_id"]


def digest(data: bytes) -> str:
    """The part of a segment's name that proves its bytes."""
    return hashlib.sha256(data).hexdigest()[:16]
