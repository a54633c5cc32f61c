"""Decodes OTLP/JSON as real agents write it: every record as a small object whose attributes are read one by one, by name.

Nothing here may raise on any JSON value. An attribute that no dialect asks for is never decoded.
"""

import re
from decimal import Decimal
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from meterhouse_collector.events import fits, money
from meterhouse_collector.fields import COUNT_MAX, FIELDS
from meterhouse_collector.json_values import ident, parts
from meterhouse_collector.lines import instant

_LAYERS = {
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "metrics": ("resourceMetrics", "scopeMetrics", "metrics"),
}
SIGNALS = tuple(_LAYERS)
_WHOLE = re.compile(r"\d{1,19}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{16}|[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_POINTS = ("gauge", "sum", "histogram", "exponentialHistogram", "summary")
_ERROR = 2  # status code of a span
_AMOUNT_MAX = Decimal(10) ** 9  # USD; more is a defect, and beyond Decimal's precision


class Attributes:
    """The attributes of a resource or record by name; a value of another type than asked for is None."""

    def __init__(self, pairs: Any) -> None:
        self._values: Dict[str, Any] = {}
        for pair in parts(pairs):
            if isinstance(pair.get("key"), str):
                self._values.setdefault(pair["key"], pair.get("value"))

    def names(self) -> "set[str]":
        """Which attributes there are."""
        return set(self._values)

    def text(self, *names: str) -> Optional[str]:
        """The first of the names that has a text of at most 200 characters."""
        for name in names:
            value = self._value(name, "stringValue")
            if isinstance(value, str) and 0 < len(value) <= 200:
                return value
        return None

    def long_text(self, name: str) -> str:
        """A text of any length, to be searched for numbers and then forgotten; "" when there is none."""
        value = self._value(name, "stringValue")
        return value if isinstance(value, str) else ""

    def inner(self, name: str) -> "Attributes":
        """The attributes inside an object; none when it is no object."""
        value = self._value(name, "kvlistValue")
        return Attributes(value.get("values") if isinstance(value, dict) else None)

    def ident(self, *names: str) -> Optional[str]:
        """The first of the names that has an id as the contract takes it."""
        return next((value for value in map(ident, map(self.text, names)) if value), None)

    def count(self, *names: str) -> Optional[int]:
        """A number from 0 under the first name that has one: agents write it as int, double or text."""
        for name in names:
            value = _number(self._values.get(name))
            if value is not None and value == value.to_integral_value() and 0 <= value <= COUNT_MAX:
                return int(value)
        return None

    def millis(self, name: str, scale: int = 1) -> Optional[int]:
        """A time span in whole milliseconds; `scale` is 1000 for seconds."""
        value = _number(self._values.get(name))
        return int(value * scale) if value is not None and 0 <= value <= COUNT_MAX // scale else None

    def flag(self, name: str) -> Optional[bool]:
        """A boolean, also as the text true or false."""
        value = self._value(name, "boolValue")
        if isinstance(value, bool):
            return value
        return {"true": True, "false": False}.get(self.text(name) or "")

    def money(self, *names: str) -> Optional[str]:
        """An amount in USD as a decimal text; the digits that were sent, never a sum of floats."""
        for name in names:
            value = _number(self._values.get(name))
            if value is not None and 0 <= value <= _AMOUNT_MAX:
                return money(value)
        return None

    def texts(self, *names: str) -> List[str]:
        """The texts of a list, as far as they fit the contract."""
        for name in names:
            values = self._value(name, "arrayValue")
            if isinstance(values, dict):
                found = [item.get("stringValue") for item in parts(values.get("values"))]
                return [text for text in found if isinstance(text, str) and fits(FIELDS["branch"], text)][:32]
        return []

    def _value(self, name: str, kind: str) -> Any:
        value = self._values.get(name)
        return value.get(kind) if isinstance(value, dict) else None


class Record(NamedTuple):
    """One log record or span. `at` is an instant; `nanos` tells two records of one millisecond from each other."""

    signal: str
    resource: Attributes
    scope: str
    name: str
    at: Optional[str]
    nanos: Optional[str]
    duration_ms: Optional[int]
    span_id: Optional[str]
    parent_span_id: Optional[str]
    trace_id: Optional[str]
    is_error: bool
    attributes: Attributes

    @property
    def service(self) -> str:
        """Name of the program that sent it."""
        return self.resource.text("service.name") or ""

    @property
    def key(self) -> "tuple[Any, ...]":
        """What tells this record from every other: its span, or the time and number that its sender gave it."""
        own = (self.span_id,) if self.signal == "traces" else (self.nanos, self.attributes.count("event.sequence"))
        return (self.trace_id, *own)


def records(signal: str, body: Any) -> Iterator[Record]:
    """The log records or spans of a body; metrics have none."""
    if signal not in ("logs", "traces"):
        return
    for resource, scope, item in _items(signal, body):
        yield _record(signal, resource, scope, item)


def signal_of(body: Any) -> Optional[str]:
    """Which signal a recorded body holds; nothing else says so."""
    return next((name for name in SIGNALS if isinstance(body, dict) and _LAYERS[name][0] in body), None)


def count_points(body: Any) -> int:
    """How many data points a body of metrics holds."""
    kinds = [metric.get(kind) for _, _, metric in _items("metrics", body) for kind in _POINTS]
    return sum(len(parts(kind.get("dataPoints"))) for kind in kinds if isinstance(kind, dict))


def _items(signal: str, body: Any) -> Iterator["tuple[Attributes, str, Dict[str, Any]]"]:
    by_resource, by_scope, items = _LAYERS[signal]
    for outer in parts(body.get(by_resource) if isinstance(body, dict) else None):
        given = outer.get("resource")
        resource = Attributes(given.get("attributes") if isinstance(given, dict) else None)
        for inner in parts(outer.get(by_scope)):
            scope = inner.get("scope")
            name = scope.get("name") if isinstance(scope, dict) else None
            for item in parts(inner.get(items)):
                yield resource, name if isinstance(name, str) else "", item


def _record(signal: str, resource: Attributes, scope: str, item: Dict[str, Any]) -> Record:
    attributes, status = Attributes(item.get("attributes")), item.get("status")
    begin, end = _nanos(item.get("startTimeUnixNano")), _nanos(item.get("endTimeUnixNano"))
    nanos = _nanos(item.get("timeUnixNano")) or _nanos(item.get("observedTimeUnixNano"))
    nanos = nanos if signal == "logs" else begin or end
    name = item.get("name") if signal == "traces" else attributes.text("event.name") or item.get("eventName")
    return Record(
        signal, resource, scope, name if isinstance(name, str) else "",
        instant(nanos // 10**6) if nanos else instant(attributes.text("event.timestamp")),
        str(nanos) if nanos else attributes.text("event.timestamp"),
        (end - begin) // 10**6 if begin and end and end >= begin else None,
        _hex(item.get("spanId")), _hex(item.get("parentSpanId")), _hex(item.get("traceId")),
        isinstance(status, dict) and status.get("code") == _ERROR, attributes,
    )  # fmt: skip


def _nanos(value: Any) -> Optional[int]:
    """Nanoseconds since 1970; 0 and nonsense are None. The fraction below a millisecond stays in the record's key."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


def _hex(value: Any) -> Optional[str]:
    """A trace or span id; "" and zeros are none."""
    return value.lower() if isinstance(value, str) and _HEX.fullmatch(value) and value.strip("0") else None


def _number(value: Any) -> Optional[Decimal]:
    """The number in an AnyValue, whichever way it is written; a text counts when it is all digits."""
    if not isinstance(value, dict):
        return None
    given = value.get("intValue", value.get("doubleValue"))
    if given is None:
        given = value.get("stringValue")
    if isinstance(given, str):
        return Decimal(given) if _WHOLE.fullmatch(given) else None
    if isinstance(given, bool) or not isinstance(given, (int, float, Decimal)):
        return None
    number = Decimal(str(given))
    return number if number.is_finite() and number.adjusted() < 19 else None
