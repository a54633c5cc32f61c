"""DuckDB's SQL as Spark's: what sqlglot translates, plus one entry a construct that it gets wrong or Spark refuses.

A rewrite keeps the meaning on every row, NULLs and ties included; `make test-spark` compares the results of all models.
docs/scale.md lists what cannot be written portably.
"""

from collections.abc import Callable, Mapping
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import UnsupportedError

from meterhouse.errors import ModelError

# functions whose results were the same on both engines; sqlglot translates others too, but says nothing of their meaning
PORTABLE = frozenset((
    "AnyValue", "ArgMax", "ArgMin", "Array", "ArrayAgg", "ArrayDistinct", "ArraySort", "ArrayToString", "Coalesce", "Concat",
    "ConcatWs", "Contains", "Count", "DateDiff", "DayOfWeekIso", "EndsWith", "Explode", "FirstValue", "Flatten", "Floor",
    "GenerateSeries", "Greatest", "Lag", "Lead", "Least", "Length", "LogicalAnd", "LogicalOr", "Lower", "MD5", "Max", "Min",
    "Nullif", "Pad", "Rank", "RegexpExtract", "RegexpLike", "RegexpReplace", "Replace", "RowNumber", "StartsWith",
    "StrPosition", "Substring", "Sum", "TimeToStr", "TimeToUnix", "TimestampTrunc", "UnixToTime", "Unnest", "map_entries",
    "And", "Or", "Case", "If", "Cast", "TryCast",  # grammar that sqlglot counts among the functions
))  # fmt: skip
_KEPT = "is_kept_row"  # the condition of a QUALIFY, as a column of the SELECT it filters


def to_spark(sql: str) -> str:
    """One SELECT of DuckDB as one of Spark 4; raises ModelError for what has no translation."""
    whole = exp.Subquery(this=sqlglot.parse_one(sql, dialect="duckdb"))
    for node in reversed(list(whole.bfs())):  # from the leaves up, so that a rewrite is made of rewritten parts
        if isinstance(node, exp.Func):
            _refuse_unknown(node)
        rule = REWRITES.get(type(node))
        if rule and (other := rule(node)) is not node:
            node.replace(other)
    try:
        return whole.this.sql(dialect="spark", comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)
    except UnsupportedError as error:
        raise ModelError(f"{error}; write it in the common subset, see docs/scale.md") from error


def _refuse_unknown(node: Any) -> None:
    name = node.name if isinstance(node, exp.Anonymous) else type(node).__name__
    if name not in PORTABLE:
        raise _unportable(node, "is not known to mean the same on Spark; compare it in a case and add it to PORTABLE")


def _unportable(node: exp.Expr, what: str) -> ModelError:
    return ModelError(f"{node.sql(dialect='duckdb')}: {what} (docs/scale.md)")


def _filter_outside(node: Any) -> exp.Expr:
    """QUALIFY is not in every Spark, and sqlglot's own way leaves helper columns where the SELECT has a star."""
    if not (qualify := node.args.get("qualify")):
        return node
    inner = node.copy().select(exp.alias_(exp.paren(qualify.this.copy()), _KEPT))
    inner.set("qualify", None)
    inner.set("with_", None)
    star = exp.Star(except_=[exp.to_identifier(_KEPT)])
    outer = exp.select(star).from_(inner.subquery("qualified")).where(exp.column(_KEPT))
    outer.set("with_", node.args.get("with_"))
    return outer


def _epoch_ms(node: Any) -> exp.Expr:
    """`epoch_ms(instant)` reads like the constructor of an instant; the models only ever take one apart."""
    return exp.func("unix_millis", node.this, dialect="spark")


def _weekday(node: Any) -> exp.Expr:
    """Monday is 1; sqlglot's formula makes Sunday 2."""
    return exp.paren(
        exp.Add(this=exp.Anonymous(this="weekday", expressions=[node.this]), expression=exp.Literal.number(1))
    )


