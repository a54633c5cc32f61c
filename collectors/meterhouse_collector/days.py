"""UTC days and instants of vendors' reports, as the contract writes them. A vendor's text that is no time gives None, never now."""

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Optional

_TEXT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def midnight(day: date) -> str:
    """The instant at which a UTC day begins."""
    return f"{day.isoformat()}T00:00:00Z"


def milliseconds(day: date) -> int:
    """The same as Unix milliseconds."""
    return int(datetime.combine(day, time(), timezone.utc).timestamp()) * 1000


def following(day: date) -> date:
    """The next day."""
    return day + timedelta(days=1)


def instant(value: Any) -> Optional[str]:
    """An ISO 8601 time with zone as UTC to the second; None for anything else."""
    match = _TEXT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00"))
        return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return None


def instant_of_milliseconds(value: Any) -> Optional[str]:
    """Unix milliseconds, as a number or as digits, with the milliseconds kept."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:16])
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        moment = datetime.fromtimestamp(value // 1000, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{value % 1000:03d}Z"


def stamp(moment: datetime) -> str:
    """A moment of our own clock to the microsecond, so that two fetches are never one."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
