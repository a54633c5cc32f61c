"""How each agent speaks OTLP: every module of this package is one, listed nowhere.

A dialect has `NAME`, `claims(record)` (is this record from that agent?) and `read(record, here)`, which yields drafts of
allow-listed attributes and nothing for records that it needs not. `here` hashes: `tool_key(name)`, `pseudonym(text)`. Keys
hold what the record itself says, so that a body sent again gives the same ids. `IS_FALLBACK` is asked after all others.
"""

import importlib
import pkgutil
from functools import lru_cache
from typing import Any, Callable, Iterator, List, NamedTuple

from meterhouse_collector.events import Draft
from meterhouse_collector.otlp.records import Record


class Dialect(NamedTuple):
    """One agent's module, as `receive` uses it."""

    name: str
    claims: Callable[[Record], bool]
    read: Callable[[Record, Any], Iterator[Draft]]
    is_fallback: bool


@lru_cache(maxsize=None)
def installed() -> List[Dialect]:
    """Every dialect by name, the fallbacks last."""
    found = []
    for _, name, _ in pkgutil.iter_modules(__path__):
        if not name.startswith("_"):
            module = importlib.import_module(f"{__name__}.{name}")
            is_fallback = getattr(module, "IS_FALLBACK", False)
            found.append(Dialect(module.NAME, module.claims, module.read, is_fallback))
    return sorted(found, key=lambda dialect: (dialect.is_fallback, dialect.name))
