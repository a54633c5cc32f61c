"""Periods: complete ISO weeks, half-open, ending with the last one that the data covers. A running week is never compared."""

from dataclasses import dataclass
from datetime import date, timedelta

from meterhouse.report import wording

WEEK = timedelta(days=7)
CHOICES = {"Last week": 1, "4 weeks": 4, "13 weeks": 13, "All weeks": None}
CONTEXT_WEEKS = 13  # charts show at least as many, so that one week is seen against others


@dataclass(frozen=True)
class Period:
    """`start` to `end` (exclusive), with the weeks around it that charts show from `shown_from` on."""

    start: date
    end: date
    first_week: date
    is_complete: bool = True

    @property
    def weeks(self) -> int:
        """Length in weeks, a running one included."""
        return -((self.start - self.end) // WEEK)

    @property
    def shown_from(self) -> date:
        """First week in charts."""
        return max(self.first_week, min(self.start, self.end - CONTEXT_WEEKS * WEEK))

    @property
    def shown_weeks(self) -> list[date]:
        """Mondays of the weeks in charts."""
        return [self.shown_from + number * WEEK for number in range(-((self.shown_from - self.end) // WEEK))]

    @property
    def before(self) -> "Period | None":
        """The period just before, of the same length; None when the data does not reach back so far."""
        start = self.start - self.weeks * WEEK
        return Period(start, self.start, self.first_week) if start >= self.first_week and self.is_complete else None

    def __str__(self) -> str:
        last = self.end - timedelta(days=1)
        weeks = dict.fromkeys(f"{day:%G-W%V}" for day in (self.start, last))
        return f"{wording.span(self.start, last)} ({' to '.join(weeks)})"


def choose(first_day: date, last_day: date, weeks: int | None) -> Period:
    """The last `weeks` complete weeks of the data, or all; without any complete week, what there is so far."""
    first_week = first_day + timedelta(days=-first_day.weekday() % 7)
    end = last_day + timedelta(days=1)
    end -= timedelta(days=end.weekday())
    if end <= first_week:
        monday = first_day - timedelta(days=first_day.weekday())
        return Period(monday, last_day + timedelta(days=1), monday, is_complete=False)
    start = first_week if weeks is None else max(first_week, end - weeks * WEEK)
    return Period(start, end, first_week)
