"""Metrics: each figure is defined in one file, as numerator and denominator over a window; all pages and mails read it here.

Ratios are ratios of sums for any grouping, people are recounted per window, and cells made of fewer people than the
minimum group are emptied inside the query, so that no reader can forget to.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from meterhouse.errors import ModelError
from meterhouse.models import read_header
from meterhouse.paths import models_dir

MIN_GROUP = 5  # people active in the cell; reference: GitHub's and Viva Insights' own minimum
HEADER_KEYS = ("label", "description", "unit", "dimensions", "people", "better", "caveat")
UNITS = (
    "usd",
    "people",
    "requests",
    "tokens",
    "sessions",
    "lines",
    "commits",
    "calls",
    "share",
    "prompts",
    "pull requests",
)
TIME_DIMENSIONS = {
    "day": "day",
    "week": "CAST(date_trunc('week', day) AS DATE)",
    "month": "CAST(date_trunc('month', day) AS DATE)",
}


@dataclass(frozen=True)
class Metric:
    """One metric file. `people` is the SQL that counts the people behind a cell, for figures derived from people."""

    name: str
    label: str
    description: str
    unit: str
    dimensions: tuple[str, ...]
    people: str | None
    better: str | None
    caveat: str | None
    sql: str


@dataclass(frozen=True)
class Figure:
    """One cell: `value` is exact, None when unknown, divided by nothing or suppressed."""

    dimensions: Mapping[str, Any]
    numerator: Decimal | None
    denominator: Decimal | None
    is_suppressed: bool

    @property
    def value(self) -> Decimal | None:
        """Numerator over denominator."""
        if self.numerator is None or not self.denominator:
            return None
        return self.numerator / self.denominator


def read_metric(path: Path) -> Metric:
    """One metric file; raises ModelError for a header or SELECT that breaks the rules."""
    header, sql = read_header(path, HEADER_KEYS)
    for key in ("label", "description", "unit"):
        if not header.get(key):
            raise ModelError(f"{path}: header key '{key}' is missing; every metric states it")
    if header["unit"] not in UNITS:
        raise ModelError(f"{path}: unit is '{header['unit']}'; it is one of {', '.join(UNITS)}")
    parsed: Any = sqlglot.parse_one(sql, dialect="duckdb")
    names = {row.alias_or_name for row in parsed.selects}
    if names != {"numerator", "denominator"}:
        raise ModelError(
            f"{path}: must select numerator and denominator and nothing else; dimensions are added by the runner"
        )
    return Metric(
        path.stem, header["label"], str(header["description"]).strip(), header["unit"],
        tuple(header.get("dimensions") or ()), header.get("people"), header.get("better"), header.get("caveat"), sql,
    )  # fmt: skip


@functools.cache
def load_metrics(root: Path | None = None) -> dict[str, Metric]:
    """All metrics by name."""
    return {path.stem: read_metric(path) for path in sorted(((root or models_dir()) / "metrics").glob("*.sql"))}


def metric(
    db: duckdb.DuckDBPyConnection, name: str, start: date, end: date, by: Sequence[str] = (), **only: str
) -> list[Figure]:
    """The metric from `start` (inclusive) to `end` (exclusive), one figure a combination of `by`, in their order.

    `only` keeps one value of a dimension, such as team="search". Raises ModelError for an unknown metric or dimension.
    """
    if name not in load_metrics():
        raise ModelError(f"metric '{name}': does not exist; the metrics are {', '.join(load_metrics())}")
    chosen = load_metrics()[name]
    for dimension in (*by, *only):
        if dimension not in TIME_DIMENSIONS and dimension not in chosen.dimensions:
            known = ", ".join((*TIME_DIMENSIONS, *chosen.dimensions))
            raise ModelError(f"metric '{name}': cannot be cut by '{dimension}'; it has {known}")
    parameters = {"start": start, "end": end, **{f"only_{key}": value for key, value in only.items()}}
    try:
        rows = db.execute(query(chosen, tuple(by), tuple(only)), parameters).fetchall()
    except duckdb.BinderException as error:  # a share of the roster, say, has no day
        cut = ", ".join((*by, *only))
        raise ModelError(f"metric '{name}': cannot be cut by {cut}; ask for one window at a time") from error
    return [_figure(by, row) for row in rows]


def total(db: duckdb.DuckDBPyConnection, name: str, start: date, end: date, **only: str) -> Decimal | None:
    """The metric's one value for a window."""
    figures = metric(db, name, start, end, **only)
    return figures[0].value if figures else None


@functools.cache
def query(chosen: Metric, by: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> str:
    """The metric's SELECT with dimensions, filters and suppression put in."""
    select = sqlglot.parse_one(chosen.sql, dialect="duckdb")
    assert isinstance(select, exp.Select)
    # figures of people are judged among all siblings and only then filtered, or a filter would undo the second emptying
    late = tuple(row for row in only if chosen.people and row not in TIME_DIMENSIONS)
    cut = tuple(dict.fromkeys((*by, *late)))
    for dimension in cut:
        select = select.select(f"{TIME_DIMENSIONS.get(dimension, dimension)} AS {dimension}", dialect="duckdb")
    for dimension in only:
        if dimension not in late:
            select = select.where(f"{TIME_DIMENSIONS.get(dimension, dimension)} = $only_{dimension}", dialect="duckdb")
    people = chosen.people if any(row not in TIME_DIMENSIONS for row in cut) else None
    select = select.select(f"{people or 'NULL::BIGINT'} AS people", dialect="duckdb")
    if cut:
        select = select.group_by(*(str(number) for number in range(3, 3 + len(cut))))
    columns = ", ".join(by)
    chosen_only = " AND ".join(f"{row} = $only_{row}" for row in late) or "true"
    return f"""
        WITH cells AS ({select.sql(dialect="duckdb")}),
        judged AS (SELECT *, {_suppressed(cut)} AS is_suppressed FROM cells)
        SELECT {columns + "," if by else ""}
               CASE WHEN NOT is_suppressed THEN numerator END, CASE WHEN NOT is_suppressed THEN denominator END, is_suppressed
        FROM judged WHERE {chosen_only} {"ORDER BY " + columns if by else ""}"""


def _suppressed(cut: tuple[str, ...]) -> str:
    """SQL that says which cells are emptied: small ones, and by size so many others that no total gives a small one away.

    Of the cells that add up to one visible total, those emptied together stand for the minimum of people or more.
    """
    rules = [f"people < {MIN_GROUP}"]
    for dimension in (row for row in cut if row not in TIME_DIMENSIONS):
        others = [row for row in cut if row != dimension]
        partition = f"PARTITION BY {', '.join(others)}" if others else ""
        smaller = f"sum(people) OVER ({partition} ORDER BY people, {dimension} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
        rules.append(f"(min(people) OVER ({partition}) < {MIN_GROUP} AND {smaller} < {MIN_GROUP})")
    return f"coalesce({' OR '.join(rules)}, false)"


def _figure(by: Sequence[str], row: tuple[Any, ...]) -> Figure:
    *values, numerator, denominator, is_suppressed = row
    return Figure(dict(zip(by, values, strict=True)), _decimal(numerator), _decimal(denominator), bool(is_suppressed))


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)
