"""OTLP at the intake: one thread owns the spool, takes what all senders push, and ships it; an answer follows the fsync.

A full spool answers success with everything rejected, and counts it: an agent must neither wait nor try again because of us.
"""

import queue
import sys
import threading
import time
from typing import Any, Callable, List, Optional, Tuple

from meterhouse_collector import otlp, segment, ship
from meterhouse_collector.errors import ShipError, SpoolError, SpoolFullError
from meterhouse_collector.events import Draft
from meterhouse_collector.inlet import Inlets
from meterhouse_collector.otlp.records import records
from meterhouse_collector.privacy import Publisher
from meterhouse_collector.settings import Settings
from meterhouse_collector.spool import Spool, Waiting, list_waiting

from .errors import HttpError
from .tokens import Token

WAITING_MAX = 256  # bodies in memory that wait for the spool
ANSWER_SECONDS = 20.0
POLL, SEAL_AFTER, REOPEN = 0.5, 3.0, 5.0
FULL = "spool_full"


class SenderPublisher(Publisher):
    """Makes events of one sender: its person is the token's, whoever the sender names; a gateway may name anybody."""

    def event(self, draft: Draft, source: str, channel: str) -> Tuple[str, bytes]:
        """As the base class does, with the person settled first."""
        claimed = draft.values.get("person_key", self.person_key or None)
        person = self.person_key if claimed is not None and self.person_key else claimed
        return super().event(draft._replace(values={**draft.values, "person_key": person}), source, channel)


class Job:
    """One body on its way through the desk."""

    def __init__(self, token: Token, signal: str, body: Any) -> None:
        self.token, self.signal, self.body = token, signal, body
        self.done = threading.Event()
        self.outcome: Optional[otlp.Outcome] = None  # none when the spool failed

    def finish(self, outcome: Optional[otlp.Outcome]) -> None:
        """Wake the thread that waits to answer."""
        self.outcome = outcome
        self.done.set()


class OtlpDesk:
    """The way of pushed events into a spool and on to the destination."""

    def __init__(self, open_spool: Callable[[], Spool], settings: Settings, destination: Any) -> None:
        self._open_spool = open_spool
        self._settings = settings
        self._destination = destination
        self._jobs: "queue.Queue[Job]" = queue.Queue(WAITING_MAX)
        self._stop = threading.Event()
        self._backoff = ship.Backoff()
        self._shipment: Optional[Shipment] = None

    def take(self, token: Token, signal: str, body: Any) -> otlp.Outcome:
        """What became of a body, once it is durable; called from any thread. Raises HttpError when it is not in time."""
        job = Job(token, signal, body)
        try:
            self._jobs.put(job, timeout=ANSWER_SECONDS / 2)
        except queue.Full:
            raise HttpError(503, "intake: busy; try again") from None
        if not job.done.wait(ANSWER_SECONDS) or job.outcome is None:
            raise HttpError(503, "intake: cannot store now; try again")
        return job.outcome

    def stop(self) -> None:
        """Ask the owner's thread to seal and end."""
        self._stop.set()

    def run(self, spool: Spool) -> None:
        """Own the spool until stopped; a disk that failed is opened again, and recovery tells what it really holds."""
        opened: Optional[Spool] = spool
        while opened is not None or not self._stop.is_set():
            try:
                opened = opened or self._open_spool()
                self._own(opened)
            except SpoolError as error:
                print(error, file=sys.stderr)
                self._stop.wait(REOPEN)
            finally:
                if opened is not None:
                    opened.close()
                opened = None

    def _own(self, spool: Spool) -> None:
        while not self._stop.is_set():
            jobs = self._next()
            try:
                self._take(spool, jobs)
            except BaseException:
                for job in jobs:
                    job.finish(None)
                raise
            if spool.unsealed_age() >= SEAL_AFTER:
                spool.seal()
            self._ship(spool)
        spool.seal()

    def _next(self) -> List[Job]:
        """Everything that waits, so that many bodies share one fsync."""
        try:
            jobs = [self._jobs.get(timeout=POLL)]
        except queue.Empty:
            return []
        while len(jobs) < WAITING_MAX:
            try:
                jobs.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        return jobs

    def _take(self, spool: Spool, jobs: List[Job]) -> None:
        """Take bodies, those of one sender after another; each answer follows the commit of its events."""
        for name in dict.fromkeys(job.token.name for job in jobs):
            own = [job for job in jobs if job.token.name == name]
            token = own[0].token
            inlets = Inlets(spool, SenderPublisher(token.person_key or "", self._settings.privacy, self._settings.key))
            is_full = _is_full(spool)
            outcomes = [_refuse(spool, job) if is_full else otlp.receive(inlets, job.signal, job.body) for job in own]
            try:
                inlets.commit()
                spool.commit()
            except SpoolFullError:
                pass  # told after the commit: the next body is refused
            for job, outcome in zip(own, outcomes):  # noqa: B905 - Python 3.9 knows no strict=
                job.finish(outcome)

    def _ship(self, spool: Spool) -> None:
        """Have one segment on its way at a time, in a thread of its own: storage that hangs must not hold answers back."""
        now = time.monotonic()
        if self._shipment is None and self._backoff.allows(now):
            found = list_waiting(spool.folder)
            self._shipment = Shipment(spool.sender, found[0], self._destination) if found else None
        elif self._shipment is not None and not self._shipment.is_alive():
            shipment, self._shipment = self._shipment, None
            if shipment.error is not None:
                self._backoff.failed(shipment.error, now)
            elif not shipment.has_arrived:
                ship.set_aside(spool, shipment.waiting, shipment.data)
            else:
                ship.settle(spool, shipment.waiting, self._destination.url, shipment.data)
                self._backoff.worked()


class Shipment(threading.Thread):
    """One segment's way to the destination; ends with an `error`, or `has_arrived`, or with data that is damaged."""

    def __init__(self, sender: str, waiting: Waiting, destination: Any) -> None:
        super().__init__(daemon=True)
        self.waiting = waiting
        self.data = b""
        self.has_arrived = False
        self.error: Optional[ShipError] = None
        self._key = ship.key_of(sender, waiting)
        self._destination = destination
        self.start()

    def run(self) -> None:
        """Put it."""
        try:
            with open(self.waiting.path, "rb") as file:
                self.data = file.read()
            if segment.digest(self.data) in self.waiting.name:
                self._destination.put(self._key, self.data)
                self.has_arrived = True
        except ShipError as error:
            self.error = error
        except OSError as error:
            self.error = ShipError(f"{self.waiting.name}: cannot be read ({error.strerror})", True)


def _is_full(spool: Spool) -> bool:
    try:
        spool.check_room()
    except SpoolFullError:
        return True
    return False


def _refuse(spool: Spool, job: Job) -> otlp.Outcome:
    count = sum(1 for _ in records(job.signal, job.body))
    spool.drop(FULL, count)
    return otlp.Outcome(0, {}, {FULL: count})
