"""The real agents, one module each: what to install, how to point it at a provider on the loopback, how it names its tools.

A module gives `PACKAGE` and `VERSION` on npm and its `BINARY`; `KNOWS`, what each of its channels can know (none that is not named);
`configure(home, url, otlp)`, which writes settings below the home and gives environment variables; `command(prompt, way)`, the words
after the binary, for each way in `WAYS`; where `SESSION` stands for the id of the session before; `ACTIONS` that it has tools for;
`CANNOT`, if need be, why it has none for another, or no way; `speak(action, values, tools)`, the call in its own words.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

SESSION = "{session}"
ALL = frozenset({"main", "sub", "aux"})


@dataclass(frozen=True)
class Knows:
    """What a channel of an agent can know. The union over channels must be in the tables, no more and no less."""

    roles: frozenset[str] = ALL  # conversations
    ids: bool = True  # the provider's ids
    limits: bool = True  # requests that were refused with 429
    tools: bool = True  # tools that were called
    hides: frozenset[str] = frozenset()  # kinds of tools whose failing calls it does not tell of at all
    fails: frozenset[str] = frozenset({"run", "edit"})  # kinds of tools whose failure is told
    lines: bool = True
    subs: bool = True  # which requests are a sub-agent's


def union(known: Iterable[Knows]) -> Knows:
    """What several channels know together."""
    rows = list(known)
    return Knows(
        frozenset().union(*(row.roles for row in rows)),
        any(row.ids for row in rows),
        any(row.limits for row in rows),
        any(row.tools for row in rows),
        frozenset().union(*(row.hides for row in rows)).intersection(*(row.hides for row in rows if row.tools)),
        frozenset().union(*(row.fails for row in rows)),
        any(row.lines for row in rows),
        any(row.subs for row in rows),
    )


def agents() -> list[ModuleType]:
    """Every agent, in alphabetical order."""
    return [importlib.import_module(f"{__name__}.{row.name}") for row in pkgutil.iter_modules(__path__)]
