"""Figures in words: the one place where a number of the report becomes text, so that all its parts say the same.

A headline figure has three significant digits, a table is exact to the cent. Unknown is a dash, never 0.
"""

import unicodedata
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

UNKNOWN = "–"
NAME_LIMIT = 32
_SCALES = ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))
_PLAIN_BELOW = 10_000  # up to here three digits are read faster without a letter


def money(value: Decimal | None) -> str:
    """Dollars in three significant digits, below a hundred to the cent: $43.67, $2,620, $12.3k, $4.54M."""
    if value is None:
        return UNKNOWN
    sign, size = "−" if value < 0 else "", abs(value)
    if 0 < size < Decimal("0.005"):
        return f"<{sign}$0.01"
    exact = size.quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    return f"{sign}${exact if 0 < exact < 100 else _scaled(_significant(size))}"


def cents(value: Decimal | None) -> str:
    """Dollars to the cent."""
    if value is None:
        return UNKNOWN
    rounded = value.quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    return f"{'−' if rounded < 0 else ''}${abs(rounded):,}"


def count(value: Decimal | None) -> str:
    """A whole number; a large one in three significant digits: 44, 6,709, 1.36B."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) < _PLAIN_BELOW else _scaled(_significant(value))


def share(value: Decimal | None) -> str:
    """A share in percent with one decimal where it says something: 90.9%, 0.94%, 100%."""
    if value is None:
        return UNKNOWN
    percent = value * 100
    if percent in (0, 100):
        return f"{percent:.0f}%"
    return f"{percent:.2f}%" if abs(percent) < 1 else f"{percent:.1f}%"


def figure(value: Decimal | None, unit: str) -> str:
    """A value in the words of its unit."""
    return {"usd": money, "share": share}.get(unit, count)(value)


def signed(value: Decimal, text: str) -> str:
    """The text of a size with the sign of its value."""
    return f"{'+' if value > 0 else '−'}{text}"


def percent_change(now: Decimal, before: Decimal) -> str:
    """+22.5%, −3.1%, +140%."""
    change = (now / before - 1) * 100
    digits = 1 if abs(change) < 100 else 0
    text = f"{abs(change):,.{digits}f}"
    return "±0%" if Decimal(text.replace(",", "")) == 0 else signed(change, f"{text}%")


def name(text: str | None, missing: str) -> str:
    """A name from the data on one line, without marks that steer a screen, and short."""
    if text is None:
        return missing
    kept = "".join(
        " " if char.isspace() else char for char in text if unicodedata.category(char)[0] != "C" or char.isspace()
    )
    plain = " ".join(kept.split())
    return (plain if len(plain) <= NAME_LIMIT else plain[: NAME_LIMIT - 1] + "…") or missing


def agent(text: str | None, missing: str) -> str:
    """An agent's name in its product's spelling: Claude Code, Codex, Gemini CLI."""
    words = (text or "").split("_")
    return name(" ".join("CLI" if word == "cli" else word.capitalize() for word in words), missing)


def day(value: date) -> str:
    """15 November."""
    return f"{value.day} {value:%B}"


def span(first: date, last: date) -> str:
    """9–15 November 2026, naming month and year once where that is enough."""
    if first.year != last.year:
        return f"{day(first)} {first.year} – {day(last)} {last.year}"
    if first.month != last.month:
        return f"{day(first)} – {day(last)} {last.year}"
    return f"{first.day}–{day(last)} {last.year}"


def listed(names: list[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def plural(number: int, noun: str) -> str:
    """1 session, 3 sessions."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def chance(probability: Decimal) -> str:
    """A probability in words, with its figure; simulation never proves that something cannot happen."""
    words = (("almost impossible", "0.02"), ("very unlikely", "0.10"), ("unlikely", "0.35"), ("about even", "0.65"),
             ("likely", "0.90"), ("very likely", "0.98"), ("almost certain", "1.01"))  # fmt: skip
    word = next(word for word, below in words if probability < Decimal(below))
    if probability < Decimal("0.01"):
        return f"{word} (under 1%)"
    return f"{word} (over 99%)" if probability > Decimal("0.99") else f"{word} ({probability * 100:.0f}%)"


def _significant(value: Decimal) -> Decimal:
    """The value rounded to three significant digits."""
    if value == 0:
        return value
    return value.quantize(Decimal(1).scaleb(value.adjusted() - 2), ROUND_HALF_EVEN)


def _scaled(size: Decimal) -> str:
    if abs(size) >= _PLAIN_BELOW:
        for scale, letter in _SCALES:
            if abs(size) >= scale:
                size = size / scale
                return f"{size:.{max(2 - size.adjusted(), 0)}f}{letter}"
    return f"{size:,.{max(2 - size.adjusted(), 0)}f}" if size else "0"
