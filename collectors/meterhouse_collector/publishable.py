"""From a vendor's row to values that the contract takes, without losing a token or a cent.

Amounts below 0 become rows of their own with charge_category `credit`, whose amounts are to be subtracted.
Counts above what one event may carry go on in further rows: rows of a report add up.
"""

from decimal import Decimal
from typing import Any, Dict, Iterator

from .events import KINDS, money
from .fields import COUNT_MAX
from .vendors import Row

MONEY = ("list_amount_usd", "amount_usd", "reported_cost_usd")
SPLIT_MAX = 10_000  # 10^14 tokens of one row of one day: a defect, not a measurement


def publishable(row: Row) -> Iterator[Row]:
    """The row, the remainders of counts too large for it, and the credit in it."""
    values: Dict[str, Any] = {
        name: value for name, value in row.values.items() if value is not None or name == "person_key"
    }
    amounts: Dict[str, Decimal] = {name: values.pop(name) for name in MONEY if name in values}
    charged = {name: money(amount) for name, amount in amounts.items() if amount >= 0}
    credited = {name: money(-amount) for name, amount in amounts.items() if amount < 0}
    counts = {name: value for name, value in values.items() if type(value) is int}
    said = {name: value for name, value in values.items() if name not in counts}
    for number in range(SPLIT_MAX):
        part = {name: min(value, COUNT_MAX) for name, value in counts.items()}
        yield Row(row.kind, row.occurred_at, {**said, **part, **(charged if number == 0 else {})})
        counts = {name: value - COUNT_MAX for name, value in counts.items() if value > COUNT_MAX}
        if not counts:
            break
    if credited:
        yield Row("vendor_usage", row.occurred_at, _credit(said, credited))


def _credit(said: Dict[str, Any], credited: Dict[str, Any]) -> Dict[str, Any]:
    known = KINDS["vendor_usage"].fields  # a request that is paid back is known by fields that a report lacks
    kept = {name: value for name, value in said.items() if name in known and name != "session_id"}
    credited.pop("reported_cost_usd", None)
    return {**kept, **credited, "charge_category": "credit"}
