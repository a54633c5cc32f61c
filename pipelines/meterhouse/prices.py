"""Writes the price list that SQL prices from: genai-prices, flattened into two seeds with the same bytes every time.

The only module that imports genai-prices, which is a development dependency: the warehouse reads the committed seeds.
Whatever the package can say and a row cannot is an error here, never a price that is quietly wrong.
"""

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from datetime import UTC, date, time
from decimal import Decimal
from importlib.metadata import version
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers
from genai_prices.data_units import unit_data
from genai_prices.units import UnitRegistry

from meterhouse.paths import models_dir

ALWAYS = date(1970, 1, 1)
OPEN = date(9999, 12, 31)
PICO = 10**12
UNITS = UnitRegistry(unit_data)
SIZE_WORDS = frozenset({"max", "mini", "nano", "pro", "ultra", "lite", "plus", "spark"})
# a name that adds one of these is another model, whatever price the package thinks it shares: see decisions/0003
FREE = ":free"
NOT_SPEECH = r"^(?!.*-[tT][tT][sS](?:$|-))"
# the one exclusion in the package; a row need not say it, because SQL refuses a name that goes on after a pattern with
# such a word anyway


@dataclass(frozen=True)
class Price:
    """One price: provider, model, meter, context, validity, hours and tier; `price_pico` is 1e-12 USD per one unit."""

    price_provider: str
    price_model: str
    meter: str
    price_context: str
    valid_from: date
    valid_to: date
    utc_from: str
    utc_to: str
    tier_start: int
    tier_end: int | None
    price_pico: int
    lost_pico: Decimal | None
    source_version: str


@dataclass(frozen=True)
class Matcher:
    """One way to name a model: `provider` serves it, the price stands under `price_provider` and `price_model`."""

    provider: str
    match_rank: int
    price_provider: str
    price_model: str
    operator: str
    pattern: str


@dataclass(frozen=True)
class Span:
    """When a set of prices holds."""

    valid_from: date
    valid_to: date
    utc_from: str = ""
    utc_to: str = ""


def prices() -> Iterator[Price]:
    """Every price of the package, in its own order."""
    for provider in providers:
        for model in provider.models:
            for span, prices_ in _own_prices(model):
                for key, value in _items(prices_):
                    yield from _price_rows(provider.id, model.id, "", span, key, value)
            if model.id.endswith(FREE):
                yield from _free(provider.id, model)
            for context, span, key, value in _context_prices(model):
                yield from _price_rows(provider.id, model.id, context, span, key, value)


def _free(provider: str, model: types.ModelInfo) -> Iterator[Price]:
    """A model that is free by its name has no prices in the package; the rows say 0, because no row means unknown."""
    if any(_items(prices_) for _, prices_ in _own_prices(model)):
        raise ValueError(f"{provider} {model.id}: named free, yet priced; extend the exporter")
    for key in ("input_mtok", "output_mtok"):
        yield from _price_rows(provider, model.id, "", Span(ALWAYS, OPEN), key, Decimal(0))


def _items(prices_: types.ModelPrice) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in vars(prices_).items() if value is not None]


def _own_prices(model: types.ModelInfo) -> Iterator[tuple[Span, types.ModelPrice]]:
    """The sets of prices without a context: dated ones follow each other, timed ones replace them within their hours."""
    conditions = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    dated = [c for c in conditions if not isinstance(c.constraint, types.TimeOfDateConstraint)]
    timed = conditions[len(dated) :]
    starts = [_start(condition.constraint) for condition in dated]
    if starts[0] != ALWAYS or any(a >= b for a, b in pairwise(starts)) or conditions[: len(dated)] != dated:
        raise ValueError(f"{model.id}: prices are not in order of their start, hours last; extend the exporter")
    for condition, start, end in zip(dated, starts, [*starts[1:], OPEN], strict=True):
        yield Span(start, end), condition.prices
    meters = {key for condition in dated for key, _ in _items(condition.prices)}
    for condition in timed:
        if {key for key, _ in _items(condition.prices)} != meters:
            raise ValueError(f"{model.id}: hours price other meters than the day does; extend the exporter")
        yield Span(ALWAYS, OPEN, *_hours(condition.constraint)), condition.prices


def _start(constraint: Any) -> date:
    if constraint is None:
        return ALWAYS
    if isinstance(constraint, types.StartDateConstraint):
        return constraint.start_date
    raise ValueError(f"{constraint}: not a start date; extend the exporter")


def _hours(constraint: Any) -> tuple[str, str]:
    begin, end = constraint.start_time, constraint.end_time
    if begin >= end or any(_not_a_utc_minute(moment) for moment in (begin, end)):
        raise ValueError(f"{constraint}: not whole minutes of one UTC day; extend the exporter")
    return f"{begin:%H:%M}", f"{end:%H:%M}"


