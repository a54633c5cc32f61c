"""Pieces that pages are put together from: filters, tiles, charts, tables. Each takes metric names and draws what they define.

Names of teams, models and repositories come from outside: they go into tables, charts and select boxes, never into Markdown.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import altair as alt
import streamlit as st

from meterhouse import charts
from meterhouse.metrics import Figure, Metric, load_metrics
from meterhouse.report import wording
from meterhouse.report.course import change
from meterhouse_dashboards import periods, warehouse, words
from meterhouse_dashboards.periods import Period

if TYPE_CHECKING:
    import pandas as pd

HEIGHT = 240
MOST_BARS = 12
SUPPRESSED_WIDTH = 150  # pixels that words.SUPPRESSED needs
HIDDEN = f"Figures of {words.SUPPRESSED} are not shown, nor is one more where it would give them away."
PALE = 0.35  # weeks outside the chosen period


@dataclass(frozen=True)
class Selection:
    """What the reader chose: a period, and one value of some dimensions."""

    period: Period
    only: dict[str, str]

    def figures(self, name: str, *by: str, period: Period | None = None) -> list[Figure]:
        """A metric's figures of the chosen period or of another one."""
        window = period or self.period
        return warehouse.figures(name, window.start, window.end, by, **self.only)

    def total(self, name: str, period: Period | None = None) -> Figure:
        """A metric's one figure."""
        found = self.figures(name, period=period)
        return found[0] if found else Figure({}, None, None, is_suppressed=bool(self.only) and _is_of_people(name))

    def weeks(self, name: str, *by: str) -> list[Figure]:
        """A metric's figures by week, over the weeks that charts show."""
        return warehouse.figures(name, self.period.shown_from, self.period.end, ("week", *by), **self.only)


def filters() -> Selection:
    """The row of filters; ends the page with a friendly word when the snapshot holds no events yet."""
    snapshot = warehouse.current()
    if snapshot.first_day is None or snapshot.last_day is None:
        st.info("No events yet. They appear after collectors have shipped and `meterhouse run` has loaded them.")
        st.stop()
    roster = warehouse.rows("SELECT DISTINCT division, team FROM dim_teams ORDER BY division, team")
    row = st.columns([2.2, 1, 1, 1], vertical_alignment="top")
    label = row[0].segmented_control(
        "Period", list(periods.CHOICES), default="4 weeks", required=True, key="period", bind="query-params",
        persist_state="session",
    )  # fmt: skip
    division = _choice(row[1], "division", list(dict.fromkeys(roster["division"].dropna())))
    if division is not None:
        roster = roster[roster["division"] == division]
    chosen = {
        "division": division,
        "team": _choice(row[2], "team", list(dict.fromkeys(roster["team"]))),
        "agent": _choice(row[3], "agent", _agents()),
    }
    period = periods.choose(snapshot.first_day, snapshot.last_day, periods.CHOICES[str(label)])
    st.caption(_compared(period))
    return Selection(period, {name: value for name, value in chosen.items() if value is not None})


def tiles(names: Sequence[str], selection: Selection) -> None:
    """One tile a metric: the figure, its change against the period before, and its weeks as a sparkline."""
    for column, name in zip(st.columns(len(names)), names, strict=True):
        about = load_metrics()[name]
        now = selection.total(name)
        before = selection.total(name, selection.period.before) if selection.period.before else None
        weeks = _spark(about, selection.weeks(name), selection.period)
        column.metric(
            about.label,
            words.SUPPRESSED if now.is_suppressed else wording.figure(now.value, about.unit),
            _change(now, before, about.unit),
            delta_color="primary",
            delta_arrow="off",
            chart_data=weeks,
            help=" ".join(row for row in (about.description, about.caveat) if row),
        )


def weekly(name: str, selection: Selection) -> None:
    """One column a week; a suppressed or unknown week stays empty."""
    about = _headed(name, "week")
    _draw(
        charts.columns(_points(selection.weeks(name), selection.period), about.unit, "container", HEIGHT),
        selection.period,
    )


