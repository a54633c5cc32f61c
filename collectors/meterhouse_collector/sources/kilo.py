"""Kilo: the SQLite store below the user's data folder; what it holds and how often each counts, see `_opencode_store`."""

from pathlib import Path
from typing import Any, Dict, Iterator, Mapping

from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here

from . import _opencode_store

NAME = "kilo"
select = _opencode_store.select


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """The store, and those of other release channels."""
    folder = Path(env["XDG_DATA_HOME"]) if env.get("XDG_DATA_HOME") else home / ".local" / "share"
    for pattern in ("kilo.db", "kilo-*.db"):
        yield from sorted(folder.glob(f"kilo/{pattern}"))


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one message."""
    yield from _opencode_store.read(record, state, here, NAME)
