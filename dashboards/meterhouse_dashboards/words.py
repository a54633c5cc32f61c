"""How pages write values and names: in the report's words, so that mail and dashboard say the same."""

from decimal import Decimal

from meterhouse.report import wording

UNKNOWN = wording.UNKNOWN
AUDIT = "/audit"  # where the site has the Data Docs
SUPPRESSED = "fewer than 5 people"


def exact(value: Decimal | float | None, unit: str) -> str:
    """A value for a table: money to the cent, all else as in the report."""
    if value is None or value != value:  # pandas knows no NULL beside numbers, only NaN
        return UNKNOWN
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return wording.cents(number) if unit == "usd" else wording.figure(number, unit)


def name(dimension: str, value: str | None) -> str:
    """A dimension's value, short and on one line; agents get their product's spelling."""
    return (wording.agent if dimension == "agent" else wording.name)(value, f"(no {dimension})")
