"""Charts: one specification for mail, PDF and dashboard, as pure functions from data to an Altair chart.

Nothing here reads a database or a clock. Each figure is stated in words beside its chart as well, so that a reader whose
client blocks pictures misses nothing. Backgrounds are opaque: on a dark client a transparent chart loses its dark text.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import altair as alt

if TYPE_CHECKING:
    from meterhouse.forecast import ForecastDay

FONT = "Liberation Sans"  # travels inside vl-convert, has the widths of Arial

INK = "#1a1f26"
MUTED = "#5a6472"
LINE = "#e2e6eb"
PAPER = "#ffffff"
ACCENT = "#1d5c96"
ACCENT_SOFT = "#d5e3f0"
WARNING = "#a5351d"
SERIES = (ACCENT, "#7a8594", "#5c9bd1", "#b9a36a", "#3f6f6a", "#a0aab8", "#8a6fa8", "#c58b6d")  # by rank, biggest first

Point = tuple[date, Decimal | None]


def png(chart: alt.TopLevelMixin, scale: float = 2) -> bytes:
    """The chart as a picture, the same bytes for the same chart; needs no browser and no network."""
    import vl_convert

    return vl_convert.vegalite_to_png(chart.to_dict(), scale=scale)


def sparkline(points: Sequence[Point], width: int = 120, height: int = 28) -> alt.TopLevelMixin:
    """A bare line with its last point marked; unknown values leave a gap."""
    rows = _rows(points)
    values = [row["value"] for row in rows if row["value"] is not None] or [0.0]
    low, high = min(values), max(values)
    pad = (high - low) * 0.15 or abs(high) * 0.1 or 1.0
    x = alt.X(
        "day:T",
        axis=None,
        scale=alt.Scale(type="utc", padding=4, domain=[row["day"] for row in rows[:: len(rows) - 1 or 1]]),
    )
    y = alt.Y("value:Q", axis=None, scale=alt.Scale(domain=[low - pad, high + pad], zero=False))
    line = alt.Chart(alt.Data(values=rows)).mark_line(color="#8b95a3", strokeWidth=1.5).encode(x=x, y=y)
    last = alt.Chart(alt.Data(values=rows[-1:])).mark_circle(color=ACCENT, size=40, opacity=1).encode(x=x, y=y)
    return _styled(alt.layer(line, last), width, height, padding=0)


def month(
    daily: Sequence["ForecastDay"], budget: Decimal | None = None, width: int = 592, height: int = 190
) -> alt.TopLevelMixin:
    """Cumulative spend of a month: what was spent, the forecast's median and 80 % band, and the budget."""
    first, last = daily[0].day, daily[-1].day
    spent = [{"day": row.day.isoformat(), "value": float(row.actual)} for row in daily if row.actual is not None]
    ahead = [_band(row) for row in daily if row.p50 is not None]
    top = max([row["value"] for row in spent] + [row["high"] for row in ahead] + [float(budget or 0)]) * 1.1 or 1.0
    x = alt.X(
        "day:T", title=None, scale=alt.Scale(type="utc", domain=[first.isoformat(), last.isoformat()]),
        axis=alt.Axis(
            values=_month_ticks(first, last), labelExpr="utcFormat(datum.value, '%-d %b')", grid=False, domainColor=LINE,
            ticks=False, labelPadding=6, labelFlush=True,
        ),
    )  # fmt: skip

    def y(field: str) -> alt.Y:
        return alt.Y(field, title=None, scale=alt.Scale(domain=[0, top], nice=False), axis=_axis("usd"))

    layers: list[Any] = []
    if ahead:
        forecast = alt.Chart(alt.Data(values=ahead))
        layers.append(forecast.mark_area(color=ACCENT_SOFT, opacity=1).encode(x=x, y=y("low:Q"), y2="high:Q"))
        layers.append(forecast.mark_line(color=ACCENT, strokeWidth=1.5, strokeDash=[3, 3]).encode(x=x, y=y("value:Q")))
    layers.append(
        alt.Chart(alt.Data(values=spent)).mark_line(color=ACCENT, strokeWidth=2.5).encode(x=x, y=y("value:Q"))
    )
    if budget is not None:
        rule = alt.Chart(alt.Data(values=[{"value": float(budget), "day": first.isoformat()}]))
        layers.append(rule.mark_rule(color=INK, strokeWidth=1).encode(y=y("value:Q")))
        layers.append(rule.mark_text(text="Budget", align="left", dx=4, dy=-8, color=INK).encode(x=x, y=y("value:Q")))
    return _styled(alt.layer(*layers), width, height)


