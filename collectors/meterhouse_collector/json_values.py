"""Takes typed, bounded values out of decoded JSON that may hold anything anywhere.

Nothing here may raise on any JSON value, and nothing here returns a text that is longer than an id.
"""

import re
from typing import Any, Dict, List, Optional

from .events import fits
from .fields import FIELDS

_WORD = re.compile(r"[a-z][a-z0-9_]{0,59}", re.ASCII)
_ID = FIELDS["native_id"]
_COUNT = FIELDS["duration_ms"]


def part(record: Any, name: str) -> Dict[str, Any]:
    """The object under `name`, or an empty one."""
    value = record.get(name) if isinstance(record, dict) else None
    return value if isinstance(value, dict) else {}


def parts(value: Any) -> List[Dict[str, Any]]:
    """The objects of a list, or none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def ident(value: Any) -> Optional[str]:
    """An id as the contract takes it."""
    return value if fits(_ID, value) else None


def word(value: Any) -> Optional[str]:
    """A word of an agent's own vocabulary, such as overloaded_error; a message is none."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def count(value: Any) -> Optional[int]:
    """A number from 0 within the contract's bounds."""
    return value if fits(_COUNT, value) else None


def total(*counts: Optional[int]) -> Optional[int]:
    """The sum within the contract's bounds; unknown when a part is unknown."""
    known = [number for number in counts if number is not None]
    return count(sum(known)) if len(known) == len(counts) else None


def count_or_zero(record: Dict[str, Any], name: str) -> Optional[int]:
    """A number that the writer leaves out, or sets to null, when it is 0; None when it is broken."""
    value = record.get(name)
    return 0 if value is None else count(value)
