"""What one Codex rollout record says, before session and time are added, and the kinds of numbers it is said in.

Nothing here may raise on any JSON value.
"""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Dict, NamedTuple, Optional, Tuple

from meterhouse_collector.events import fits
from meterhouse_collector.fields import FIELDS
from meterhouse_collector.json_values import count

_INTEGER = FIELDS["exit_code"]


class Fact(NamedTuple):
    """A draft without its session and time, which are the same for everything that one line says."""

    kind: str
    key: Tuple[Any, ...]
    values: Dict[str, Any]


def integer(value: Any) -> Optional[int]:
    """A number of either sign, such as an exit code."""
    return value if fits(_INTEGER, value) else None


def decimal(value: Any) -> Optional[Decimal]:
    """A finite number from 0, as a decimal; JSON lets NaN and Infinity in."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() and 0 <= number <= 10**10 else None


def milliseconds(duration: Any) -> Optional[int]:
    """Of `{"secs", "nanos"}` as Codex writes durations, or of plain seconds."""
    if isinstance(duration, dict):
        secs, nanos = count(duration.get("secs")), count(duration.get("nanos"))
        return None if secs is None else count(secs * 1000 + (nanos or 0) // 1_000_000)
    seconds = decimal(duration)
    return None if seconds is None else count(int((seconds * 1000).to_integral_value(ROUND_HALF_UP)))
