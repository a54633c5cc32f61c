"""The folders in which agents put their session files: when each last changed, and which of them cannot be listed.

A source's own search passes over a folder without rights in silence, as glob does; here it is named.
"""

import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional

from .agents import Source


class Survey(NamedTuple):
    """Time of the last change of every folder, None for one that an agent has yet to make; and what was refused."""

    changed: Dict[str, Optional[int]]
    refused: List[OSError]


def survey(source: Source, home: Path, environment: Mapping[str, str]) -> Survey:
    """Walk everything below the source's folders."""
    found = Survey({}, [])
    for root in roots(source, home, environment):
        found.changed[root] = changed(root)
        for folder, _, _ in os.walk(root, onerror=found.refused.append):
            found.changed[folder] = changed(folder)
    missing = (FileNotFoundError, NotADirectoryError)
    return found._replace(refused=[error for error in found.refused if not isinstance(error, missing)])


def roots(source: Source, home: Path, environment: Mapping[str, str]) -> List[str]:
    """Where the source looks below home, there or not: the fixed beginnings of its patterns, learnt by having it search."""
    found: Dict[str, None] = {}

    class Asked(type(home)):  # type: ignore[misc]
        def glob(self, pattern: str, **_: Any) -> Iterator[Path]:
            folder = Path(self)
            for part in Path(pattern).parts[:-1]:
                if "*" in part:
                    break
                folder /= part
            found[os.fspath(folder)] = None
            return iter(())

        def rglob(self, pattern: str, **_: Any) -> Iterator[Path]:
            return self.glob(pattern)

    for path in source.find(Asked(home), environment):  # a folder that a variable names is searched in earnest
        found[os.path.dirname(path)] = None
    return list(found)


def changed(folder: str) -> Optional[int]:
    """When something was last made, renamed or removed in it."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return None
