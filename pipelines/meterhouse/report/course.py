"""The course of one metric: the report's week, the complete weeks before it, and how it compares with them.

A change is only worded when it says something: no percentage of a small base, no share of a few cases.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import duckdb

from meterhouse.metrics import Figure, Metric, load_metrics, metric
from meterhouse.report import wording
from meterhouse.report.week import Week

WEEKS = 13
MEAN_WEEKS = 4
SMALL_BASE = 20  # below it a percentage is noise
SMALL_SAMPLE = 30  # below it a share is


@dataclass(frozen=True)
class Reach:
    """The days that a report can draw on: of the data, cut off at the end of its week."""

    first_day: date
    last_day: date
    is_late: bool  # the data end before the Friday of the week


@dataclass(frozen=True)
class Course:
    """Weekly figures, oldest first; the last one is the report's."""

    metric: Metric
    weeks: tuple[date, ...]
    figures: tuple[Figure, ...]
    is_measured: bool
    is_late: bool

    @property
    def now(self) -> Figure:
        """The report's week."""
        return self.figures[-1]

    @property
    def text(self) -> str:
        """Its value in words."""
        return wording.figure(self.now.value, self.metric.unit) if self.is_measured else wording.UNKNOWN

    @property
    def before(self) -> Figure | None:
        """The week before, None when there is no complete one."""
        return self.figures[-2] if len(self.figures) > 1 else None

    @property
    def mean(self) -> Figure | None:
        """The four weeks before as one: sum over sum, so that a mean of ratios cannot happen."""
        earlier = self.figures[-1 - MEAN_WEEKS : -1]
        if len(earlier) < MEAN_WEEKS:
            return None
        numerators = [row.numerator for row in earlier if row.numerator is not None]
        denominators = [row.denominator or Decimal(0) for row in earlier]
        whole = sum(numerators, Decimal(0)) if len(numerators) == len(earlier) else None
        return Figure({}, whole, sum(denominators, Decimal(0)), False)

    @property
    def points(self) -> tuple[tuple[date, Decimal | None], ...]:
        """What the small chart draws."""
        return tuple((start, row.value) for start, row in zip(self.weeks, self.figures, strict=True))

    def against_last_week(self) -> str:
        """The change in a few words, for a cell."""
        return self._against(self.before)

    def against_mean(self) -> str:
        """Likewise against the four weeks before."""
        return self._against(self.mean)

    def _against(self, other: Figure | None) -> str:
        if self.is_late or other is None or not self.is_measured:
            return wording.UNKNOWN
        return change(self.now, other, self.metric.unit)


def read_course(db: duckdb.DuckDBPyConnection, name: str, week: Week, reach: Reach) -> Course:
    """Up to 13 weeks of a metric; weeks that began before the data did are left out, they are not complete."""
    starts = [week.before(back).start for back in range(WEEKS - 1, -1, -1)]
    starts = [start for start in starts if start >= reach.first_day or start == week.start]
    found = {row.dimensions["week"]: row for row in metric(db, name, starts[0], week.end, ["week"])}
    empty = metric(db, name, week.end, week.end)[0]  # a sum has denominator 1 also of nothing, a ratio has 0
    nothing = Figure({}, Decimal(0), empty.denominator, False)
    figures = tuple(found.get(start, nothing) for start in starts)
    is_measured = any(row.value is not None for row in found.values())
    return Course(load_metrics()[name], tuple(starts), figures, is_measured, reach.is_late)


def change(now: Figure, before: Figure, unit: str) -> str:
    """How a figure moved: +22.5%, +3 where the base is small, +14.4 pt for a share, a dash where nothing can be said."""
    if now.value is None or before.value is None:
        return wording.UNKNOWN
    if unit == "share":
        cases = min(now.denominator or 0, before.denominator or 0)
        return points_change(now.value - before.value) if cases >= SMALL_SAMPLE else wording.UNKNOWN
    if before.value < SMALL_BASE:
        moved = (now.value - before.value).quantize(Decimal("0.01") if unit == "usd" else Decimal(1))
        return wording.signed(moved, wording.figure(abs(moved), unit)) if moved else "±0"
    return wording.percent_change(now.value, before.value)


def points_change(moved: Decimal) -> str:
    """A difference of shares in percentage points."""
    text = f"{abs(moved) * 100:.1f} pt"
    return "±0 pt" if text == "0.0 pt" else wording.signed(moved, text)


def read_reach(first_day: date, last_day: date, week: Week) -> Reach:
    """How far the data reach into the week; a weekend without work is no lateness."""
    is_late = last_day < week.start + timedelta(days=4)
    return Reach(first_day, last_day if is_late else week.last_day, is_late)
