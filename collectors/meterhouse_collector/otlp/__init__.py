"""OTLP bodies in, content-free events out; what a body says beyond the dialects' allow-lists is never looked at.

`receive` takes one decoded body of any sender: the laptop's receiver, an intake or a replay of recorded bodies. Every record
ends in exactly one count: accepted, ignored (its dialect knows it and needs it not) or rejected by reason.
"""

from collections import Counter
from typing import Any, Callable, Dict, NamedTuple

from meterhouse_collector.inlet import Inlet

from .dialects import Dialect, installed
from .records import SIGNALS, Record, count_points, records

SOURCE, GATEWAY_SOURCE = "otlp", "otlp_gateway"
InletOf = Callable[[str, str], Inlet]  # source and channel to the way in; `inlet.Inlets` is one

__all__ = ["GATEWAY_SOURCE", "SIGNALS", "SOURCE", "InletOf", "Outcome", "receive"]


class Outcome(NamedTuple):
    """What became of a body's records; `rejected` is what an OTLP answer tells as partial success."""

    accepted: int
    ignored: Dict[str, int]
    rejected: Dict[str, int]


def receive(inlet_of: InletOf, signal: str, body: Any) -> Outcome:
    """Take the events of one body of `logs`, `traces` or `metrics`; the caller commits the inlets, then answers.

    Never raises on any JSON. A record that was taken before counts as accepted, so that a retry is told success.
    Metrics are counted and not read: they know no request, no id and no order, and agents disagree on temporality.
    """
    otlp, accepted = inlet_of(SOURCE, SOURCE), 0
    ignored: "Counter[str]" = Counter()
    rejected: "Counter[str]" = Counter()
    if signal == "metrics":
        ignored["otlp_metrics"] = count_points(body)
    for record in records(signal, body):
        dialect = next((each for each in installed() if each.claims(record)), None)
        if dialect is None:
            rejected["otlp_unknown"] += 1
            continue
        found = _take(dialect, record, inlet_of)
        accepted += found == "accepted"
        ignored["otlp_ignored"] += found == "ignored"
        rejected["contract"] += found == "contract"
    for reason, count in ignored.items():
        otlp.note(reason, count)
    otlp.drop("otlp_unknown", rejected["otlp_unknown"])  # the inlet itself counts breaches of the contract
    return Outcome(accepted, dict(+ignored), dict(+rejected))


def _take(dialect: Dialect, record: Record, inlet_of: InletOf) -> str:
    """What a gateway tells is another witness than what an agent tells, so it has a source and a channel of its own."""
    found = "ignored"
    for draft in dialect.read(record, inlet_of(SOURCE, SOURCE)):
        is_gateway = bool(draft.values.get("gateway"))
        inlet = inlet_of(GATEWAY_SOURCE, "gateway") if is_gateway else inlet_of(SOURCE, SOURCE)
        refused = inlet.refused
        inlet.take(draft._replace(key=(dialect.name, *draft.key)))
        found = "contract" if inlet.refused > refused else "accepted"
    return found
