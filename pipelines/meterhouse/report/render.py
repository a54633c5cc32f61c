"""Lays a report out as HTML, text and PDF. Knows no figure and words none: all of them stand in the ReportModel.

The same report gives the same bytes. Names from the data stay text: Jinja escapes them, Typst gets them as JSON.
"""

import json
import sys
import tempfile
import textwrap
import unicodedata
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import css_inline
import jinja2
import mrml
import typst

from meterhouse import charts
from meterhouse.errors import MeterhouseError
from meterhouse.report.model import ReportModel, Table

TEMPLATES = Path(__file__).parent / "templates"
TEXT_WIDTH = 78
PRINT_SCALE = 4
COLOURS = {name: getattr(charts, name) for name in ("INK", "MUTED", "LINE", "PAPER", "ACCENT", "WARNING")}
DARK = {
    "INK": "#e8ebef",
    "MUTED": "#a9b3c0",
    "LINE": "#363d47",
    "PAPER": "#14181d",
    "ACCENT": "#7fb5e6",
    "WARNING": "#f0a08c",
}


def pictures(report: ReportModel, scale: float = 2) -> dict[str, bytes]:
    """Every chart as PNG, by the name that `html` asks its source for."""
    drawn = {tile.name: charts.sparkline(tile.points) for tile in report.tiles if tile.points}
    drawn["month"] = charts.month(report.month.daily, report.month.budget)
    return {name: charts.png(chart, scale) for name, chart in drawn.items()}


def html(report: ReportModel, source: Callable[[str], str]) -> str:
    """Mail HTML: tables and inline styles only; `source` gives the address of a picture, such as cid:…"""
    template = _environment().get_template("report.mjml.j2")
    mjml = template.render(report=report, source=source, colours=COLOURS, dark=DARK)
    inliner = css_inline.CSSInliner(
        inline_style_tags=False, keep_style_tags=True, load_remote_stylesheets=False, extra_css=_css()
    )
    return inliner.inline(mrml.to_html(mjml).content)


def text(report: ReportModel) -> str:
    """Plain text of at most 78 columns with every number of the HTML."""
    return _environment().get_template("report.txt.j2").render(report=report)


def pdf(report: ReportModel) -> bytes:
    """The same page for print, with definitions; accessible (PDF/UA-1) unless a name has letters that no font here has."""
    images = {f"{name}.png": content for name, content in pictures(report, PRINT_SCALE).items()}
    inputs = {"report": json.dumps(_for_typst(report)), "colours": json.dumps(COLOURS)}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in images.items():
            (Path(folder) / name).write_bytes(content)
        try:
            return _typeset(Path(folder), inputs, report, ["ua-1"])
        except typst.TypstError as error:
            if "could not be displayed" not in str(error):
                raise MeterhouseError(f"report.typ: {error}; this is a defect, report it") from error
            print("report: a name has letters that no installed font has; the PDF is not PDF/UA", file=sys.stderr)
            return _typeset(Path(folder), inputs, report, [])


def _typeset(root: Any, inputs: dict[str, str], report: ReportModel, standards: list[Any]) -> bytes:
    return typst.compile(
        (TEMPLATES / "report.typ").read_bytes(), root=root, format="pdf", sys_inputs=inputs, pdf_standards=standards,
        timestamp=datetime.combine(report.week.end, time(), UTC),
    )  # fmt: skip


def _for_typst(report: ReportModel) -> dict[str, Any]:
    """The report as JSON values; chart data become file names."""
    document: dict[str, Any] = asdict(report) | {"week": report.week.label}
    document["month"] = {**document["month"], "daily": None, "budget": None, "picture": "/month.png"}
    for tile, row in zip(report.tiles, document["tiles"], strict=True):
        row["picture"] = f"/{tile.name}.png" if tile.points else None
        row["points"] = None
    return json.loads(json.dumps(document, default=str))


def _css() -> str:
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    for name, colour in COLOURS.items():
        css = css.replace(name, colour)
    return css


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=jinja2.select_autoescape(["mjml.j2"]), undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {"wrap": _wrap, "underline": _underline, "aligned": _aligned}
    return environment


def _wrap(text: str, indent: str = "", first: str | None = None) -> str:
    lead = indent if first is None else first
    return textwrap.fill(
        text, TEXT_WIDTH, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _underline(text: str) -> str:
    return f"{_wrap(text)}\n{'-' * min(_columns(text), TEXT_WIDTH)}"


def _aligned(table: Table) -> str:
    """Names to the left, figures to the right; the names give way when the line is too long."""
    rows = [table.columns, *(row.cells for row in table.rows), *([table.total.cells] if table.total else [])]
    widths = [max(_columns(row[at]) for row in rows) for at in range(1, len(table.columns))]
    names = min(max(_columns(row[0]) for row in rows), TEXT_WIDTH - sum(widths) - 2 * len(widths))
    lines = []
    for row in rows:
        figures = [cell.rjust(width) for cell, width in zip(row[1:], widths, strict=True)]
        lines.append("  ".join([_cut(row[0], names), *figures]).rstrip())
    return "\n".join(lines)


def _cut(text: str, width: int) -> str:
    while _columns(text) > width:
        text = f"{text[:-2]}…"
    return text + " " * (width - _columns(text))


def _columns(text: str) -> int:
    """Columns of a terminal: East Asian letters take two, marks on top of others none."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)