def columns(points: Sequence[Point], unit: str = "usd", width: int | str = 592, height: int = 200) -> alt.TopLevelMixin:
    """One column a week (or day) of one figure."""
    chart = alt.Chart(alt.Data(values=_rows(points))).mark_bar(color=ACCENT, width={"band": 0.7})
    encoded = chart.encode(
        x=alt.X("day:O", title=None, timeUnit="utcyearmonthdate", axis=_time_axis()),
        y=alt.Y("value:Q", title=None, axis=_axis(unit)),
        tooltip=[alt.Tooltip("day:N", title="from"), alt.Tooltip("value:Q", title=unit, format=",.2~f")],
    )
    return _styled(encoded, width, height)


def stacked_columns(
    series: Mapping[str, Sequence[Point]], unit: str = "usd", width: int | str = 592, height: int = 240
) -> alt.TopLevelMixin:
    """One column a week (or day), cut by a dimension; the biggest part lies at the bottom in the accent."""
    ranked = sorted(series, key=lambda name: (-sum(value or 0 for _, value in series[name]), name))
    rows = [{**row, "part": name, "rank": rank} for rank, name in enumerate(ranked) for row in _rows(series[name])]
    encoded = alt.Chart(alt.Data(values=rows)).mark_bar(width={"band": 0.7}).encode(
        x=alt.X("day:O", title=None, timeUnit="utcyearmonthdate", axis=_time_axis()),
        y=alt.Y("value:Q", title=None, axis=_axis(unit)),
        color=alt.Color("part:N", title=None, scale=alt.Scale(domain=ranked, range=_palette(len(ranked)))),
        order=alt.Order("rank:Q"),
        tooltip=["part:N", alt.Tooltip("day:N", title="from"), alt.Tooltip("value:Q", title=unit, format=",.2~f")],
    )  # fmt: skip
    return _styled(encoded, width, height)


def bars(values: Mapping[str, Decimal | None], unit: str = "usd", width: int | str = 592) -> alt.TopLevelMixin:
    """Horizontal bars, biggest first; a cell that was suppressed or is unknown has no bar."""
    rows = [{"part": name, "value": None if value is None else float(value)} for name, value in values.items()]
    encoded = alt.Chart(alt.Data(values=rows)).mark_bar(color=ACCENT, height=12).encode(
        x=alt.X("value:Q", title=None, axis=_axis(unit)),
        y=alt.Y("part:N", title=None, sort="-x", axis=alt.Axis(domain=False, ticks=False, labelColor=INK, labelPadding=8)),
        tooltip=["part:N", alt.Tooltip("value:Q", title=unit, format=",.2~f")],
    )  # fmt: skip
    return _styled(encoded, width, max(24 * len(rows), 24))


def _rows(points: Sequence[Point]) -> list[dict[str, Any]]:
    return [{"day": day.isoformat(), "value": None if value is None else float(value)} for day, value in points]


def _band(row: "ForecastDay") -> dict[str, Any]:
    values = {"low": row.p10, "value": row.p50, "high": row.p90}
    return {"day": row.day.isoformat(), **{name: float(value or 0) for name, value in values.items()}}


def _month_ticks(first: date, last: date) -> list[str]:
    return [first.replace(day=day).isoformat() for day in (1, 8, 15, 22)] + [last.isoformat()]


def _axis(unit: str) -> alt.Axis:
    sign = "$" if unit == "usd" else ""
    label = f"datum.value == 0 ? '{sign}0' : '{sign}' + replace(datum.label, 'G', 'B')"  # SI's giga is a billion here
    return alt.Axis(format="%" if unit == "share" else "~s", tickCount=4, domain=False, ticks=False, gridColor=LINE,
                    labelPadding=8, labelExpr=label)  # fmt: skip


def _time_axis() -> alt.Axis:
    label = "utcFormat(datum.value, '%-d %b')"
    return alt.Axis(labelExpr=label, domainColor=LINE, ticks=False, labelAngle=0, labelOverlap=True, labelPadding=6)


def _palette(count: int) -> list[str]:
    return [SERIES[index % len(SERIES)] for index in range(count)]


def _styled(chart: Any, width: int | str, height: int, padding: int = 4) -> alt.TopLevelMixin:
    return (
        chart.configure(font=FONT)
        .properties(width=width, height=height, background=PAPER, padding=padding)
        .configure_view(strokeWidth=0)
        .configure_text(font=FONT, fontSize=11)
        .configure_axis(labelColor=MUTED, labelFontSize=11, titleColor=MUTED)
        .configure_legend(orient="top", labelColor=INK, symbolType="square", symbolSize=80, offset=8)
    )
