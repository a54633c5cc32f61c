"""Starts of agents through `exec`: small files beside the spool, because the spool itself is locked by `run`.

A start is written before the agent runs and never waits for a disk; a file that cannot be written costs this fact alone.
Arguments, folder and environment of the agent never go into one.
"""

import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Tuple

from . import durable
from .events import Draft

if TYPE_CHECKING:  # a start through `exec` needs none of them
    from .outbox import Outbox
    from .privacy import Publisher

FOLDER = "launches"
KEYS = ("agent", "agent_version", "session_id", "origin", "gateway", "platform", "exit_code", "duration_ms")
WAITING_MAX = 10_000  # files that may wait for a collector that never comes
SIZE_MAX = 4096
_NAME = re.compile(r"[0-9a-f]{32}(-end)?\.json")


def folder_of(spool: str) -> str:
    """Where starts wait."""
    return os.path.join(os.path.dirname(os.path.abspath(spool)), FOLDER)


def write(folder: str, launch_id: str, started_at: str, facts: Dict[str, Any]) -> bool:
    """Leave one start, or its end when it has an exit code, for the collector; False when the disk refuses."""
    name = f"{launch_id}{'-end' if 'exit_code' in facts else ''}.json"
    record = {"launch_id": launch_id, "started_at": started_at, **facts}
    try:
        durable.make_private(folder)
        if len(os.listdir(folder)) >= WAITING_MAX:
            return False
        passing = os.path.join(folder, f".{name}.tmp")
        with durable.open_new(passing) as file:  # no fsync: an agent's start is worth more than a record of it
            file.write(json.dumps(record).encode("ascii"))
        os.replace(passing, os.path.join(folder, name))
    except OSError:
        return False
    return True


def collect(out: "Outbox", publisher: "Publisher", folder: str) -> None:
    """Turn what waits into events; a file goes once its event is durable, one that holds none is counted and goes, too."""
    from .inlet import Inlet

    inlet = Inlet(out, publisher, "launch", "collector")
    done = []
    for path in _waiting(folder):
        draft = _draft(path)
        if draft is None:
            inlet.drop("launch_damaged")
        else:
            inlet.take(draft)
        done.append(path)
    if not done:
        return
    inlet.commit()
    for path in done if out.is_durable else ():
        with suppress(OSError):
            durable.remove(path)


def _waiting(folder: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder), key=lambda name: (name.endswith("-end.json"), name))
    except OSError:
        return
    for name in names:
        if _NAME.fullmatch(name):
            yield os.path.join(folder, name)


def _draft(path: str) -> Optional[Draft]:
    try:
        with open(path, "rb") as file:
            record = json.loads(file.read(SIZE_MAX))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("started_at"), str):
        return None
    launch_id = record.get("launch_id")
    values = {name: record[name] for name in KEYS if name in record}
    key: Tuple[Any, ...] = (launch_id, "exit_code" in record)
    return Draft("launch", key, record["started_at"], {**values, "launch_id": launch_id, "native_id": launch_id})
