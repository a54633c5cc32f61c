"""What a session's running total says, by model: the models' parts and the rest add up to the total, or the total stands alone.

Parts may be wrong (a sub-agent's use booked on several models), so they are told only where they do not exceed the total.
"""

from decimal import Decimal, InvalidOperation
from typing import Any, Dict, List, Optional, Tuple

from meterhouse_collector.events import money
from meterhouse_collector.json_values import count, part

Numbers = Dict[str, Any]  # by field of the contract; what is unknown is missing
_TOKENS = {"cache_read_tokens": "cache_read_input_tokens", "cache_write_tokens": "cache_creation_input_tokens"}
_NOISE = Decimal("1e-9")  # dollars: sums of floats differ by less


def split(usage: Dict[str, Any]) -> List[Tuple[Optional[str], Numbers]]:
    """(model, numbers) of everything that the total holds; None is the model of what no part has."""
    whole = _numbers(usage)
    models = [(model, _numbers(part(part(usage, "by_model"), model))) for model in sorted(part(usage, "by_model"))]
    known: List[Tuple[Optional[str], Numbers]] = [row for row in models if any(row[1].values())]
    if not any(whole.values()):
        return [(model, _published(numbers)) for model, numbers in known]
    rest = {name: value - sum(numbers.get(name, 0) for _, numbers in known) for name, value in whole.items()}
    if abs(rest.get("cost", Decimal(0))) < _NOISE:
        rest.pop("cost", None)
    is_booked_elsewhere = any(set(numbers) - set(whole) for _, numbers in known)
    if is_booked_elsewhere or any(value < 0 for value in rest.values()):
        return [(None, _published(whole))]
    if any(rest.values()):
        known.append((None, rest))
    return [(model, _published(numbers)) for model, numbers in known]


def amount(value: Any) -> Optional[Decimal]:
    """Dollars that were stored as a float, as the digits that it prints."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        exact = Decimal(money(value) or "x")
    except InvalidOperation:  # no finite amount from 0
        return None
    return exact


def _numbers(given: Dict[str, Any]) -> Numbers:
    """Tokens and cost; `input_tokens` leaves the cache out there and holds it here. A cost that is missing is unknown, not 0."""
    found: Numbers = {}
    fresh, answer = count(given.get("input_tokens")), count(given.get("output_tokens"))
    if fresh is not None and answer is not None:  # some harnesses write a cost alone
        cache = {ours: count(given.get(theirs)) for ours, theirs in _TOKENS.items()}
        found.update({name: value or 0 for name, value in cache.items()})
        found.update(input_tokens=fresh + sum(value or 0 for value in cache.values()), output_tokens=answer)
    cost = amount(given.get("total_cost_usd"))
    return found if cost is None else {**found, "cost": cost}


def _published(numbers: Numbers) -> Numbers:
    cost = numbers.get("cost")
    tokens = {name: value for name, value in numbers.items() if name != "cost"}
    if cost is None:
        return tokens
    return {**tokens, "reported_cost_usd": money(cost), "reported_cost_basis": "client_estimate"}
