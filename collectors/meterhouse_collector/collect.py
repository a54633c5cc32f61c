"""One pass over everything there is to read: session files first, because they name the work trees, then commits.

Then what lies beside the agents' files: starts through `exec` and, once a day, the inventory of this machine.
"""

import time
from typing import Dict

from . import launches, moves
from .agents import Source
from .inlet import Inlet
from .place import Place
from .reader import Reader
from .spool import make_identity


def collect(reader: Reader, place: Place) -> Dict[str, Source]:
    """Read all that is new into the reader's outbox; returns the session files that were found."""
    files = reader.find()
    moves.follow(reader, files)
    moves.forget(reader, files, time.time_ns())
    reader.trees.forget_folders()
    reader.read(files)
    if reader.trees.earliest:
        from .commits import read_commits  # here: most passes of a laptop without work trees need no git

        read_commits(reader.out, reader.publisher)
    launches.collect(reader.out, reader.publisher, launches.folder_of(place.spool))
    if place.settings.inventory:
        _inventory(reader, place)
    return files


def _inventory(reader: Reader, place: Place) -> None:
    from .inventory import items  # here: a laptop that has switched it off reads none of it

    projects = sorted({tree.path for tree, _ in reader.trees.earliest.values()})
    inlet = Inlet(reader.out, reader.publisher, "inventory", "collector")
    # the device's id is made when there is something to tell; a passing one would preview other bytes
    items.report(inlet, place.host, lambda: make_identity(place.spool), place.settings.otlp_endpoint, projects)
