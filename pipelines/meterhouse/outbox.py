"""The outbox: every alert that was decided and every message that left or has yet to leave, in one SQLite file.

A message is claimed in a transaction before it is sent and settled after. The open outbox holds a lock that the kernel
lets go of when the process dies, so a claim found at opening is a crash's: its message may or may not have left.
"""

import contextlib
import fcntl
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from meterhouse.errors import MeterhouseError

STATES = ("due", "claimed", "failed", "unknown", "sent")
MAX_DOUBTS = 2  # a message whose fate a network left open is repeated once: at most one visible duplicate
VERSION = 1
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS alert (
    dedup_key TEXT PRIMARY KEY, rule TEXT NOT NULL, severity TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
    as_of TEXT NOT NULL, decided_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
    dedup_key TEXT NOT NULL, channel TEXT NOT NULL, recipient TEXT NOT NULL, message_id TEXT,
    state TEXT NOT NULL CHECK (state IN {STATES}), attempts INTEGER NOT NULL, doubts INTEGER NOT NULL, last_error TEXT,
    changed_at TEXT NOT NULL, PRIMARY KEY (dedup_key, channel, recipient));
"""


@dataclass(frozen=True)
class Alert:
    """One alert as it was decided. Its key names rule and scope; the same key is never decided twice."""

    dedup_key: str
    rule: str
    severity: str
    subject: str
    body: str
    as_of: str  # last day of the data it was decided on
    decided_at: str


@dataclass(frozen=True)
class Delivery:
    """One message to one recipient on one channel. `dedup_key` is an alert's, or that of a report."""

    dedup_key: str
    channel: str  # mail or webhook
    recipient: str  # address, or the label of a webhook, whose own address is a secret
    message_id: str | None
    state: str
    attempts: int
    doubts: int
    last_error: str | None
    changed_at: str

    @property
    def is_open(self) -> bool:
        """Whether the next run tries it again."""
        return self.state in ("due", "failed") or (self.state == "unknown" and self.doubts < MAX_DOUBTS)


class Outbox:
    """The outbox of one data directory, open for one process at a time; another one waits."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path.with_suffix(".lock"))
        try:
            self._db = _connect(path)
            # repeated however often it happens: losing an alert is worse than repeating one after a crash
            self._db.execute(
                "UPDATE delivery SET state = 'unknown', last_error = 'interrupted' WHERE state = 'claimed'"
            )
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        os.close(self._lock)

    def decide(self, alert: Alert, recipients: Iterable[tuple[str, str]]) -> bool:
        """Record an alert and what is due for it, a channel and recipient each; False when it was decided before."""
        with self._transaction():
            values = astuple(alert)
            marks = ", ".join("?" * len(values))
            is_new = self._db.execute(f"INSERT OR IGNORE INTO alert VALUES ({marks})", values).rowcount == 1
            if is_new:
                for channel, recipient in recipients:
                    self.enter(alert.dedup_key, channel, recipient)
        return is_new

    def enter(self, key: str, channel: str, recipient: str) -> Delivery:
        """The delivery of this key, channel and recipient; due when there was none."""
        row = Delivery(key, channel, recipient, None, "due", 0, 0, None, _now())
        marks = ", ".join("?" * len(fields(row)))
        columns = ", ".join(field.name for field in fields(row))
        self._db.execute(f"INSERT OR IGNORE INTO delivery ({columns}) VALUES ({marks})", astuple(row))
        return self._read(row)

    def claim(self, delivery: Delivery, message_id: str | None = None) -> Delivery:
        """Mark a delivery as being sent; it keeps the Message-ID of its first attempt for ever."""
        claimed = replace(delivery, state="claimed", attempts=delivery.attempts + 1,
                          message_id=delivery.message_id or message_id)  # fmt: skip
        return self._write(claimed)

    def settle(self, delivery: Delivery, state: str, error: str | None = None) -> Delivery:
        """Record how the attempt ended: sent, failed or unknown."""
        doubts = delivery.doubts + (state == "unknown")
        return self._write(replace(delivery, state=state, doubts=doubts, last_error=error))

    def open_deliveries(self, channel: str) -> list[tuple[Alert, Delivery]]:
        """What is still to be sent of all alerts on one channel, oldest first."""
        history = _history(self._db)
        return [(alert, row) for alert, rows in history for row in rows if row.channel == channel and row.is_open]

    def _write(self, row: Delivery) -> Delivery:
        row = replace(row, changed_at=_now())
        with self._transaction():
            self._db.execute(
                "UPDATE delivery SET state = ?, attempts = ?, doubts = ?, message_id = ?, last_error = ?, changed_at = ? "
                "WHERE dedup_key = ? AND channel = ? AND recipient = ?",
                [row.state, row.attempts, row.doubts, row.message_id, row.last_error, row.changed_at,
                 row.dedup_key, row.channel, row.recipient],
            )  # fmt: skip
        return row

    def _read(self, row: Delivery) -> Delivery:
        found = self._db.execute(
            "SELECT * FROM delivery WHERE dedup_key = ? AND channel = ? AND recipient = ?",
            [row.dedup_key, row.channel, row.recipient],
        ).fetchone()
        return Delivery(**found)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def history(path: Path) -> list[tuple[Alert, list[Delivery]]]:
    """All alerts, oldest first, with their deliveries; may be read while another process delivers."""
    if not path.exists():
        return []
    db = _connect(path)
    try:
        return _history(db)
    finally:
        db.close()


def _history(db: sqlite3.Connection) -> list[tuple[Alert, list[Delivery]]]:
    deliveries: dict[str, list[Delivery]] = {}
    for row in db.execute("SELECT * FROM delivery ORDER BY channel, recipient"):
        deliveries.setdefault(row["dedup_key"], []).append(Delivery(**row))
    alerts = [Alert(**row) for row in db.execute("SELECT * FROM alert ORDER BY decided_at, dedup_key")]
    return [(alert, deliveries.get(alert.dedup_key, [])) for alert in alerts]


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.touch(mode=0o600)  # it holds the owners' addresses
        db = sqlite3.connect(path, isolation_level=None, timeout=30)
        db.row_factory = lambda cursor, row: {
            name[0]: value for name, value in zip(cursor.description, row, strict=True)
        }
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version = db.execute("PRAGMA user_version").fetchone()["user_version"]
        if version == 0:
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    except (OSError, sqlite3.Error) as error:
        raise MeterhouseError(f"{path}: cannot be opened ({error}); restore it from the backup") from error
    if version > VERSION:
        db.close()
        raise MeterhouseError(f"{path}: was written by a newer Meterhouse; upgrade this one")
    return db


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{path.parent}: another process is sending messages; waiting for it", file=sys.stderr)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
