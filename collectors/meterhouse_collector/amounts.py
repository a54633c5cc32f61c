"""Vendors' amounts and counts as exact decimals: cents here, dollars there, strings, integers and floats. Never through float.

JSON is read with `parse_float=Decimal`, so `0.1` is a tenth. An amount that is there and no number fails its window:
money is not left out in silence.
"""

from decimal import Decimal, InvalidOperation
from typing import Any, Optional

from .errors import WindowError
from .events import fits
from .fields import FIELDS

DIGITS_MAX = 18  # before the point; more is a defect, and a trap: 1e999999999 is a short text
CENT = Decimal("0.01")


def dollars(value: Any) -> Optional[Decimal]:
    """An amount that the vendor states in dollars, as number or text; None when it states none."""
    if value is None:
        return None
    if isinstance(value, (bool, float)) or not isinstance(value, (str, int, Decimal)):
        raise WindowError("an amount is no number")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise WindowError("an amount is no number") from None
    if not amount.is_finite() or amount.adjusted() > DIGITS_MAX:
        raise WindowError("an amount is no number")
    return amount


def cents(value: Any) -> Optional[Decimal]:
    """Dollars of an amount that the vendor states in cents, with fractions of cents: "123.45" is 1.2345."""
    amount = dollars(value)
    return None if amount is None else amount * CENT


def check_currency(value: Any) -> None:
    """Amounts are US dollars or the window is not taken; vendors write USD or usd."""
    if not isinstance(value, str) or value.upper() != "USD":
        raise WindowError("amounts are not in US dollars")


def whole(value: Any) -> Optional[int]:
    """A count that may have been written as 12.0; above the contract's bounds too, for `rows.publishable` splits it."""
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() <= DIGITS_MAX and value == int(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None


def added(*counts: Optional[int]) -> Optional[int]:
    """The sum; unknown when a part is unknown."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def fits_count(value: int) -> bool:
    """Whether one event can carry the count."""
    return fits(FIELDS["input_tokens"], value)
