"""One pass over everything there is to read: session files first, because they name the work trees, then commits."""

import time
from typing import Dict

from . import moves
from .agents import Source
from .reader import Reader


def collect(reader: Reader) -> Dict[str, Source]:
    """Read all that is new into the reader's outbox; returns the session files that were found."""
    files = reader.find()
    moves.follow(reader, files)
    moves.forget(reader, files, time.time_ns())
    reader.trees.forget_folders()
    reader.read(files)
    if reader.trees.earliest:
        from .commits import read_commits  # here: most passes of a laptop without work trees need no git

        read_commits(reader.out, reader.publisher)
    return files
