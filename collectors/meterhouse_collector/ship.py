"""Takes sealed segments to the destination, oldest first, and keeps a receipt of each for 30 days.

A segment leaves the spool only after the destination holds its bytes durably, or has said that it never will; every other
failure keeps it.
"""

import os
import sys
import time
from typing import Any, Dict

from . import durable, resend, segment
from .errors import ClashError, RefusedError, ShipError, TooLargeError
from .spool import Spool, Waiting, list_waiting

KEEP_RECEIPTS = 30 * 86400
BACKOFF_FIRST, BACKOFF_MAX, BACKOFF_DENIED = 1.0, 600.0, 3600.0
AWAKE_SPREAD = 30.0  # seconds over which machines that wake at the same hour come back
WAIT_MAX = 60.0  # seconds that `once` waits for a destination that asked for patience
DEAD, DAMAGED = "dead_letter", "spool_damaged"  # reasons of drops


def ship_one(spool: Spool, waiting: Waiting, destination: Any) -> int:
    """Ship one segment; how many events it held. Raises ShipError and keeps it when that did not work.

    One that the destination does not take as it is comes back under other names, or lies in `dead/`: 0 events.
    """
    try:
        with open(waiting.path, "rb") as file:
            data = file.read()
    except FileNotFoundError:  # replaced since the folder was listed
        return 0
    if segment.digest(data) not in waiting.name:
        set_aside(spool, waiting, data)
        return 0
    header, _ = segment.unseal(data)
    try:
        destination.put(key_of(spool.sender, waiting), data)
    except (ClashError, TooLargeError, RefusedError) as error:
        _change(spool, waiting, header, error)
        return 0
    return settle(spool, waiting, destination.url, data)


def set_aside(spool: Spool, waiting: Waiting, data: bytes) -> None:
    """Bytes that changed on this disk are kept for a look, never shipped, and counted as far as they can be read."""
    with spool.disk():
        resend.put_aside(spool, waiting, DAMAGED, segment.announced(data))
    print(
        f"{waiting.name}: its bytes changed on this disk; put aside in {spool.folder}, its events count as dropped",
        file=sys.stderr,
    )


def key_of(sender: str, waiting: Waiting) -> str:
    """The object that a segment becomes."""
    return f"raw/v1/direct/{sender}/{waiting.name}"


def settle(spool: Spool, waiting: Waiting, url: str, data: bytes) -> int:
    """The destination holds it: a receipt, then it leaves the spool. How many events it held."""
    count, now = segment.unseal(data)[0]["count"], time.time()
    spool.cursors.receive(waiting.name, url, count, len(data), _instant(now), _instant(now - KEEP_RECEIPTS))
    spool.cursors.commit()
    durable.remove(waiting.path)
    return count


def ship_all(spool: Spool, destination: Any, tries: int = 3) -> int:
    """Ship everything that waits, trying a passing failure a few times quickly; how many events arrived."""
    count = 0
    while found := list_waiting(spool.folder):  # again: what was split or numbered anew waits under other names
        for waiting in found:
            count += _try(spool, waiting, destination, tries)
    return count


def _try(spool: Spool, waiting: Waiting, destination: Any, tries: int) -> int:
    for attempt in range(1, tries + 1):
        try:
            return ship_one(spool, waiting, destination)
        except ShipError as error:
            if not error.passing or attempt == tries:
                raise
            time.sleep(min(max(0.5 * attempt, error.retry_after or 0), WAIT_MAX))
    raise AssertionError("the last attempt returns or raises")


def _change(spool: Spool, waiting: Waiting, header: Dict[str, Any], error: ShipError) -> None:
    """Make of a segment what the destination can take; raises the error again where somebody must look first."""
    with spool.disk():
        if isinstance(error, ClashError):
            if spool.is_renumbered:  # a second clash at once is not a copied spool
                raise error
            spool.is_renumbered = True
            print(f"{error}; what waits here gets new numbers", file=sys.stderr)
            spool.seal()
            resend.renumber(spool, list_waiting(spool.folder))
        elif isinstance(error, TooLargeError) and header["count"] > 1:
            spool.seal()
            resend.split(spool, waiting, header["count"])
        elif isinstance(error, TooLargeError) and not error.final:
            raise error
        else:
            print(f"{error}; kept in {os.path.join(spool.folder, 'dead')}", file=sys.stderr)
            resend.bury(spool, waiting, header, DEAD, str(error))


class Backoff:
    """When to try again: full jitter up to ten minutes for what may pass, hourly for what somebody must mend.

    The jitter is also what brings 10,000 machines back one by one after an outage: each waits at random within ten minutes.
    """

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
        self._failures += 1
        ceiling = min(BACKOFF_MAX, BACKOFF_FIRST * 2 ** min(self._failures, 16))
        asked = min(error.retry_after or 0.0, BACKOFF_DENIED)
        self._not_before = now + (asked + _jitter(ceiling) if error.passing else BACKOFF_DENIED)
        if str(error) != self._told:
            self._told = str(error)
            print(self._told, file=sys.stderr)

    def woke_up(self, now: float) -> None:
        """The machine slept: whatever was wrong with the network may be over."""
        self._not_before = min(self._not_before, now + _jitter(AWAKE_SPREAD))


def _jitter(ceiling: float) -> float:
    import random

    return random.uniform(0, ceiling)  # noqa: S311


def _instant(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
