"""`preview`: exactly the event lines that would be sent next, on standard output; sends nothing, moves no cursor."""

import os
import sys
from argparse import Namespace
from typing import List

from meterhouse_collector import journal, segment
from meterhouse_collector.collect import collect
from meterhouse_collector.cursors import copy_cursors
from meterhouse_collector.outbox import Preview
from meterhouse_collector.place import Place, resolve
from meterhouse_collector.spool import DATABASE, list_waiting, make_identity


def main(arguments: Namespace) -> int:
    """What waits in the spool, then what a pass over the files would add."""
    place = resolve(arguments)
    out = Preview(copy_cursors(os.path.join(place.spool, DATABASE)))
    for waiting in list_waiting(place.spool):
        with open(waiting.path, "rb") as file:
            _print(segment.unseal(file.read())[1])
    for path in _active(place):
        with open(path, "rb") as file:
            entries, _ = segment.decode(file.read())
        _print([entry.line for entry in entries])
        out.remember(entries)
    for path in journal.files(place.spool):
        journal.take_file(out, path)
    # without a person the device stands for it, so its id must be made now: a passing one would preview other bytes
    collect(place.reader(out, make_identity(place.spool) if place.settings.person is None else ""), place)
    sys.stdout.buffer.flush()
    out.cursors.close()
    return 0


def _active(place: Place) -> List[str]:
    try:
        names = sorted(name for name in os.listdir(place.spool) if name.startswith("active-"))
    except FileNotFoundError:
        return []
    return [os.path.join(place.spool, name) for name in names]


def _print(lines: List[bytes]) -> None:
    sys.stdout.buffer.writelines(line + b"\n" for line in lines)
