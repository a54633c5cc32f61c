"""From something that happened to one line of the event contract.

Field order and names come from the published contract; an unknown name is an error, as in a collector.
"""

import datetime as dt
import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from meterhouse.contract import SCHEMA_VERSION, kinds

ID_VERSION = "1"  # part of every event id, as the contract's other side has it


@dataclass(frozen=True)
class Draft:
    """One event to be. A copy repeats, under another event id, what another draft of the truth already says."""

    kind: str
    source: str
    channel: str
    at: dt.datetime
    key: tuple[Any, ...]
    values: dict[str, Any]
    is_copy: bool = False


def instant(at: dt.datetime) -> str:
    """The contract's way to write a time."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def event_id(source: str, kind: str, *key: Any) -> str:
    """128 bits over what identifies the thing."""
    text = json.dumps([ID_VERSION, source, kind, *key], separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def line(draft: Draft) -> bytes:
    """The bytes of one event, fields in the contract's order; values that are None are left out."""
    given = {
        **{name: value for name, value in draft.values.items() if value is not None},
        "schema_version": SCHEMA_VERSION,
        "kind": draft.kind,
        "event_id": event_id(draft.source, draft.kind, *draft.key),
        "occurred_at": instant(draft.at),
        "source": draft.source,
        "channel": draft.channel,
    }
    names = _names(draft.kind)
    unknown = set(given) - set(names)
    if unknown:
        raise KeyError(f"{draft.kind}.{min(unknown)}: not a field of this kind; see models/contracts")
    return encode({name: given[name] for name in names if name in given})


def encode(record: dict[str, Any]) -> bytes:
    """Compact JSON, as collectors write it."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


@functools.cache
def _names(kind: str) -> tuple[str, ...]:
    return tuple(field.name for field in kinds()[kind].fields)
