"""Puts the sample organisation together and writes it; the same seed gives the same files.

Never deletes: a folder that already holds another sample is refused, since both would be loaded.
"""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meterhouse.errors import SettingsError
from meterhouse.sample import activity, expected, forge, roster, segments
from meterhouse.sample.blemishes import blemish, ship
from meterhouse.sample.drafts import Draft
from meterhouse.sample.people import Person, digest, people
from meterhouse.sample.segments import Segment
from meterhouse.sample.story import Story


@dataclass(frozen=True)
class Organisation:
    """The whole sample in memory."""

    story: Story
    people: list[Person]
    drafts: list[Draft]
    runaway: str
    segments: list[Segment]
    expected: dict[str, Any]


def make(story: Story) -> Organisation:
    """Everything that `write` puts on disk."""
    crowd = people(story)
    runaway, loop = activity.runaway(story, crowd)
    drafts = {one.sender: list(activity.of_person(story, one)) for one in crowd}
    culprit = next(one for one in crowd if one.key == loop[0].values["person_key"])
    drafts[culprit.sender] += loop
    commits = [draft for rows in drafts.values() for draft in rows if draft.kind == "commit"]
    drafts[digest(story.seed, "forge", length=16)] = forge.events(story, crowd, commits)
    shipments = []
    for sender, rows in drafts.items():
        shipments += ship(story, sender, rows)
    owners = {one.sender: one.key for one in crowd}
    for sender, number in segments.by_period(story, shipments):
        beat = _heartbeat(story, sender, number, owners.get(sender))
        drafts[sender].append(beat)
        shipments += ship(story, sender, [beat])
    blemished = blemish(story, shipments)
    flat = [draft for rows in drafts.values() for draft in rows]
    return Organisation(
        story, crowd, flat, runaway,
        list(segments.seal(story, blemished.shipments, blemished.dropped)),
        expected.truth(story, crowd, flat, len(blemished.shipments), sum(blemished.dropped.values())),
    )  # fmt: skip


def write(organisation: Organisation, to: Path) -> None:
    """All files below a folder."""
    story = organisation.story
    _refuse_another(organisation, to)
    files = {segment.key: segment.content for segment in organisation.segments}
    files["roster/people.csv"] = roster.people_csv(organisation.people)
    files["roster/teams.csv"] = roster.teams_csv(story)
    files["governance.yaml"] = roster.governance_yaml(story)
    files["expected.json"] = as_json(organisation.expected)
    for key, content in files.items():
        path = to / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def as_json(document: dict[str, Any]) -> bytes:
    """A document as it is committed."""
    return (json.dumps(document, indent=1) + "\n").encode()


def _heartbeat(story: Story, sender: str, number: int, person_key: str | None) -> Draft:
    at = segments.sealed_at(story, sender, number) - dt.timedelta(hours=8)
    values = {
        "collector_version": story.collector_version, "platform": "linux", "files_watched": 20 + 9 * number,
        "files_unreadable": 0, "lines_skipped": 0, "events_waiting": 0,
        "native_id": f"{sender}-{number}", "person_key": person_key,
    }  # fmt: skip
    return Draft("heartbeat", "collector", "collector", at, (sender, number), values)


def _refuse_another(made: Organisation, to: Path) -> None:
    """The same sample again is welcome; what another seed or story left behind would be loaded beside it."""
    raw, told = to / segments.FOLDER, to / "expected.json"
    if not raw.exists():
        return
    keys = {segment.key for segment in made.segments}
    own = {raw / Path(key).parent.name for key in keys}
    is_other = told.exists() and told.read_bytes() != as_json(made.expected)
    if is_other or any(
        f"{segments.FOLDER}/{one.parent.name}/{one.name}" not in keys for at in own for one in at.glob("*")
    ):
        raise SettingsError(f"{raw}: holds another sample; remove it or choose another folder")
