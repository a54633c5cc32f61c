"""Where the reader puts events: the spool, or standard output for a preview. Both see the same events in the same order."""

import sys
from typing import Dict, List

from .cursors import Cursors
from .segment import Entry, event_id

BATCH = 1000  # events; below cursors.RECENT, see there


class Outbox:
    """Events and counts of the batch that is being read; `commit` makes them and the changed cursors durable."""

    is_durable = True  # a file that was turned into events may go after a commit

    def __init__(self, cursors: Cursors) -> None:
        self.cursors = cursors
        self._pending: List[Entry] = []
        self._dropped: Dict[str, int] = {}
        self._noted: Dict[str, int] = {}

    @property
    def full(self) -> bool:
        """Time to commit, at the end of the line being read."""
        return len(self._pending) >= BATCH

    def add(self, path: str, end: int, line: bytes) -> None:
        """One event, with the source it came from and how far that had been read."""
        self._pending.append(Entry(path, end, line))

    def drop(self, reason: str, count: int = 1) -> None:
        """Something was read and will not be sent; the next segment says so."""
        if count:
            self._dropped[reason] = self._dropped.get(reason, 0) + count

    def note(self, name: str, count: int = 1) -> None:
        """Something worth counting that cost nothing."""
        if count:
            self._noted[name] = self._noted.get(name, 0) + count

    def commit(self) -> None:
        """Events first, then the cursors that say they were read."""
        if self._pending:
            self._keep(self._pending)
        self.cursors.count(self._dropped, told=True)
        self.cursors.count(self._noted, told=False)
        self.cursors.commit()
        self._pending, self._dropped, self._noted = [], {}, {}

    def remember(self, entries: List[Entry]) -> None:
        """Events that reached the disk before their cursor did will be read again: their ids are known from now on."""
        by_path: Dict[str, List[Entry]] = {}
        for entry in entries:
            by_path.setdefault(entry.path, []).append(entry)
        for path, found in by_path.items():
            cursor = self.cursors.load(path, "")
            ahead = [entry for entry in found if entry.end > cursor.offset]
            for entry in ahead:
                cursor.first(event_id(entry.line))
            if ahead:
                self.cursors.save(cursor)

    def _keep(self, entries: List[Entry]) -> None:
        raise NotImplementedError


class Preview(Outbox):
    """Prints the lines that would be sent; its cursors are a copy in memory, so nothing changes."""

    is_durable = False

    def _keep(self, entries: List[Entry]) -> None:
        sys.stdout.buffer.writelines(entry.line + b"\n" for entry in entries)
