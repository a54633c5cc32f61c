"""The ledger: what became of every line of an object, as rows of the catalog.

Every line is in exactly one count: loaded, duplicate, quarantined or parked.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from meterhouse.parse import Parked, Parsed, Rejected
from meterhouse.segments import Damage, Header, Line, Segment, read_segment
from meterhouse.storage import RawObject


@dataclass(frozen=True)
class Fetched:
    """One object of a batch, read."""

    object: RawObject
    sha256: str
    segment: Segment


@dataclass
class Loaded:
    """What one run loaded."""

    objects: int = 0
    rows: int = 0
    duplicates: int = 0
    quarantined: int = 0
    parked: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Fate:
    """What became of the lines of one object."""

    loaded: int
    duplicates: int
    rejected: list[Rejected]
    parked: list[Parked]


def fetched(row: RawObject, raw: bytes, number: int = 0) -> Fetched:
    """One object with its lines found; `number` is its place in the batch."""
    return Fetched(row, hashlib.sha256(raw).hexdigest(), read_segment(row.key, raw, number))


def fates(batch: Sequence[Fetched], parsed: Parsed, kept: Counter[int]) -> list[Fate]:
    """The batch's outcome by object; every line is in exactly one count."""
    good: Counter[int] = Counter()
    for frame in parsed.frames.values():
        good.update(dict(frame["object_number"].value_counts().iter_rows()))
    rejected: dict[int, list[Rejected]] = {}
    parked: dict[int, list[Parked]] = {}
    for bad in parsed.rejected:
        rejected.setdefault(bad.line.object_number, []).append(bad)
    for early in parsed.parked:
        parked.setdefault(early.line.object_number, []).append(early)
    return [
        Fate(kept[number], good[number] - kept[number], rejected.get(number, []), parked.get(number, []))
        for number in range(len(batch))
    ]


def ledger_row(one: Fetched, fate: Fate, load_seq: int) -> dict[str, Any]:
    """The object's row of `load_ledger`."""
    header = one.segment.header or Header()
    return {
        "object_key": one.object.key, "etag": one.object.etag, "size": one.object.size, "sha256": one.sha256,
        "state": "loaded", "sender": header.sender, "epoch": header.epoch, "seq": header.seq, "spooled": header.count,
        "rows_loaded": fate.loaded, "rows_duplicate": fate.duplicates, "rows_quarantined": quarantined(one, fate),
        "rows_parked": len(fate.parked), "dropped": json.dumps(header.dropped), "settled": header.settled or None,
        "problem": _digest_problem(one), "received_at": one.object.modified_at, "load_seq": load_seq,
    }  # fmt: skip


def quarantined(one: Fetched, fate: Fate) -> int:
    """Events in quarantine; a part that cannot be split into lines stands for all that it swallowed."""
    return len(fate.rejected) + sum(row.events for row in one.segment.damage)


def _digest_problem(one: Fetched) -> str | None:
    """The name of a segment ends in the digest of its bytes; other bytes are loaded, because lines are checked, but shown."""
    stem = one.object.key.rsplit("/", 1)[-1].split(".", 1)[0]
    named = stem.rsplit("-", 1)[-1] if one.segment.header else ""
    return "bytes differ from the digest in the name" if len(named) == 16 and not one.sha256.startswith(named) else None


def quarantine_rows(one: Fetched, fate: Fate, load_seq: int) -> Iterator[dict[str, Any]]:
    """Its rows of `load_quarantine`, in the order in which they lie in the object."""
    lines = [(row.line, row.reason, row.field) for row in fate.rejected]
    damage = [(row, row.reason, None) for row in one.segment.damage]
    for where, reason, name in sorted([*lines, *damage], key=lambda row: row[0].start):
        digest = hashlib.sha256(where.data).hexdigest() if isinstance(where, Line) else None
        yield {**_place(one.object.key, where), "reason": reason, "field": name, "sha256": digest, "load_seq": load_seq}


def parked_rows(one: Fetched, fate: Fate, load_seq: int) -> list[dict[str, Any]]:
    """Its rows of `load_parked`."""
    return [{**_place(one.object.key, row.line), "kind": row.kind, "schema_version": row.schema_version,
             "load_seq": load_seq} for row in fate.parked]  # fmt: skip


def _place(key: str, where: Line | Damage) -> dict[str, Any]:
    return {"object_key": key, "byte_start": where.start, "byte_end": where.end, "line_number": where.number}
