"""Reads what agents have added to their session files since last time, and hands the events to an outbox.

A bad line, record or file costs itself and is counted; it never stops the others. No content reaches stderr.
"""

import hashlib
import json
import os
import sqlite3
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, Mapping, Optional, Sequence, Set, Tuple

from . import __version__, database
from .agents import Source
from .cursors import NEVER, Cursor, Seen
from .errors import CollectorError, DamagedError, UnreadableError
from .events import ContractError, Draft
from .folders import survey
from .here import Here
from .outbox import Outbox
from .privacy import Publisher
from .stream import LINE_MAX, ZSTD_SUFFIX, Lines, open_zstd
from .worktrees import WorkTrees

SETTLED_NS = 5 * 10**9  # a document that changed since is perhaps being written
MARK = 256  # bytes at the head and before the offset that tell a file that grew from one that was replaced


class Reader:
    """Holds what one pass over the files needs; `known` is how every file looked when it was last read."""

    comes_again = False  # whether another pass follows at once: what is being written can wait for it

    def __init__(
        self, out: Outbox, publisher: Publisher, home: Path, environment: Mapping[str, str], sources: Sequence[Source]
    ) -> None:
        self.out = out
        self.publisher = publisher
        self.home = home
        self.environment = environment
        self.sources = sources
        self.known = out.cursors.seen()
        self.folders: Dict[str, Optional[int]] = {}  # of all agents, as they looked just before the last search
        self.trees = WorkTrees(out.cursors.trees())
        self._kept_trees = dict(self.trees.earliest)
        self._told: Set[str] = set()
        self._replaying = False  # state is being rebuilt from lines that were read before

    def find(self) -> Dict[str, Source]:
        """Every session file of every agent below the home folder."""
        found: Dict[str, Source] = {}
        self.folders = {}
        for source in self.sources:
            try:
                self._survey(source)
                found.update((os.fspath(path), source) for path in source.find(self.home, self.environment))
            except Exception as error:  # a source that cannot list its folders must not stop the others
                self._tell(source, "folders", error)
        return found

    def _survey(self, source: Source) -> None:
        folders, refused = survey(source, self.home, self.environment)
        self.folders.update(folders)
        if refused:
            self._say(f"{source.name}: {len(refused)} folders cannot be listed; see meterhouse-collector doctor")

    def read(self, files: Mapping[str, Source]) -> None:
        """Read every file that looks different from last time."""
        for path, source in sorted(files.items(), key=lambda item: item[0]):
            seen = look(path)
            known = self.known.get(path)
            if seen is None or (known is not None and known[0] == seen):
                continue
            self._read_file(path, source, seen)
            if self.out.full:
                self.commit()
        self.commit()

    def commit(self) -> None:
        """Make events, cursors and work trees durable together."""
        changed = [pair for common, pair in self.trees.earliest.items() if self._kept_trees.get(common) != pair]
        if changed:
            self.out.cursors.save_trees(changed)
            self._kept_trees = dict(self.trees.earliest)
        self.out.commit()

    def _read_file(self, path: str, source: Source, seen: Seen) -> None:
        cursor = self.out.cursors.load(path, source.name)
        cursor.source = source.name  # a reused or recovered row may not know it
        problem, looked = None, seen
        try:
            if path.endswith(ZSTD_SUFFIX):
                with open_zstd(path) as stream:
                    self._read_archive(stream, source, cursor)
            elif path.endswith(".json"):
                self._read_document(path, source, cursor)
            elif path.endswith(database.SUFFIXES):
                self._read_store(path, source, cursor)
            else:
                with open(path, "rb", buffering=0) as file:
                    self._read_lines(file, source, cursor)
        except FileNotFoundError:
            return
        except DamagedError as error:
            problem = str(error)
        except UnreadableError as error:
            problem, looked = str(error), seen._replace(size=NEVER.size)  # its time says whether to look again soon
        except (CollectorError, sqlite3.Error):  # ours: the spool, not the file
            raise
        except OSError as error:
            problem, looked = error.strerror or type(error).__name__, NEVER
        except Exception as error:  # a damaged archive fails in its decoder's own way
            self._tell(source, os.path.splitext(path)[1], error)
            problem = type(error).__name__
        if problem is None or problem != cursor.problem or cursor.is_ahead:
            self._save(cursor, looked, problem)

    def _read_lines(self, file: BinaryIO, source: Source, cursor: Cursor) -> None:
        """A file that is appended to: from the cursor to the last LF."""
        known_to = 0
        if cursor.offset and not continues(file, cursor):
            cursor.offset, cursor.state = 0, {}
            self.out.note("files_restarted")
        elif cursor.version != __version__:  # state that another version wrote, or that got ahead of the offset
            known_to, cursor.offset, cursor.state = cursor.offset, 0, {}
        file.seek(cursor.offset)
        lines = Lines(file, cursor.offset, source.markers)
        here = self._here(cursor.path)
        for here.offset, line in lines:
            self._replaying = lines.end <= known_to
            record = self._record(line if here.offset else line[3:] if line[:3] == b"\xef\xbb\xbf" else line)
            for draft in self._drafts(source, record, cursor.state, here):
                if not self._replaying:
                    self._emit(draft, source, cursor, lines.end)
            if self.out.full and not self._replaying:
                self._pause(cursor, lines.end, file)
        self._replaying = False
        cursor.offset, cursor.mark = lines.end, mark(file, lines.end)
        self.out.drop("line_too_long", lines.too_long)

    def _read_archive(self, stream: BinaryIO, source: Source, cursor: Cursor) -> None:
        """A compressed file that is written once: whole, from its start."""
        cursor.offset, cursor.state = 0, {}
        lines = Lines(stream, 0, source.markers)
        here = self._here(cursor.path)
        for here.offset, line in lines:
            for draft in self._drafts(source, self._record(line), cursor.state, here):
                self._emit(draft, source, cursor, lines.end)
            if self.out.full:
                self._pause(cursor)
        self.out.drop("line_too_long", lines.too_long)

    def _read_document(self, path: str, source: Source, cursor: Cursor) -> None:
        """A file that is one JSON document and rewritten whole: all its records again, known ids are dropped."""
        with open(path, "rb") as file:
            data, changed_ns = file.read(LINE_MAX + 1), os.fstat(file.fileno()).st_mtime_ns
        if len(data) > LINE_MAX:
            raise DamagedError(f"document is larger than {LINE_MAX >> 20} MB")
        cursor.offset, cursor.state = 0, {}
        document = _decoded(data, (dict, list))
        if document is None:
            if self.comes_again and 0 <= time.time_ns() - changed_ns < SETTLED_NS:
                raise UnreadableError("document is being written")
            self._drop("not_json")
        here = self._here(path)
        for here.offset, record in enumerate(self._records(source, document)):
            for draft in self._drafts(source, record, cursor.state, here):
                self._emit(draft, source, cursor, here.offset + 1)
            if self.out.full:
                self._pause(cursor)

    def _read_store(self, path: str, source: Source, cursor: Cursor) -> None:
        """An agent's database: the rows that its source finds new; where it stands is in the source's state."""
        if cursor.version != __version__:
            cursor.state = {}
        cursor.offset = 0
        here = self._here(path)
        if source.select is None:
            raise DamagedError(f"{source.name} reads no database")
        for here.offset, record in enumerate(database.records(path, source.select, cursor.state)):
            for draft in self._drafts(source, record, cursor.state, here):
                self._emit(draft, source, cursor, here.offset + 1)
            if self.out.full:
                self._pause(cursor)

    def _record(self, line: bytes) -> Any:
        record = _decoded(line, (dict,))
        if record is None:
            self._drop("not_json")
        return record

    def _records(self, source: Source, document: Any) -> Iterator[Dict[str, Any]]:
        try:
            if document is not None:
                yield from source.explode(document)
        except Exception as error:
            self._tell(source, ".json", error)
            self.out.drop("source_error")

    def _drafts(self, source: Source, record: Any, state: Dict[str, Any], here: Here) -> Iterator[Draft]:
        """What the source makes of one record; whatever it raises costs this record alone."""
        try:
            if isinstance(record, dict):
                yield from source.read(record, state, here)
        except Exception as error:
            self._tell(source, here.path.suffix, error)
            self._drop("source_error")

    def _emit(self, draft: Draft, source: Source, cursor: Cursor, end: int) -> None:
        try:
            event_id, line = self.publisher.event(draft, source.name, "transcript")
        # a draft of the wrong shape breaks the contract, too
        except (ContractError, TypeError, AttributeError) as error:
            self._tell(source, getattr(draft, "kind", "draft"), error)
            self.out.drop("contract")
            return
        if cursor.first(event_id):
            self.out.add(cursor.path, end, line)

    def _drop(self, reason: str) -> None:
        if not self._replaying:
            self.out.drop(reason)

    def _pause(self, cursor: Cursor, offset: int = 0, file: Optional[BinaryIO] = None) -> None:
        """A batch is full in the middle of a file: make it durable, and look at this file again after a crash."""
        cursor.offset, cursor.mark = offset, mark(file, offset) if file else ""
        self._save(cursor, NEVER, None)
        self.commit()

    def _save(self, cursor: Cursor, seen: Seen, problem: Optional[str]) -> None:
        cursor.seen, cursor.problem = seen, problem
        cursor.version = __version__ if problem is None else ""  # the state may be ahead of the offset: rebuild it
        self.out.cursors.save(cursor)
        self.known[cursor.path] = (seen, problem)

    def _here(self, path: str) -> Here:
        return Here(Path(path), self.home, self.trees, self.publisher.key)

    def _tell(self, source: Source, place: str, error: Exception) -> None:
        """Once per source, place and class; the error's own text may hold content."""
        self._say(f"{source.name}: {type(error).__name__} in {place}; skipped and counted")

    def _say(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            print(text, file=sys.stderr)


def _decoded(data: bytes, kinds: Tuple[type, ...]) -> Any:
    try:
        found = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, kinds) else None


def look(path: str) -> Optional[Seen]:
    """How the file looks from outside; None when it is gone or no regular file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    size, changed = status.st_size, status.st_mtime_ns
    if path.endswith(database.SUFFIXES):  # the latest rows of a store lie in the log beside it
        with suppress(OSError):
            log = os.stat(path + database.WAL)
            size, changed = size + log.st_size, max(changed, log.st_mtime_ns)
    return Seen(f"{status.st_dev}:{status.st_ino}", size, changed)


def mark(file: BinaryIO, offset: int) -> str:
    """Fingerprint of the first bytes and of those before the offset; the file stays where it stands."""
    place, length = file.tell(), min(MARK, offset)
    file.seek(0)
    head = file.read(length)
    file.seek(offset - length)
    tail = file.read(length)
    file.seek(place)
    return hashlib.blake2b(head + tail, digest_size=8).hexdigest()


def continues(file: BinaryIO, cursor: Cursor) -> bool:
    """Whether the file still begins with what was read, so that reading may go on at the offset."""
    return os.fstat(file.fileno()).st_size >= cursor.offset and mark(file, cursor.offset) == cursor.mark
