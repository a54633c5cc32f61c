"""Runs inside a LiteLLM proxy: `litellm_settings: {callbacks: meterhouse_collector.gateways.litellm_callback.handler}`.

A request never waits for us and never fails with us: a callback only puts its record into a bounded queue; one thread makes
it durable in a spool of this process's own and ships it. Lost by a kill is what a callback had not handed over or the thread
not committed, some milliseconds; what the queue cannot hold is counted and told in the next segment.
"""

import atexit
import os
import queue
import sys
import threading
import time
from argparse import Namespace
from contextlib import suppress
from typing import Any, Dict, List, Optional

from meterhouse_collector.destination import open_destination
from meterhouse_collector.errors import CollectorError, LockedError, ShipError, SpoolFullError
from meterhouse_collector.gateways import litellm as calls
from meterhouse_collector.inlet import Inlets
from meterhouse_collector.place import Place, resolve
from meterhouse_collector.ship import Backoff, ship_one
from meterhouse_collector.spool import Spool, list_waiting

try:
    from litellm.integrations.custom_logger import CustomLogger  # type: ignore[import-not-found]
except ImportError:  # only inside the proxy; tests and tools import this without it
    CustomLogger = object  # type: ignore[assignment,misc]

SPOOL = "METERHOUSE_SPOOL"  # folder of the spools of all workers; collector.json lies in it
QUEUE_MAX = 20_000
BATCH_MAX = 500
SEAL_AFTER = 5.0
REOPEN = 30.0
WORKERS_MAX = 64


class Writer(threading.Thread):
    """The one thread that touches the spool; `hand_over` may be called from any other."""

    def __init__(self) -> None:
        super().__init__(name="meterhouse", daemon=True)
        self._queue: "queue.Queue[Optional[Dict[str, Any]]]" = queue.Queue(QUEUE_MAX)
        self._overflow = 0

    def hand_over(self, record: Any) -> None:
        """Take a record for later; returns at once, whatever happens."""
        if isinstance(record, dict):
            try:
                self._queue.put_nowait(record)
            except queue.Full:
                self._overflow += 1

    def finish(self, seconds: float = 10.0) -> None:
        """Make durable and ship what there is, at the end of the process."""
        if self.is_alive():
            self._queue.put(None)
            self.join(seconds)

    def run(self) -> None:
        """Until `finish`; an error that a person can mend is told once, and what comes meanwhile is lost and counted."""
        told = ""
        while True:
            try:
                place, spool = _open()
                try:
                    _Drain(place, spool, self).run()
                    return
                finally:
                    spool.close()
            except CollectorError as error:
                if str(error) != told:
                    told = str(error)
                    print(f"meterhouse: {told}", file=sys.stderr)
                time.sleep(REOPEN)  # the queue fills, and overflows counted, until somebody has mended it

    def take(self, seconds: float) -> "tuple[List[Dict[str, Any]], bool]":
        """Records that came within so many seconds, and whether more may come."""
        found: List[Dict[str, Any]] = []
        try:
            record = self._queue.get(timeout=seconds)
            while record is not None:
                found.append(record)
                if len(found) == BATCH_MAX:
                    return found, True
                record = self._queue.get_nowait()
            return found, False
        except queue.Empty:
            return found, True

    def overflow(self) -> int:
        """Records that the queue could not hold, since the last time this was asked."""
        count, self._overflow = self._overflow, 0
        return count


class _Drain:
    """An open spool, its inlets and the times at which something is due."""

    def __init__(self, place: Place, spool: Spool, writer: Writer) -> None:
        self._spool = spool
        self._writer = writer
        self._inlets = Inlets(spool, place.publisher(spool.sender))
        self._destination = open_destination(place.to)
        self._backoff = Backoff()

    def run(self) -> None:
        """Take, commit, seal, ship; sealed and shipped once more at the end."""
        more = True
        while more:
            records, more = self._writer.take(1.0)
            self._keep(records)
            if not more or self._spool.unsealed_age() >= SEAL_AFTER:
                self._spool.seal()
            self._ship()

    def _keep(self, records: List[Dict[str, Any]]) -> None:
        inlet = self._inlets("litellm", "gateway")
        inlet.drop("gateway_queue_full", self._writer.overflow())
        for number, record in enumerate(records):
            try:
                for draft in calls.drafts(record, inlet):
                    inlet.take(draft)
            except SpoolFullError:
                inlet.drop("spool_full", len(records) - number)
                break
            except Exception:  # a record of a shape that no release had so far costs itself alone
                inlet.drop("source_error")
        if records:
            with suppress(SpoolFullError):  # raised after what was taken is durable
                self._inlets.commit()

    def _ship(self) -> None:
        now = time.monotonic()
        if not self._backoff.allows(now):
            return
        try:
            for waiting in list_waiting(self._spool.folder):
                ship_one(self._spool, waiting, self._destination)
                self._backoff.worked()
        except ShipError as error:
            self._backoff.failed(error, now)


class Handler(CustomLogger):  # type: ignore[misc,valid-type]
    """What LiteLLM calls after each request; the writer starts with the first, after the workers have forked."""

    def __init__(self) -> None:
        super().__init__()
        self._writer: Optional[Writer] = None
        self._process = 0

    @property
    def writer(self) -> Writer:
        """This process's writer."""
        if self._writer is None or self._process != os.getpid():
            self._writer, self._process = Writer(), os.getpid()
            atexit.register(self._writer.finish)
            self._writer.start()
        return self._writer

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A request that was answered."""
        self._log(kwargs)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """A request that failed."""
        self._log(kwargs)

    def _log(self, kwargs: Any) -> None:
        try:
            self.writer.hand_over(kwargs.get("standard_logging_object"))
        except Exception as error:  # a request must never fail with us
            print(f"meterhouse: {type(error).__name__} in the callback; the call is not counted", file=sys.stderr)


def _open() -> "tuple[Place, Spool]":
    """The first spool that no other worker of this machine holds: after a restart, the same ones again."""
    base = os.environ.get(SPOOL) or os.path.join(os.path.expanduser("~"), ".meterhouse", "litellm")
    os.makedirs(base, mode=0o700, exist_ok=True)
    for number in range(WORKERS_MAX):
        place = resolve(Namespace(home=None, spool=os.path.join(base, f"worker-{number}"), settings=None, to=None))
        try:
            return place, place.open_spool()
        except LockedError:
            continue
    raise CollectorError(f"{base}: {WORKERS_MAX} workers hold all spools; set {SPOOL} to another folder")


handler = Handler()
