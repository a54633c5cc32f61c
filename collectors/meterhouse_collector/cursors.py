"""How far every session file has been read, what has been shipped and counted: one SQLite file in the spool.

A cursor is committed after its events are durable in the active file and before that file is sealed. So after a crash only
events of the active file can be ahead of their cursors; the spool puts their ids into `recent` and nothing repeats.
"""

import json
import os
import sqlite3
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

from .errors import SpoolError
from .worktrees import Tree

INLET = "inlet:"  # begins the path of a cursor that belongs to no file
FORMAT = 1  # of the whole spool; a collector leaves a higher one alone
RECENT = 16384  # event ids remembered per file, 8 bytes each; fewer than one batch and a crash could repeat events
SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursor (
    path TEXT PRIMARY KEY, source TEXT, version TEXT, identity TEXT, size INTEGER, mtime_ns INTEGER, offset INTEGER,
    mark TEXT, problem TEXT, state TEXT, recent BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tree (
    common TEXT PRIMARY KEY, path TEXT, repository TEXT, earliest TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, unsealed INTEGER NOT NULL, total INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipt (
    name TEXT, destination TEXT, count INTEGER, bytes INTEGER, shipped_at TEXT, PRIMARY KEY (name, destination)) WITHOUT ROWID;
"""


class Seen(NamedTuple):
    """What a look at the folder shows of a file; equal to the cursor's means unchanged."""

    identity: str
    size: int
    mtime_ns: int


NEVER = Seen("", -1, -1)  # no file looks like this, so it will be looked at again


@dataclass
class Cursor:
    """Where reading of one session file stands, with the source's own state and the ids of its latest events."""

    path: str
    source: str
    version: str = ""
    seen: Seen = NEVER
    offset: int = 0
    mark: str = ""
    problem: Optional[str] = None
    state: Dict[str, Any] = field(default_factory=dict)
    recent: Dict[bytes, None] = field(default_factory=dict)
    is_ahead: bool = False  # of what is saved: an event was handed out since

    def first(self, event_id: str) -> bool:
        """True when the id is not among the latest of this file; it is from now on."""
        key = bytes.fromhex(event_id)[:8]
        if key in self.recent:
            return False
        self.recent[key] = None
        self.is_ahead = True
        if len(self.recent) > RECENT:
            del self.recent[next(iter(self.recent))]
        return True


class Cursors:
    """The open database; `begin` and `commit` frame one durable step."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def facts(self) -> Dict[str, str]:
        """Single values: epoch, seq and the like."""
        return dict(self._db.execute("SELECT name, value FROM fact"))

    def put_fact(self, name: str, value: Any) -> None:
        """Set a single value."""
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, str(value)))

    def drop_fact(self, name: str) -> None:
        """Forget a single value."""
        self._db.execute("DELETE FROM fact WHERE name = ?", (name,))

    def seen(self) -> Dict[str, Tuple[Seen, Optional[str]]]:
        """Every known session file as it looked when it was last read, and what was wrong with it."""
        rows = self._db.execute(
            "SELECT path, identity, size, mtime_ns, problem FROM cursor "
            "WHERE source NOT IN ('git', 'collector') AND path NOT LIKE ?",
            (INLET + "%",),
        )
        return {_name(path): (Seen(identity, size, mtime), problem) for path, identity, size, mtime, problem in rows}

    def load(self, path: str, source: str) -> Cursor:
        """The cursor of a path, at the start when it is new."""
        row = self._db.execute(
            "SELECT source, version, identity, size, mtime_ns, offset, mark, problem, state, recent FROM cursor WHERE path = ?",
            (_stored(path),),
        ).fetchone()
        if row is None:
            return Cursor(path, source)
        source, version, identity, size, mtime, offset, mark, problem, state, recent = row
        keys = dict.fromkeys(recent[start : start + 8] for start in range(0, len(recent), 8))
        return Cursor(
            path, source, version, Seen(identity, size, mtime), offset, mark, problem, json.loads(state), keys
        )

    def save(self, cursor: Cursor) -> None:
        """Put the cursor as it is now."""
        state = json.dumps(cursor.state, separators=(",", ":"))
        values = (
            _stored(cursor.path),
            cursor.source,
            cursor.version,
            *cursor.seen,
            cursor.offset,
            cursor.mark,
            cursor.problem,
            state,
        )
        self._db.execute(
            "INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*values, b"".join(cursor.recent))
        )

    def forget(self, path: str) -> None:
        """Drop the cursor of a path that has moved or is long gone."""
        self._db.execute("DELETE FROM cursor WHERE path = ?", (_stored(path),))

    def problems(self) -> Dict[str, List[str]]:
        """Files that could not be read, by reason."""
        found: Dict[str, List[str]] = {}
        for path, problem in self._db.execute(
            "SELECT path, problem FROM cursor WHERE problem IS NOT NULL ORDER BY path"
        ):
            found.setdefault(problem, []).append(_name(path))
        return found

    def trees(self) -> Dict[str, Tuple[Tree, str]]:
        """Work trees that sessions named, with the earliest time."""
        rows = self._db.execute("SELECT common, path, repository, earliest FROM tree")
        return {
            _name(common): (Tree(_name(path), _name(common), repository), earliest)
            for common, path, repository, earliest in rows
        }

    def save_trees(self, trees: Iterable[Tuple[Tree, str]]) -> None:
        """Remember work trees."""
        rows = [(_stored(tree.common), _stored(tree.path), tree.repository, earliest) for tree, earliest in trees]
        self._db.executemany("INSERT OR REPLACE INTO tree VALUES (?, ?, ?, ?)", rows)

    def count(self, counts: Dict[str, int], told: bool) -> None:
        """Add to the totals and, when `told`, to the drops that the next segment's header carries."""
        for name, count in counts.items():
            self._db.execute("INSERT OR IGNORE INTO counter VALUES (?, 0, 0)", (name,))
            change = (count if told else 0, count, name)
            self._db.execute("UPDATE counter SET unsealed = unsealed + ?, total = total + ? WHERE name = ?", change)

    def totals(self) -> Dict[str, int]:
        """Every counter since the spool was made."""
        return dict(self._db.execute("SELECT name, total FROM counter ORDER BY name"))

    def dropped(self) -> Dict[str, int]:
        """Drops by reason that no sealed segment has told yet."""
        return dict(self._db.execute("SELECT name, unsealed FROM counter WHERE unsealed > 0 ORDER BY name"))

    def sealed(self, seq: int) -> None:
        """A segment's name is durable: its number is used and its drop counters are told."""
        self.put_fact("seq", seq)
        self._db.execute("UPDATE counter SET unsealed = 0 WHERE unsealed > 0")

    def tell_again(self, counts: Dict[str, int]) -> None:
        """Drops whose segment will never arrive: the next segment's header carries them."""
        for name, count in counts.items():
            self._db.execute("UPDATE counter SET unsealed = unsealed + ? WHERE name = ?", (count, name))

    def receive(self, name: str, destination: str, count: int, size: int, now: str, keep_from: str) -> None:
        """Note that a segment arrived, and forget receipts from before `keep_from`."""
        self._db.execute("INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?, ?)", (name, destination, count, size, now))
        self._db.execute("DELETE FROM receipt WHERE shipped_at < ?", (keep_from,))

    def receipts(self) -> List[Dict[str, Any]]:
        """What was shipped, newest first."""
        rows = self._db.execute(
            "SELECT name, destination, count, bytes, shipped_at FROM receipt ORDER BY shipped_at DESC, name DESC"
        )
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row)) for row in rows]  # noqa: B905 - Python 3.9 knows no strict=

    def commit(self) -> None:
        """Make every change since the last commit durable, all or none."""
        self._db.commit()

    def close(self) -> None:
        """Give up changes that were not committed."""
        self._db.close()


