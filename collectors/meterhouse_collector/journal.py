"""Where pushed events wait, fsynced, until the follower moves them into the spool: an agent never waits for a read or a ship.

Only the receiver's threads append and only the follower moves, so neither needs the other's database. A file is moved whole
and then removed; moved twice after a crash, its event ids are known and nothing repeats.
"""

import contextlib
import os
import threading
from typing import Any, BinaryIO, Dict, List, Optional

from . import durable, segment
from .cursors import INLET, NEVER, Cursor
from .errors import SpoolFullError
from .outbox import Outbox
from .segment import Entry
from .spool import Spool

PREFIX = "arrived-"
FILE_EVENTS = 5000  # far fewer than the ids that a cursor remembers, so that a file moved twice repeats nothing


class Journal:
    """The open journal of one spool's folder; every method may be called by any thread, `move` by the spool's only."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.size = sum(map(os.path.getsize, files(folder)))  # of what a killed collector left, too
        self._lock = threading.Lock()
        self._file: Optional[BinaryIO] = None
        self._events = 0
        self._dropped: Dict[str, int] = {}
        self._noted: Dict[str, int] = {}

    def append(self, entries: List[Entry]) -> None:
        """Durable when this returns. Raises OSError; the file is then finished and what it really holds is moved."""
        data = b"".join(map(segment.encode, entries))
        with self._lock:
            try:
                if self._file is None:
                    self._file = durable.open_new(os.path.join(self.folder, f"{PREFIX}{os.urandom(8).hex()}.log"))
                    durable.sync_folder(self.folder)
                self._file.write(data)
                durable.sync(self._file)
            except OSError:
                self._close()
                raise
            self.size += len(data)
            self._events += len(entries)
            if self._events >= FILE_EVENTS:
                self._close()

    def count(self, counts: Dict[str, int], told: bool) -> None:
        """Drops (told) and notes for the spool's counters; they move with the next events."""
        with self._lock:
            kept = self._dropped if told else self._noted
            for name, number in counts.items():
                kept[name] = kept.get(name, 0) + number

    def move(self, spool: Spool) -> None:
        """Everything that arrived, into the spool; raises SpoolFullError when what was moved is durable there."""
        with self._lock:
            if not (self.size or self._dropped or self._noted):
                return
            self._close()  # before the look at the folder: a file that is still written is never moved
            paths = files(self.folder)
            dropped, noted, self._dropped, self._noted = self._dropped, self._noted, {}, {}
        for reason, number in dropped.items():
            spool.drop(reason, number)
        for name, number in noted.items():
            spool.note(name, number)
        if dropped or noted:
            spool.commit()
        for path in paths:
            size = os.path.getsize(path)
            move_file(spool, path)
            with self._lock:
                self.size = max(0, self.size - size)

    def _close(self) -> None:
        file, self._file, self._events = self._file, None, 0
        if file is not None:
            with contextlib.suppress(OSError):  # the disk is full; what was acknowledged had been synced
                file.close()


class Arrival(Outbox):
    """One body's events on their way into the journal; its cursors remember nothing, the spool's will."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(_NoCursors(journal))  # type: ignore[arg-type]
        self._journal = journal

    @property
    def full(self) -> bool:
        """Never: a body is bounded, and one commit makes it durable whole."""
        return False

    def discard(self) -> None:
        """Forget the events; the counts stay."""
        self._pending = []

    def _keep(self, entries: List[Entry]) -> None:
        self._journal.append(entries)


class _NoCursors:
    """Stands for the spool's cursors, which only the spool's thread may touch."""

    def __init__(self, journal: Journal) -> None:
        self.count = journal.count

    def load(self, path: str, source: str) -> Cursor:
        return Cursor(path, source)

    def save(self, _: Any) -> None:
        """Nothing to remember."""

    def commit(self) -> None:
        """The events are durable by now, and counts are the follower's to keep."""


def files(folder: str) -> List[str]:
    """What waits in the journal, in no order: events carry their own time."""
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [os.path.join(folder, name) for name in names if name.startswith(PREFIX)]


def entries_of(path: str) -> List[Entry]:
    """The good lines of one file; a torn tail was never acknowledged."""
    with open(path, "rb") as file:
        return segment.decode(file.read())[0]


def move_file(spool: Spool, path: str) -> None:
    """One closed file in one commit, then without it."""
    try:
        take_file(spool, path)
    except SpoolFullError:  # raised after everything is durable
        durable.remove(path)
        raise
    durable.remove(path)


def take_file(out: Outbox, path: str) -> None:
    """The events of one closed file that the outbox does not know yet."""
    cursors: Dict[str, Cursor] = {}
    for entry in entries_of(path):
        cursor = cursors.get(entry.path) or out.cursors.load(entry.path, entry.path[len(INLET) :])
        cursors[entry.path] = cursor
        if cursor.first(segment.event_id(entry.line)):
            out.add(*entry)
    for cursor in cursors.values():
        cursor.seen = NEVER
        out.cursors.save(cursor)
    out.commit()
