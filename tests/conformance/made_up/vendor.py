"""The made-up agent's vendor: one report of one row a day."""

from meterhouse_collector.amounts import whole
from meterhouse_collector.days import midnight
from meterhouse_collector.vendors import Report, Row, day_window, objects

NAME = "sketchpad"
BASE = "https://sketchpad.invalid"
PER_MINUTE = 600


def headers(key):
    """How a request says who asks."""
    return {"X-Key": key}


def _usage(api, day):
    rows = objects(api.get("/usage", [("day", day.isoformat())]), "rows")
    values = [{"agent": NAME, "product": NAME, "output_tokens": whole(row["wrote"])} for row in rows]
    return day_window(day, [Row("vendor_usage", midnight(day), one) for one in values])


REPORTS = (Report("sketchpad_usage", _usage, 3),)
