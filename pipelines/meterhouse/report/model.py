"""The report as data: every figure and sentence of one week, worded once; subject, HTML, text and PDF only lay it out."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from meterhouse.forecast import ForecastDay
from meterhouse.report.week import Week


@dataclass(frozen=True)
class Tile:
    """One figure with its course. `points` are the weekly values of the small chart, None where unknown."""

    name: str
    label: str
    value: str
    note: str
    last_week: str
    four_weeks: str
    chart_words: str
    points: tuple[tuple[date, Decimal | None], ...]


@dataclass(frozen=True)
class Month:
    """The month that the week belongs to; `daily` and `budget` are what the chart draws, the words say the same."""

    title: str
    words: str
    budget_words: str
    chart_words: str
    daily: tuple[ForecastDay, ...]
    budget: Decimal | None


@dataclass(frozen=True)
class Decision:
    """One thing that somebody has to decide; `size_usd` ranks it, `sentence` is the headline when it is the biggest."""

    what: str
    size: str
    owner: str
    next_step: str
    sentence: str
    size_usd: Decimal


@dataclass(frozen=True)
class Row:
    """One line of a table; `part` in 0…1 is the length of its bar."""

    cells: tuple[str, ...]
    part: Decimal | None = None


@dataclass(frozen=True)
class Table:
    """A small table: the first column is a name, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    total: Row | None = None
    note: str = ""


@dataclass(frozen=True)
class Definition:
    """What a figure means, from its metric file."""

    label: str
    description: str
    caveat: str


@dataclass(frozen=True)
class ReportModel:
    """One week's report."""

    week: Week
    title: str
    period: str
    subject: str
    headline: str
    notice: str  # empty, or why the week is provisional
    tiles: tuple[Tile, ...]
    month: Month
    decisions: tuple[Decision, ...]
    decisions_note: str  # that there are none, or more than fit
    teams: Table
    agents: Table
    models: Table
    activity: Table
    provenance: tuple[str, ...]
    definitions: tuple[Definition, ...]
    dashboard_url: str | None
