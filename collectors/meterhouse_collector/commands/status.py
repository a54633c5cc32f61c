"""`status`: what was sent, when and where, what waits and what could not be read."""

import json
import os
from argparse import ArgumentParser, Namespace
from typing import Any, Dict, List

from meterhouse_collector import __version__, segment
from meterhouse_collector.cursors import copy_cursors
from meterhouse_collector.journal import PREFIX
from meterhouse_collector.place import Place, resolve
from meterhouse_collector.spool import DATABASE, list_waiting, read_identity

SHOWN = 10  # receipts in the table; --json has all of the 30 days


def arguments(parser: ArgumentParser) -> None:
    """What this command takes besides what all do."""
    parser.add_argument("--json", action="store_true", help="everything, as JSON")


def main(arguments: Namespace) -> int:
    """Print the status as a table or as JSON."""
    facts = status(resolve(arguments))
    print(json.dumps(facts, indent=1, ensure_ascii=False) if arguments.json else "\n".join(_table(facts)))
    return 0


def status(place: Place) -> Dict[str, Any]:
    """Everything this spool knows about itself."""
    cursors = copy_cursors(os.path.join(place.spool, DATABASE))
    waiting = list_waiting(place.spool)
    counts = [_count(item.path) for item in waiting]
    sender = _sender(place.spool)
    facts = {
        "collector_version": __version__,
        "spool": place.spool,
        "sender": sender,
        "person_key": place.settings.person_key(sender or "") if sender or place.settings.person else None,
        "privacy": place.settings.privacy,
        "to": place.settings.to,
        "files": len(cursors.seen()),
        "waiting": {
            "segments": len(waiting),
            "events": sum(counts),
            "bytes": sum(item.size for item in waiting),
            "events_unsealed": _unsealed(place.spool),
        },
        "counters": cursors.totals(),
        "unreadable": {reason: len(paths) for reason, paths in cursors.problems().items()},
        "receipts": cursors.receipts(),
    }
    cursors.close()
    return facts


def _table(facts: Dict[str, Any]) -> List[str]:
    waiting = facts["waiting"]
    rows = [
        f"spool       {facts['spool']}",
        f"sender      {facts['sender'] or 'none yet'}",
        f"person      {facts['person_key'] or 'none yet'}",
        f"privacy     {facts['privacy']}",
        f"ships to    {facts['to'] or 'not set'}",
        f"files       {facts['files']} read",
        f"waiting     {waiting['events']} events in {waiting['segments']} segments, {waiting['events_unsealed']} not sealed yet",
    ]
    rows += [f"counted     {name} {count}" for name, count in facts["counters"].items()]
    rows += [f"unreadable  {count} files: {reason}" for reason, count in facts["unreadable"].items()]
    receipts = facts["receipts"]
    rows.append(f"sent        {sum(row['count'] for row in receipts)} events in {len(receipts)} segments in 30 days")
    rows += [
        f"  {row['shipped_at']}  {row['count']:>6} events  {row['name']}  {row['destination']}"
        for row in receipts[:SHOWN]
    ]
    return rows


def _count(path: str) -> int:
    try:
        return segment.read_header(path)["count"]
    except FileNotFoundError:  # shipped while we looked
        return 0


def _unsealed(folder: str) -> int:
    count = 0
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if name.startswith(("active-", PREFIX)):
            with open(os.path.join(folder, name), "rb") as file:
                count += len(segment.decode(file.read())[0])
    return count


def _sender(folder: str) -> "str | None":
    try:
        return read_identity(folder)
    except FileNotFoundError:
        return None
