"""Takes sealed segments to the destination, oldest first, and keeps a receipt of each for 30 days.

A segment leaves the spool only after the destination holds its bytes durably; every failure keeps it.
"""

import os
import sys
import time
from typing import Any

from . import durable, segment
from .errors import ShipError
from .spool import Spool, Waiting, list_waiting

KEEP_RECEIPTS = 30 * 86400
BACKOFF_FIRST, BACKOFF_MAX, BACKOFF_DENIED = 1.0, 600.0, 3600.0


def ship_one(spool: Spool, waiting: Waiting, destination: Any) -> int:
    """Ship one segment; how many events it held. Raises ShipError and keeps it when that did not work."""
    with open(waiting.path, "rb") as file:
        data = file.read()
    if segment.digest(data) not in waiting.name:
        aside = os.path.join(spool.folder, "aside")
        durable.make_private(aside)
        os.replace(waiting.path, os.path.join(aside, waiting.name))
        print(
            f"{waiting.name}: its bytes changed on this disk; put aside in {aside}, its sequence number is a gap",
            file=sys.stderr,
        )
        return 0
    header, _ = segment.unseal(data)
    destination.put(f"raw/v1/direct/{spool.sender}/{waiting.name}", data)
    now = time.time()
    spool.cursors.receive(
        waiting.name, destination.url, header["count"], len(data), _instant(now), _instant(now - KEEP_RECEIPTS)
    )
    spool.cursors.commit()
    durable.remove(waiting.path)
    return header["count"]


def ship_all(spool: Spool, destination: Any, tries: int = 3) -> int:
    """Ship everything that waits, trying a passing failure a few times quickly; how many events arrived."""
    count = 0
    for waiting in list_waiting(spool.folder):
        for attempt in range(1, tries + 1):
            try:
                count += ship_one(spool, waiting, destination)
                break
            except ShipError as error:
                if not error.passing or attempt == tries:
                    raise
                time.sleep(0.5 * attempt)
    return count


class Backoff:
    """When to try again: full jitter up to ten minutes for what may pass, hourly for what somebody must mend."""

    def __init__(self) -> None:
        self._failures = 0
        self._not_before = 0.0
        self._told = ""

    def allows(self, now: float) -> bool:
        """Whether an attempt is due."""
        return now >= self._not_before

    def worked(self) -> None:
        """Start again from one second."""
        self._failures, self._not_before, self._told = 0, 0.0, ""

    def failed(self, error: ShipError, now: float) -> None:
        """Wait longer, and say why once."""
        import random

        self._failures += 1
        ceiling = min(BACKOFF_MAX, BACKOFF_FIRST * 2 ** min(self._failures, 16))
        self._not_before = now + (random.uniform(0, ceiling) if error.passing else BACKOFF_DENIED)  # noqa: S311
        if str(error) != self._told:
            self._told = str(error)
            print(self._told, file=sys.stderr)

    def woke_up(self) -> None:
        """The machine slept: whatever was wrong with the network may be over."""
        self._not_before = 0.0


def _instant(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