def _text_of_time(node: Any) -> exp.Expr:
    """Spark's patterns have no ISO week."""
    if node.args["format"].name == "%Y-%m":
        return node
    if node.args["format"].name != "%G-W%V":
        raise _unportable(node, "is neither of the formats %Y-%m and %G-W%V, which were compared")
    year = exp.Extract(this=exp.var("YEAROFWEEK"), expression=node.this.copy())
    week = exp.Anonymous(this="weekofyear", expressions=[node.this.copy()])
    padded = exp.Anonymous(
        this="lpad", expressions=[exp.cast(week, "text"), exp.Literal.number(2), exp.Literal.string("0")]
    )
    return exp.Anonymous(this="concat", expressions=[exp.cast(year, "text"), exp.Literal.string("-W"), padded])


def _boundaries(node: Any) -> exp.Expr:
    """DuckDB counts the minutes that begin between two instants, Spark the minutes that are full."""
    if node.args["unit"].name.lower() != "minute":
        raise _unportable(node, "only minutes are translated; subtract the boundaries of another unit")
    ends = [
        exp.IntDiv(
            this=exp.Anonymous(this="unix_seconds", expressions=[side.copy()]), expression=exp.Literal.number(60)
        )
        for side in (node.this, node.expression)
    ]
    return exp.paren(exp.Sub(this=ends[0], expression=ends[1]))


def _list_length(node: Any) -> exp.Expr:
    """`len` of a list; of text the models take `length`."""
    if not node.find(exp.Array):
        return node
    return exp.cast(exp.Anonymous(this="size", expressions=[node.this]), "bigint")


def _cast(node: Any) -> exp.Expr:
    """A generator stands alone in Spark: cast the list, not its rows."""
    if not isinstance(node.this, exp.Explode):
        return node
    inner = node.this.this
    listed = exp.DataType(this=exp.DataType.Type.ARRAY, expressions=[node.to.copy()], nested=True)
    return exp.Explode(this=exp.cast(inner, listed))


def _known_of(node: Any) -> exp.Expr:
    """DuckDB passes over rows whose answer is NULL, Spark over those whose order is NULL only."""
    answer, order = node.this, node.expression
    known = exp.Case().when(exp.Not(this=exp.Is(this=answer.copy(), expression=exp.null())), order)
    return type(node)(this=answer, expression=known)


def _first_only(node: Any) -> exp.Expr:
    """DuckDB replaces the first match, Spark all: the same where a pattern can match once only."""
    pattern = node.expression.name
    if not node.expression.is_string or not (pattern.startswith("^") or pattern.endswith("$")):
        raise _unportable(node, "replaces all matches on Spark; anchor the pattern")
    return node


def _unordered(node: Any) -> exp.Expr:
    """sqlglot drops the order without a word."""
    if node.find(exp.Order):
        raise _unportable(node, "loses its order on Spark; sort the list with list_sort")
    return node


def _wide_rank(node: Any) -> exp.Expr:
    """Ranks are BIGINT in DuckDB and INT in Spark."""
    if not isinstance(node.this, exp.RowNumber | exp.Rank | exp.DenseRank):
        return node
    return exp.cast(node.copy(), "bigint")


def _unhinted(node: Any) -> exp.Expr:
    """Spark decides by itself which parts of a query it computes once."""
    node.set("materialized", None)
    return node


REWRITES: Mapping[type[exp.Expr], Callable[[Any], exp.Expr]] = {
    exp.Select: _filter_outside,
    exp.UnixToTime: _epoch_ms,
    exp.DayOfWeekIso: _weekday,
    exp.TimeToStr: _text_of_time,
    exp.DateDiff: _boundaries,
    exp.Length: _list_length,
    exp.Cast: _cast,
    exp.ArgMin: _known_of,
    exp.ArgMax: _known_of,
    exp.RegexpReplace: _first_only,
    exp.ArrayAgg: _unordered,
    exp.Window: _wide_rank,
    exp.CTE: _unhinted,
}
