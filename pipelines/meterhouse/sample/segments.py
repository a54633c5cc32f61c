"""Shipments sealed into segments, with the names and bytes of a collector that ships directly.

The digest in a name is over the compressed bytes. These depend on the machine's zlib: compare contents, not names,
when two machines are compared.
"""

import datetime as dt
import gzip
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meterhouse.sample.drafts import encode, instant
from meterhouse.sample.people import digest
from meterhouse.sample.story import Story

FOLDER = "raw/v1/direct"


@dataclass(frozen=True)
class Shipment:
    """One line on its way: which device sends it, and on which day."""

    sender: str
    arrives: dt.date
    at: dt.datetime
    line: bytes


@dataclass(frozen=True)
class Segment:
    """One object of the store."""

    key: str
    content: bytes


def period(story: Story, day: dt.date) -> int:
    """Which sealing period of the window a day falls into."""
    return (day - story.first_day).days // story.segment_days


def sealed_at(story: Story, sender: str, number: int) -> dt.datetime:
    """The early morning after a period ends, at the device's own minute."""
    after = story.first_day + dt.timedelta(days=(number + 1) * story.segment_days)
    morning = min(after, story.last_day + dt.timedelta(days=1))
    return dt.datetime.combine(morning, dt.time(5, int(sender[:4], 16) % 60), dt.UTC)


def by_period(story: Story, shipments: Iterable[Shipment]) -> dict[tuple[str, int], list[Shipment]]:
    """What each sender seals in each period, in the order of arrival."""
    groups: dict[tuple[str, int], list[Shipment]] = defaultdict(list)
    for one in sorted(shipments, key=lambda one: (one.sender, one.arrives, one.at, one.line)):
        groups[one.sender, period(story, one.arrives)].append(one)
    return groups


def seal(story: Story, shipments: Iterable[Shipment], dropped: dict[str, int]) -> Iterator[Segment]:
    """All segments; `dropped` says which senders report lost events in their first header, and how many."""
    seq: dict[str, int] = defaultdict(int)
    for (sender, number), rows in by_period(story, shipments).items():
        seq[sender] += 1
        lost = dropped.get(sender, 0) if seq[sender] == 1 else 0
        header = {
            "meterhouse_segment": 1,
            "sender": sender,
            "epoch": digest(story.seed, "epoch", sender, length=16),
            "seq": seq[sender],
            "count": len(rows),
            "dropped": {"contract": lost} if lost else {},
            "collector_version": story.collector_version,
            "sealed_at": instant(sealed_at(story, sender, number)),
        }
        lines = [encode(header), *(row.line for row in rows)]
        content = gzip.compress(b"".join(line + b"\n" for line in lines), compresslevel=9, mtime=0)
        name = f"{header['epoch']}-{seq[sender]:012d}-{hashlib.sha256(content).hexdigest()[:16]}.jsonl.gz"
        yield Segment(f"{FOLDER}/{sender}/{name}", content)
