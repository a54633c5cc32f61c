"""One ISO week in UTC: the window of every figure of a report."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from meterhouse.errors import MeterhouseError

_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})\Z")


@dataclass(frozen=True, order=True)
class Week:
    """From its Monday to the Monday after it."""

    start: date

    @property
    def end(self) -> date:
        """First day after the week."""
        return self.start + timedelta(days=7)

    @property
    def last_day(self) -> date:
        """Its Sunday."""
        return self.start + timedelta(days=6)

    @property
    def label(self) -> str:
        """As the command line takes it, such as 2026-W46."""
        year, number, _ = self.start.isocalendar()
        return f"{year}-W{number:02d}"

    @property
    def month_day(self) -> date:
        """Last day of the week that lies in its own month; a week belongs to the month of its Thursday."""
        thursday = self.start + timedelta(days=3)
        return max(day for day in (thursday + timedelta(days=step) for step in range(4)) if day.month == thursday.month)

    def before(self, weeks: int) -> "Week":
        """The week so many weeks earlier."""
        return Week(self.start - timedelta(weeks=weeks))


def parse_week(text: str) -> Week:
    """The week of a text such as 2026-W46."""
    found = _WEEK.match(text)
    try:
        if not found:
            raise ValueError
        return Week(date.fromisocalendar(int(found[1]), int(found[2]), 1))
    except ValueError as error:
        raise MeterhouseError(f"week {text!r}: there is no such ISO week; write one such as 2026-W46") from error
