"""Prints all alerts that were ever decided and what became of each message; recipients are counted, never named."""

from meterhouse.adhoc import print_rows
from meterhouse.errors import MeterhouseError
from meterhouse.outbox import STATES, Delivery, history
from meterhouse.paths import DataDir

COLUMNS = ("decided_at", "as_of", "severity", "rule", "subject", "state", "deliveries", "dedup_key")


def print_alerts(data: DataDir, form: str = "table") -> None:
    """Print as table, csv or json, oldest first; a mistyped directory is an error, because no alerts is good news."""
    if not data.root.is_dir():
        raise MeterhouseError(
            f"{data.root}: no such data directory; run `meterhouse run --raw DEST --data {data.root}`"
        )
    rows = [
        (alert.decided_at, alert.as_of, alert.severity, alert.rule, alert.subject, _state(deliveries),
         ", ".join(map(_told, deliveries)), alert.dedup_key)
        for alert, deliveries in history(data.outbox)
    ]  # fmt: skip
    print_rows(COLUMNS, rows, form)


def undelivered(data: DataDir) -> int:
    """Messages whose last attempt failed or was left without an answer; those never tried do not count."""
    return sum(row.state in ("failed", "unknown") for _, deliveries in history(data.outbox) for row in deliveries)


def _state(deliveries: list[Delivery]) -> str:
    """The state furthest from sent."""
    return min((row.state for row in deliveries), key=STATES.index)


def _told(row: Delivery) -> str:
    return f"{row.channel} {row.state}" + (f" ({row.last_error})" if row.last_error and row.state != "sent" else "")
