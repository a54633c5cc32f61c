"""Session files that were renamed or archived keep their cursor, so that they are not read a second time."""

import os
from typing import Iterable, List

from .cursors import Cursor
from .reader import Reader, look
from .stream import ZSTD_SUFFIX

GONE_NS = 60 * 86400 * 10**9  # twice the agents' own retention: a file this old that is gone does not come back


def follow(reader: Reader, found: Iterable[str]) -> None:
    """Hand the cursors of vanished paths to the new paths of the same files."""
    here = set(found)
    gone = [path for path in reader.known if path not in here]
    if not gone:
        return
    by_identity = {reader.known[path][0].identity: path for path in gone if reader.known[path][0].identity}
    by_name = {_name(path): path for path in gone}
    for path in sorted(here - reader.known.keys()):
        seen = look(path)
        old = by_identity.get(seen.identity) if seen else None
        old = old or by_name.get(_name(path))
        if old in reader.known:
            _hand_over(reader, reader.out.cursors.load(old, ""), path)


def forget(reader: Reader, found: Iterable[str], now_ns: int) -> None:
    """Drop cursors of files that are gone for good; not when nothing is found, which may be a home that is not mounted."""
    here = set(found)
    old: List[str] = [
        path for path, (seen, _) in reader.known.items() if path not in here and 0 < seen.mtime_ns < now_ns - GONE_NS
    ]
    if here:
        for path in old:
            reader.out.cursors.forget(path)
            del reader.known[path]


def _hand_over(reader: Reader, cursor: Cursor, path: str) -> None:
    known = reader.known.pop(cursor.path)
    reader.out.cursors.forget(cursor.path)
    cursor.path = path
    reader.out.cursors.save(cursor)
    reader.known[path] = known


def _name(path: str) -> str:
    name = os.path.basename(path)
    return name[: -len(ZSTD_SUFFIX)] if name.endswith(ZSTD_SUFFIX) else name
