"""Numbers in words: three significant digits, no percentage of little, unknown is a dash."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.metrics import Figure
from meterhouse.report import wording
from meterhouse.report.course import change

MONEY = [
    (None, "–"), ("0", "$0"), ("0.004", "<$0.01"), ("0.5", "$0.50"), ("43.668", "$43.67"), ("99.994", "$99.99"),
    ("99.996", "$100"), ("886.3", "$886"), ("999.6", "$1,000"), ("2620.13", "$2,620"), ("9995", "$10.0k"),
    ("11600", "$11.6k"), ("999600", "$1.00M"), ("4543210", "$4.54M"), ("1234567890", "$1.23B"), ("-745.1", "−$745"),
    ("1E+12", "$1.00T"),
]  # fmt: skip
COUNTS = [(None, "–"), ("0", "0"), ("56", "56"), ("6709", "6,709"), ("62310852", "62.3M"), ("1358417945", "1.36B")]
SHARES = [(None, "–"), ("0", "0%"), ("1", "100%"), ("0.909", "90.9%"), ("0.0094", "0.94%"), ("0.99999", "100.0%")]
CHANCES = [("0", "almost impossible (under 1%)"), ("0.3", "unlikely (30%)"), ("0.5", "about even (50%)"),
           ("0.984", "almost certain (98%)"), ("1", "almost certain (over 99%)")]  # fmt: skip
CHANGES = [
    # unit, now, before: numerator and denominator each
    ("usd", (2620, 1), (2139, 1), "+22.5%"),
    ("usd", (100, 1), (300, 1), "−66.7%"),
    ("usd", (9000, 1), (300, 1), "+2,900%"),
    ("usd", (300, 1), (300, 1), "±0%"),
    ("usd", (30001, 1), (30000, 1), "±0%"),
    ("usd", (50, 1), (0, 1), "+$50.00"),
    ("usd", (16, 1), (18, 1), "−$2.00"),
    ("usd", (16, 1), (None, 1), "–"),
    ("usd", ("0.004", 1), ("0.001", 1), "±0"),
    ("people", (5, 1), ("4.75", 1), "±0"),
    ("people", (22, 1), (19, 1), "+3"),
    ("people", (5, 1), (5, 1), "±0"),
    ("people", (22, 1), (20, 1), "+10.0%"),
    ("share", (40, 44), (26, 34), "+14.4 pt"),
    ("share", (40, 44), (26, 29), "–"),
    ("share", (0, 0), (26, 34), "–"),
    ("share", (10, 1000), (10, 1000), "±0 pt"),
]
NAMES = [
    ("payments", "payments"), (None, "(none)"), ("", "(none)"), ("\x1b[31mred\x1b[0m", "[31mred[0m"),
    ("a\u202eb\u200bc", "abc"), ("two\r\n lines\t", "two lines"), ("x" * 40, "x" * 31 + "…"), ("\x00", "(none)"),
]  # fmt: skip
SPANS = [
    (date(2026, 11, 9), date(2026, 11, 15), "9–15 November 2026"),
    (date(2026, 10, 26), date(2026, 11, 1), "26 October – 1 November 2026"),
    (date(2026, 12, 28), date(2027, 1, 3), "28 December 2026 – 3 January 2027"),
]


def _decimal(text):
    return None if text is None else Decimal(text)


@pytest.mark.parametrize(("value", "text"), MONEY)
def test_money_has_three_significant_digits_and_cents_below_a_hundred(value, text):
    assert wording.money(_decimal(value)) == text


@pytest.mark.parametrize(("value", "text"), COUNTS)
def test_counts_are_whole_until_they_are_long(value, text):
    assert wording.count(_decimal(value)) == text


@pytest.mark.parametrize(("value", "text"), SHARES)
def test_shares_are_percentages(value, text):
    assert wording.share(_decimal(value)) == text


@pytest.mark.parametrize(("value", "text"), CHANCES)
def test_chances_have_a_word_and_are_never_certain(value, text):
    assert wording.chance(Decimal(value)) == text


@pytest.mark.parametrize(("unit", "now", "before", "text"), CHANGES)
def test_changes_say_nothing_where_there_is_nothing_to_say(unit, now, before, text):
    figures = [Figure({}, _decimal(numerator), Decimal(denominator), False) for numerator, denominator in (now, before)]
    assert change(*figures, unit) == text


@pytest.mark.parametrize(("given", "text"), NAMES)
def test_names_are_one_short_line_without_steering_marks(given, text):
    assert wording.name(given, "(none)") == text


@pytest.mark.parametrize(("first", "last", "text"), SPANS)
def test_a_span_names_month_and_year_as_seldom_as_it_can(first, last, text):
    assert wording.span(first, last) == text


def test_cents_are_rounded_half_to_even_like_every_ledger():
    assert [wording.cents(Decimal(text)) for text in ("0.125", "0.135", "-1.005", "1234567890.12")] == [
        "$0.12", "$0.14", "−$1.00", "$1,234,567,890.12"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("claude_code", "Claude Code"),
        ("gemini_cli", "Gemini CLI"),
        ("codex", "Codex"),
        (None, "–"),
        ("", "–"),
        ("a" * 40, "A" + "a" * 30 + "…"),
    ],
)
def test_agents_have_their_products_spelling(given, text):
    assert wording.agent(given, wording.UNKNOWN) == text