def weekly_by_agent(name: str, selection: Selection, legend: bool = False) -> None:
    """One column a week, stacked by agent: for metrics that may be added up. An agent has its colour on every chart."""
    about = _headed(name, "week")
    found = selection.weeks(name, "agent")
    labels = dict.fromkeys(words.name("agent", agent) for agent in _agents())
    series = {
        label: _points(
            [row for row in found if words.name("agent", row.dimensions["agent"]) == label], selection.period
        )
        for label in labels
    }
    colours = alt.Scale(
        domain=list(series), range=[charts.SERIES[rank % len(charts.SERIES)] for rank in range(len(series))]
    )
    chart: Any = charts.stacked_columns(series, about.unit, "container", HEIGHT)
    chart = chart.encode(
        color=alt.Color("part:N", title=None, scale=colours, legend=alt.Legend() if legend else None),
        order=alt.Order("part:N"),
    )
    _draw(chart, selection.period)


def ranked(name: str, selection: Selection, by: str) -> None:
    """Horizontal bars by a dimension, biggest first, the many small ones as one."""
    about = _headed(name, by)
    found = sorted((row for row in selection.figures(name, by) if row.value), key=lambda row: -(row.value or 0))
    values: dict[str, Decimal | None] = {}
    for rank, row in enumerate(found):  # names that read the same once they are cut short are drawn as one
        label = words.name(by, row.dimensions[by]) if rank < MOST_BARS else f"{len(found) - MOST_BARS} others"
        values[label] = (values.get(label) or Decimal(0)) + (row.value or Decimal(0))
    _draw(charts.bars(values, about.unit, "container").properties(height=max(HEIGHT, 26 * len(values))))


def table(by: str, names: Sequence[str], selection: Selection, trend: str | None = None) -> None:
    """One row a value of a dimension, one column a metric, biggest first by the first metric; `trend` adds a sparkline."""
    import pandas as pd

    cells = {name: {row.dimensions[by]: row for row in selection.figures(name, by)} for name in names}
    first = cells[names[0]]
    keys = sorted(set().union(*cells.values()), key=lambda key: (-(_value(first.get(key)) or 0), str(key)))
    title = by.capitalize()
    columns: dict[str, list[Any]] = {title: [words.name(by, key) for key in keys]}
    config: dict[str, Any] = {title: st.column_config.TextColumn(pinned=True)}
    texts = {}
    for name in names:
        about, found = load_metrics()[name], [cells[name].get(key) for key in keys]
        if any(row and row.is_suppressed for row in found):
            columns[about.label] = [_text(row, about.unit) for row in found]
            config[about.label] = st.column_config.TextColumn(
                alignment="right", width=SUPPRESSED_WIDTH, help=about.description
            )
        else:
            columns[about.label] = [_float(_value(row)) for row in found]
            config[about.label] = st.column_config.NumberColumn(help=about.description)
            texts[about.label] = functools.partial(words.exact, unit=about.unit)
    if trend:
        label = f"{load_metrics()[trend].label} by week"
        weeks: dict[Any, list[Figure]] = {}
        for row in selection.weeks(trend, by):
            weeks.setdefault(row.dimensions[by], []).append(row)
        columns[label] = [_spark(load_metrics()[trend], weeks.get(key, []), selection.period) for key in keys]
        config[label] = st.column_config.BarChartColumn(color="gray", width="medium")
    # numbers below, so that columns sort by value; texts above, so that money and tokens read as they should
    shown = pd.DataFrame(columns).style.format(texts)
    st.dataframe(shown, hide_index=True, column_config=config, placeholder=words.UNKNOWN)


def rows(found: "pd.DataFrame", empty: str) -> None:
    """Rows of a small query with readable heads, or a sentence when there are none."""
    if found.empty:
        st.caption(empty)
        return
    config = {str(column): _column(str(column), values) for column, values in found.items()}
    st.dataframe(found, hide_index=True, column_config=config, placeholder=words.UNKNOWN)