def _not_a_utc_minute(moment: time) -> bool:
    return bool(moment.second or moment.microsecond or moment.tzinfo not in (None, UTC))


def _context_prices(model: types.ModelInfo) -> Iterator[tuple[str, Span, str, Any]]:
    """Prices of a context; on each day the first variant that has the meter decides it."""
    for context, variants in _by_context(model.price_variants or []).items():
        starts = sorted({_start(variant.constraint) for variant in variants})
        for key in dict.fromkeys(key for variant in variants for key, _ in _items(variant.prices)):
            winners = [(start, _winner(variants, key, start)) for start in starts]
            changes = [next(run) for _, run in groupby(winners, key=lambda winner: winner[1])]
            for (start, number), (end, _) in pairwise([*changes, (OPEN, None)]):
                if number is not None:
                    yield context, Span(start, end), key, vars(variants[number].prices)[key]


def _by_context(variants: Iterable[types.PriceVariant]) -> dict[str, list[types.PriceVariant]]:
    contexts: dict[str, list[types.PriceVariant]] = {}
    for variant in variants:
        if len(variant.when) != 1:
            raise ValueError(f"{variant.when}: a context of several conditions; extend the exporter")
        (name, value), *_ = variant.when.items()
        contexts.setdefault(f"{name}={value}", []).append(variant)
    return contexts


def _winner(variants: list[types.PriceVariant], key: str, day: date) -> int | None:
    """Number of the variant that prices the meter on that day."""
    numbered = enumerate(variants)
    return next((n for n, v in numbered if _start(v.constraint) <= day and vars(v.prices).get(key) is not None), None)


def _price_rows(provider: str, model: str, context: str, span: Span, key: str, value: Any) -> Iterator[Price]:
    unit = UNITS.unit_for_price_key(key)
    tiers = (
        [(0, value)] if isinstance(value, Decimal) else [(0, value.base), *((t.start, t.price) for t in value.tiers)]
    )
    ends = [start for start, _ in tiers[1:]] + [None]
    for (start, usd), end in zip(tiers, ends, strict=True):
        exact = usd * PICO / unit.per
        pico = int(exact.to_integral_value("ROUND_HALF_EVEN"))
        yield Price(
            provider, model, unit.usage_key, context, span.valid_from, span.valid_to, span.utc_from, span.utc_to,
            start, end, pico, (exact - pico).normalize() if exact != pico else None, version("genai-prices"),
        )  # fmt: skip


def matchers() -> Iterator[Matcher]:
    """Every way the package recognises a model, own models first, then those of the providers it resells."""
    by_id = {provider.id: provider for provider in providers}
    for provider in providers:
        sellers = [provider, *(by_id[name] for name in provider.fallback_model_providers or [])]
        offered = [(seller, model) for seller in sellers for model in seller.models]
        for rank, (seller, model) in enumerate(offered, start=1):
            for operator, pattern in _alternatives(model.match):
                if not (operator == "equals" and _names_another_size(pattern, model.id)):
                    yield Matcher(provider.id, rank, seller.id, model.id, operator, pattern)


def _alternatives(clause: Any) -> Iterator[tuple[str, str]]:
    """The clause as alternatives of (operator, pattern); the package compares names in lower case."""
    if isinstance(clause, types.ClauseOr):
        for part in clause.or_:
            yield from _alternatives(part)
    elif isinstance(clause, types.ClauseAnd):
        positive, negative = clause.and_
        if negative != types.ClauseRegex(regex=NOT_SPEECH):
            raise ValueError(f"{clause}: a condition that a row cannot express; extend the exporter")
        yield from _alternatives(positive)
    elif isinstance(clause, types.ClauseRegex):
        if "(?!" in clause.regex:
            raise ValueError(f"{clause}: the engine has no lookahead; extend the exporter")
        yield "regex", clause.regex
    else:
        ((operator, pattern),) = vars(clause).items()
        yield operator, pattern.lower()


def _names_another_size(name: str, model: str) -> bool:
    return bool(SIZE_WORDS & (_words(name) - _words(model)))


def _words(name: str) -> set[str]:
    return set(re.findall("[a-z]+", name.lower()))


def seeds() -> dict[str, str]:
    """File name to text of every generated seed."""
    return {"prices.csv": _csv(Price, prices()), "price_matchers.csv": _csv(Matcher, matchers())}


def _csv(kind: type, rows: Iterable[Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(kind))
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()


def main() -> None:
    """Rewrite the seeds of this checkout."""
    folder: Path = models_dir() / "seeds"
    for name, text in seeds().items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
        print(f"{folder / name}: {text.count(chr(10)) - 1} rows", file=sys.stderr)


if __name__ == "__main__":
    main()