def open_cursors(path: str) -> Cursors:
    """Open or create the file, 0600; a broken one is put aside, because ids are deterministic and it can be rebuilt."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        return Cursors(_connect(path))
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise SpoolError(f"{path}: cannot be opened ({error}); check rights and free space") from error
        aside = _put_aside(path)
        print(f"{path}: is damaged; put aside as {aside}, session files are read again from the start", file=sys.stderr)
        return open_cursors(path)


def copy_cursors(path: str) -> Cursors:
    """A copy in memory, for looking without changing anything; empty when there is no spool yet.

    Opened for writing all the same: SQLite cannot read past a journal that a crash left unless it may roll it back.
    """
    memory = sqlite3.connect(":memory:")
    if os.path.exists(path):
        file = sqlite3.connect(_uri(path) + "?mode=rw", uri=True)
        try:
            file.backup(memory)
            _check(memory)
        except sqlite3.Error as error:
            memory.close()
            raise SpoolError(
                f"{path}: cannot be read ({error}); once or run puts it aside if it is damaged, and reads again"
            ) from error
        finally:
            file.close()
    memory.executescript(SCHEMA)
    return Cursors(memory)


def _stored(path: str) -> Union[str, bytes]:
    """A path as the database takes it: a name that is no UTF-8, which disks allow and SQLite's text does not, as its bytes."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def _name(stored: Union[str, bytes]) -> str:
    return os.fsdecode(stored)


def _put_aside(path: str) -> str:
    """Rename a damaged database to a free name; its journal goes along, or it would be played into the next one."""
    number = 1
    while os.path.exists(aside := f"{path}.damaged-{number}"):
        number += 1
    with suppress(FileNotFoundError):
        os.replace(path + "-journal", aside + "-journal")
    os.replace(path, aside)
    return aside


def _check(connection: sqlite3.Connection) -> None:
    """Damage in a page that is not needed to open the file would otherwise come up in the middle of reading, every time."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError("database disk image is malformed")


def _uri(path: str) -> str:
    from urllib.request import pathname2url

    return "file:" + pathname2url(os.path.abspath(path))


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10, isolation_level="DEFERRED")
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")
        _check(connection)
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            raise SpoolError(
                f"{path}: was written by a newer collector (format {found}, known {FORMAT}); install that version again, "
                "it ships what waits here"
            )
        if found != FORMAT:
            connection.executescript(f"{SCHEMA}PRAGMA user_version = {FORMAT};")
    except BaseException:
        connection.close()
        raise
    return connection