def notes(names: Sequence[str]) -> None:
    """What to keep in mind about the figures of the page, from the metrics themselves."""
    told = [
        f"{load_metrics()[name].label}: {load_metrics()[name].caveat}" for name in names if load_metrics()[name].caveat
    ]
    st.caption("  \n".join([*told, HIDDEN]))


def _choice(place: Any, dimension: str, values: list[str]) -> str | None:
    return place.selectbox(
        dimension.capitalize(), values, index=None, placeholder="All", key=dimension, bind="query-params",
        persist_state="session", format_func=lambda value: words.name(dimension, value),
    )  # fmt: skip


def _compared(period: Period) -> str:
    if not period.is_complete:
        return f"{period}. No complete week yet: these are the figures so far."
    if period.before is None:
        return f"{period}. The data does not reach back far enough to compare."
    return f"{period}, compared with the {'week' if period.weeks == 1 else f'{period.weeks} weeks'} before."


def _column(name: str, values: "pd.Series") -> Any:
    label = name.replace("_", " ").capitalize()
    if values.dtype.kind in "iuf":
        return st.column_config.NumberColumn(label, format="localized")
    if values.dtype.kind == "M":
        has_time = getattr(values.dtype, "tz", None) is not None
        return st.column_config.DatetimeColumn(label, format="YYYY-MM-DD HH:mm" if has_time else "YYYY-MM-DD")
    return st.column_config.TextColumn(label)


def _headed(name: str, by: str) -> Metric:
    about = load_metrics()[name]
    st.markdown(f"**{about.label}** by {by}")
    return about


def _agents() -> list[str]:
    return warehouse.rows("SELECT DISTINCT agent FROM fct_requests ORDER BY agent")["agent"].tolist()


def _draw(chart: Any, period: Period | None = None) -> None:
    """Draw with the page's theme in place of the print style; weeks outside the period are pale."""
    chart = chart.copy()
    chart.background, chart.padding = alt.Undefined, {"left": 0, "top": 0, "right": 12, "bottom": 12}
    chart.config = alt.Config(
        mark=alt.MarkConfig(invalid="break-paths-show-domains"),  # a week without a figure keeps its place
        legend=alt.LegendConfig(orient="top", symbolType="square", offset=0, padding=0),
        axisY=alt.AxisConfig(labelOverlap=False, labelLimit=200),
    )
    if period:
        chosen = f"toDate(datum.day) >= toDate('{period.start.isoformat()}')"
        chart = chart.encode(opacity=alt.condition(chosen, alt.value(1), alt.value(PALE)))
    st.altair_chart(chart, width="stretch")


def _change(now: Figure, before: Figure | None, unit: str) -> str | None:
    told = change(now, before, unit) if before else words.UNKNOWN
    return None if told == words.UNKNOWN else told


def _is_of_people(name: str) -> bool:
    return load_metrics()[name].people is not None


def _value(figure: Figure | None) -> Decimal | None:
    return figure.value if figure else None


def _text(figure: Figure | None, unit: str) -> str:
    if figure is not None and figure.is_suppressed:
        return words.SUPPRESSED
    return words.exact(_value(figure), unit)


def _points(found: list[Figure], period: Period) -> list[charts.Point]:
    """One point for every week on the axis: those without a figure stay empty."""
    values: dict[date, Decimal | None] = dict.fromkeys(period.shown_weeks)
    for row in found:
        if row.value is not None:
            values[row.dimensions["week"]] = (values[row.dimensions["week"]] or 0) + row.value
    return list(values.items())


def _spark(about: Metric, found: list[Figure], period: Period) -> list[float] | None:
    """Values for a sparkline, which cannot show a gap: a week without events is 0 where that is true, else there is none."""
    values = {row.dimensions["week"]: row.value for row in found}
    if about.unit != "share" and about.people is None:
        values = dict.fromkeys(period.shown_weeks, Decimal(0)) | values
    drawn = [float(value) for week in period.shown_weeks if (value := values.get(week)) is not None]
    return drawn if 1 < len(drawn) == len(period.shown_weeks) else None


def _float(value: Decimal | None) -> float | None:
    """For sorting and drawing only: the exact value is what is written."""
    return None if value is None else float(value)
