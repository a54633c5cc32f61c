"""OpenCode: the SQLite store below the user's data folder; what it holds and how often each counts, see `_opencode_store`."""

from pathlib import Path
from typing import Any, Dict, Iterator, Mapping

from meterhouse_collector.database import SUFFIXES
from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here

from . import _opencode_store

NAME = "opencode"
select = _opencode_store.select


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """The store, those of other release channels, and the one that a variable names."""
    folder = Path(env["XDG_DATA_HOME"]) if env.get("XDG_DATA_HOME") else home / ".local" / "share"
    for pattern in ("opencode.db", "opencode-*.db"):
        yield from sorted(folder.glob(f"opencode/{pattern}"))
    named = Path(env["OPENCODE_DB"]) if env.get("OPENCODE_DB") else None
    if named is not None and named.suffix in SUFFIXES and (folder / "opencode" / named).is_file():
        yield folder / "opencode" / named


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one message."""
    yield from _opencode_store.read(record, state, here, NAME)
