"""The agents we can read: every module of the `sources` package, listed nowhere."""

import importlib
import pkgutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from . import sources
from .database import Select
from .events import Draft
from .here import Here


def _one(document: Any) -> Iterator[Dict[str, Any]]:
    yield document


class Source(NamedTuple):
    """One agent's module, as the reader uses it."""

    name: str
    find: Callable[[Path, Mapping[str, str]], Iterator[Path]]
    read: Callable[[Dict[str, Any], Dict[str, Any], Here], Iterator[Draft]]
    explode: Callable[[Any], Iterator[Dict[str, Any]]]
    markers: Tuple[bytes, ...]
    select: Optional[Select]  # new rows of a store, oldest first; moves its own mark in the state behind each row


def installed() -> List[Source]:
    """Every source, by name; a module whose name begins with an underscore is a part of another."""
    found = []
    for _, name, _ in pkgutil.iter_modules(sources.__path__):
        if not name.startswith("_"):
            module = importlib.import_module(f"{sources.__name__}.{name}")
            explode, markers = getattr(module, "explode", _one), tuple(getattr(module, "MARKERS", ()))
            select = getattr(module, "select", None)
            found.append(Source(module.NAME, module.find, module.read, explode, markers, select))
    return sorted(found, key=lambda source: source.name)
