"""An agent's SQLite store, read so that the agent cannot notice: never written, no lock held between two pages of rows.

A source's `select` fetches a page at a time (`fetchall`), because an open SELECT keeps a writer from its checkpoint.
"""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from typing import Any, Callable, Dict, Iterator

from .errors import DamagedError, UnreadableError

SUFFIXES = (".db", ".sqlite", ".vscdb")
WAL = "-wal"
PATIENCE = 1.0  # seconds to wait for an agent that is in the middle of a commit

Select = Callable[[sqlite3.Connection, Dict[str, Any]], Iterator[Dict[str, Any]]]


def records(path: str, select: Select, state: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """What `select` gives, row by row. Raises UnreadableError for what may pass, DamagedError for a file that is no store."""
    try:
        with _opened(path) as store:
            yield from _translated(select(store, state))
    except sqlite3.OperationalError as error:
        raise UnreadableError(f"database cannot be read ({error}); it is tried again") from error
    except sqlite3.DatabaseError as error:
        raise DamagedError(f"database is damaged ({error})") from error


def _translated(rows: Iterator[Dict[str, Any]]) -> Iterator[Dict[str, Any]]:
    """Errors of the store as ours, so that they are not taken for those of the spool's own database."""
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except sqlite3.OperationalError as error:  # a table or column that this release of the agent does not have
            raise UnreadableError(f"database is of an unknown shape or busy ({error}); it is tried again") from error
        except sqlite3.DatabaseError as error:
            raise DamagedError(f"database is damaged ({error})") from error
        yield row


@contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    """The store in place; where its folder is read-only and a log lies beside it, a private copy of both."""
    try:
        with closing(_connect(path)) as store:
            store.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the first read is what opens the log
            yield store
            return
    except sqlite3.OperationalError:
        if not os.path.exists(path + WAL) or os.access(os.path.dirname(path) or ".", os.W_OK):
            raise
    with tempfile.TemporaryDirectory(prefix="meterhouse-") as folder:
        copy = os.path.join(folder, "store.db")
        for end in ("", WAL):
            shutil.copyfile(path + end, copy + end)
            shutil.copystat(path + end, copy + end)  # some sources ask when it was last written
        with closing(_connect(copy)) as store:
            yield store


def _connect(path: str) -> sqlite3.Connection:
    from urllib.request import pathname2url

    # not immutable=1: that reads past the write-ahead log, where the latest rows are
    uri = f"file:{pathname2url(os.path.abspath(path))}?mode=ro"
    store = sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)
    store.row_factory = sqlite3.Row
    store.execute("PRAGMA query_only = ON")
    return store
