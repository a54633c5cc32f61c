"""Patches in the form of `apply_patch`, which several agents give to models: what each would do to its files.

Only numbers and words of closed lists come out; the path and the lines are forgotten.
"""

import re
from typing import Any, List, NamedTuple, Optional

from meterhouse_collector.lines import count_diff, language_of

OPERATIONS = {"add": "create", "update": "update", "delete": "delete"}
_PATCH = re.compile(r"^\*\*\* Begin Patch\b.*?^\*\*\* End Patch\b", re.MULTILINE | re.DOTALL)
_FILE = re.compile(
    r"^\*\*\* (Add|Update|Delete) File: ([^\n]+)\n(.*?)(?=^\*\*\* (?:Add|Update|Delete|End) )", re.MULTILINE | re.DOTALL
)


class Change(NamedTuple):
    """What one patch did to one file."""

    operation: Optional[str]
    language: Optional[str]
    lines_added: Optional[int]
    lines_removed: Optional[int]


def patch_changes(text: Any) -> List[Change]:
    """The files of all patches in a text, those of one patch in the order of their paths."""
    if not isinstance(text, str) or "*** Begin Patch" not in text:
        return []
    return [change for patch in _PATCH.finditer(text) for change in _changes(patch[0])]


def _changes(patch: str) -> List[Change]:
    changes = []
    for kind, path, body in sorted(_FILE.findall(patch), key=lambda file: file[1]):
        added, removed = count_diff(body.split("\n"))
        gone = None if kind == "Delete" else removed  # the patch does not show what a deleted file held
        changes.append(Change(OPERATIONS[kind.lower()], language_of(path.strip()), added, gone))
    return changes
