"""What real fleets send besides good events: late, doubled, damaged, unknown and richer lines.

Each damaged line is an addition with an event id of its own, so that the truth of the good ones is untouched.
"""

import datetime as dt
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from meterhouse.sample.drafts import Draft, encode, line
from meterhouse.sample.people import digest, stream
from meterhouse.sample.segments import Shipment
from meterhouse.sample.story import Story

Event = dict[str, Any]

# how a line breaks, and the reason code under which a load must set it aside
DAMAGE: dict[str, tuple[str, Callable[[Event], bytes]]] = {
    "cut_line": ("invalid_json", lambda event: encode(event)[:-40]),
    "nul_bytes": ("invalid_json", lambda event: b"\0" * 64),
    "no_session": (
        "missing_field",
        lambda event: encode({name: event[name] for name in event if name != "session_id"}),
    ),
    "negative": ("out_of_range", lambda event: encode({**event, "output_tokens": -1})),
    "fraction": ("wrong_type", lambda event: encode({**event, "output_tokens": 12.5})),
    "boolean": ("wrong_type", lambda event: encode({**event, "output_tokens": True})),
    "text": ("wrong_type", lambda event: encode({**event, "output_tokens": "many"})),
    "broken_time": ("bad_format", lambda event: encode({**event, "occurred_at": "yesterday"})),
}
UNKNOWN: dict[str, Callable[[Event], bytes]] = {
    "unknown_kind": lambda event: encode({**event, "kind": "screen_share"}),
    "newer_version": lambda event: encode({**event, "schema_version": 2}),
}
EXTRA_FIELD = {"queue_depth": 3}


@dataclass(frozen=True)
class Blemished:
    """All shipments, and which devices report drops."""

    shipments: list[Shipment]
    dropped: dict[str, int]


def ship(story: Story, sender: str, drafts: list[Draft]) -> list[Shipment]:
    """The drafts of one sender as lines, a few of them late."""
    rng = stream(story, "ship", sender)
    return [Shipment(sender, _arrival(draft.at.date(), rng, story), draft.at, line(draft)) for draft in drafts]


def blemish(story: Story, clean: list[Shipment]) -> Blemished:
    """Good shipments with the blemishes of the story among them."""
    rng = stream(story, "blemishes")
    requests = [one for one in clean if b'"kind":"model_request"' in one.line and b'"status":"ok"' in one.line]
    bad = rng.sample(requests, len(DAMAGE) + len(UNKNOWN))
    ways = {**{name: damage for name, (_, damage) in DAMAGE.items()}, **UNKNOWN}
    damaged = [replace(one, line=ways[name](_another(name, one))) for name, one in zip(ways, bad, strict=True)]
    again = [
        replace(one, arrives=min(one.arrives + dt.timedelta(rng.randint(0, 12)), story.last_day))
        for one in rng.sample(clean, story.blemishes.duplicates)
    ]
    richer = rng.choice([one for one in requests if one not in again])
    senders = sorted({one.sender for one in clean})
    dropped = {sender: rng.randint(1, 4) for sender in rng.sample(senders, story.blemishes.drops)}
    kept = [replace(one, line=_enriched(one)) if one is richer else one for one in clean]
    return Blemished([*kept, *again, *damaged], dropped)


def _arrival(day: dt.date, rng: random.Random, story: Story) -> dt.date:
    delay = rng.randint(2, 10) if rng.random() < story.blemishes.late_share else 0
    return min(day + dt.timedelta(delay), story.last_day)


def _another(name: str, one: Shipment) -> Event:
    return {**json.loads(one.line), "event_id": digest(name, one.line, length=32)}


def _enriched(one: Shipment) -> bytes:
    return encode({**json.loads(one.line), **EXTRA_FIELD})
