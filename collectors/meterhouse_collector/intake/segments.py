"""A segment at the intake: held against its name, its person set by the token, durable before it is acknowledged.

The object's name says who sent it (the token, not the event) and holds the digest of its bytes. Nothing is remembered
outside the destination, so an intake can be killed, moved or run twice: the names there are the memory.
"""

import json
import threading
import zlib
from typing import Any, Dict, List, Optional, Tuple

from meterhouse_collector import events, segment

from .errors import HttpError
from .tokens import Token

COMPRESSED_MAX = 2 << 20
INFLATED_MAX = 16 << 20
EVENTS_MAX = 10_000
GROUP = 1000  # segments of an epoch in one folder of keys, so that looking for a number stays one short listing
DEVICE = "device-"  # begins the person of a laptop that knows none: never somebody else
OWN_AUTHOR = ("commit", "pull_request", "review")  # kinds that say who did it, which need not be the sender


class Receiver:
    """Puts segments into one destination; `take` may be called from any thread."""

    def __init__(self, destination: Any) -> None:
        self._destination = destination
        self._locks = [threading.Lock() for _ in range(64)]
        self._heavy = threading.BoundedSemaphore(4)  # inflating and parsing at once: bounds memory

    def take(self, token: Token, name: str, data: bytes) -> Dict[str, Any]:
        """Store one segment. Raises HttpError for a bad or clashing one and ShipError when it cannot be stored now."""
        match = segment.NAME.match(name)
        if not match:
            raise HttpError(422, "name: is not <epoch>-<number>-<digest>.jsonl.gz")
        if match.group(3) != segment.digest(data):  # a filter on the way; the sender has checked its own disk
            raise HttpError(503, "name: its digest is not that of the bytes that arrived")
        with self._heavy:
            header, lines = _read(data, match.group(1), int(match.group(2)))
            stored, stored_name, changed = _with_person(token, name, data, header, lines)
        folder = f"raw/v1/intake/{token.name}/{header['sender']}/{match.group(1)}-{header['seq'] // GROUP:09d}"
        number = f"{match.group(1)}-{match.group(2)}-"
        with self._locks[hash((folder, number)) % len(self._locks)]:
            others = [found for found in self._destination.names(folder) if found.startswith(number)]
            if any(found != stored_name for found in others):
                raise HttpError(409, "number: other content is stored under it; a copied spool must take a new epoch")
            self._destination.put(f"{folder}/{stored_name}", stored)
        return {"object": f"{folder}/{stored_name}", "events": len(lines), "persons_set": changed}


def inflate(data: bytes, limit: int) -> bytes:
    """The content of one gzip stream, within a limit that is held while inflating."""
    engine = zlib.decompressobj(31)
    try:
        out = engine.decompress(data, limit + 1)
    except zlib.error:
        raise HttpError(422, "body: is no gzip stream") from None
    if len(out) > limit:
        raise HttpError(413, f"body: inflates to more than {limit >> 20} MB")
    if not engine.eof or engine.unused_data:
        raise HttpError(422, "body: is not one whole gzip stream")
    return out


def _read(data: bytes, epoch: str, seq: int) -> Tuple[Dict[str, Any], List[bytes]]:
    """Header and lines of a segment that is what its name says."""
    first, *lines = inflate(data, INFLATED_MAX).split(b"\n")
    header = _object(first)
    if header is None or not isinstance(header.get("meterhouse_segment"), int):
        raise HttpError(422, "header: the first line is none")
    if header["meterhouse_segment"] > segment.FORMAT:
        raise HttpError(503, "header: written by a newer collector; upgrade the intake, the laptop keeps it")
    if not lines or lines.pop() != b"":
        raise HttpError(422, "body: its last line is cut")
    sender = header.get("sender")
    if not (isinstance(sender, str) and len(sender) == 16 and not set(sender) - set("0123456789abcdef")):
        raise HttpError(422, "header.sender: is no device id")
    if (header.get("epoch"), header.get("seq"), header.get("count")) != (epoch, seq, len(lines)):
        raise HttpError(422, "header: epoch, seq or count differ from the name or the lines")
    if len(lines) > EVENTS_MAX:
        raise HttpError(413, f"body: more than {EVENTS_MAX} events")
    return header, lines


def _with_person(
    token: Token, name: str, data: bytes, header: Dict[str, Any], lines: List[bytes]
) -> Tuple[bytes, str, int]:
    """The segment as it is stored: as it came, unless an event names another person than the token's."""
    changed = 0
    for number, line in enumerate(lines):
        event = _object(line)
        if event is None or not isinstance(event.get("event_id"), str):
            raise HttpError(422, f"line {number + 2}: is no event")
        person = _person(token, event)
        if person != event.get("person_key"):
            event["person_key"] = person
            try:
                lines[number] = events.line(event)
            except ValueError:
                raise HttpError(422, f"line {number + 2}: cannot be written as JSON") from None
            changed += 1
    if not changed:
        return data, name, 0
    stored_name, stored = segment.seal({**header, "persons_set": changed, "received_as": segment.digest(data)}, lines)
    return stored, stored_name, changed


def _person(token: Token, event: Dict[str, Any]) -> Optional[Any]:
    """Whom the event is about: nobody stays nobody, another author of a commit stays its author."""
    claimed = event.get("person_key")
    if token.person_key is None or claimed is None:
        return claimed
    is_other_author = event.get("kind") in OWN_AUTHOR and not str(claimed).startswith(DEVICE)
    return claimed if is_other_author else token.person_key


def _object(line: bytes) -> Optional[Dict[str, Any]]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
