"""Events from inside a program that must never wait for us: queue, journal (fsynced), spool, destination.

Every process has a slot of its own below one folder, because a spool has one holder. `offer` never blocks and never raises.
What is lost at a kill is what no thread of ours had yet written: the queue, milliseconds long while the disk works.
"""

import atexit
import contextlib
import os
import queue
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO, Callable, List, Optional, Tuple

from meterhouse_collector import durable
from meterhouse_collector.destination import open_destination
from meterhouse_collector.errors import CollectorError, LockedError, ShipError, SpoolError, SpoolFullError
from meterhouse_collector.events import Draft
from meterhouse_collector.inlet import Inlet
from meterhouse_collector.journal import Arrival, Journal
from meterhouse_collector.place import Place
from meterhouse_collector.settings import NAME, Settings, load
from meterhouse_collector.ship import Backoff, ship_one
from meterhouse_collector.spool import Spool, list_waiting

QUEUE_MAX = 20_000  # calls; some 50 MB
BATCH = 500  # calls that share one fsync
POLL, SEAL_AFTER, ADOPT_EVERY, RETRY = 0.5, 3.0, 60.0, 30.0
SLOTS = 256
PUTS = 8  # segments a poll
OVERFLOW, FULL = "gateway_queue_full", "spool_full"


def tell(text: str, told: "set[str]" = set()) -> None:  # noqa: B006 - once a process is what the default is for
    """One line on stderr, the same only once; never with anything of a call."""
    if text not in told:
        told.add(text)
        print(f"meterhouse: {text}", file=sys.stderr, flush=True)


class Forwarder:
    """The threads and the slot of one process."""

    def __init__(self, base: str, settings: Settings, source: str, channel: str) -> None:
        self.key = settings.key
        self._base, self._settings, self._source, self._channel = base, settings, source, channel
        self._queue: "queue.Queue[List[Draft]]" = queue.Queue(QUEUE_MAX)
        self._process = os.getpid()
        self._dropped: Counter[str] = Counter()
        self._slot: Optional[Tuple[str, BinaryIO]] = None
        self._journal: Optional[Journal] = None
        self._inlet: Optional[Inlet] = None
        self._destination: Any = None
        self._backoff = Backoff()
        self._keeping = threading.Lock()
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._threads = [threading.Thread(target=self._forever, args=(step,), daemon=True, name=f"meterhouse-{name}")
                         for name, step in (("spool", self._hold_slot), ("write", self._write))]  # fmt: skip
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)

    def offer(self, drafts: List[Draft]) -> None:
        """Take the events of one call; when the disk has failed for long they are counted as dropped."""
        if self._stop.is_set():  # the program's own work goes on to its very end, when nobody waits for an answer
            self._keep(drafts)
            return
        try:
            self._queue.put_nowait(drafts)
        except queue.Full:
            self.drop(OVERFLOW, len(drafts))
            tell("events cannot be written fast enough; what is dropped is counted")

    def drop(self, reason: str, count: int = 1) -> None:
        """Something will not be sent; the next segment says so."""
        self._dropped[reason] += count

    def wait(self, seconds: float) -> bool:
        """Whether all that was offered became durable in time."""
        end = time.monotonic() + seconds
        while self._queue.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.005)
        return not self._queue.unfinished_tasks

    def close(self, seconds: float = 5.0) -> None:
        """Write what is queued and ship what can be shipped in time; the rest waits on disk for the next process."""
        if self._process != os.getpid():  # a fork has none of the threads
            return
        self.wait(seconds / 2)
        self._stop.set()
        self._threads[0].join(seconds / 2)

    def _forever(self, step: Callable[[], None]) -> None:
        """A thread of ours ends with the process only."""
        while not self._stop.is_set():
            try:
                step()
            except CollectorError as error:
                tell(str(error))
                self._stop.wait(RETRY)
            except Exception as error:
                tell(f"{type(error).__name__} in a thread of the plugin; it goes on")
                self._stop.wait(RETRY)

    # the writer: queue to journal

    def _write(self) -> None:
        """One batch; returns when it is durable."""
        self._ready.wait()
        batch = [self._queue.get()]
        with contextlib.suppress(queue.Empty):
            while len(batch) < BATCH:
                batch.append(self._queue.get_nowait())
        try:
            self._keep([draft for drafts in batch for draft in drafts])
        finally:
            for _ in batch:
                self._queue.task_done()

    def _keep(self, drafts: List[Draft]) -> None:
        with self._keeping:
            self._take(drafts)

    def _take(self, drafts: List[Draft]) -> None:
        assert self._inlet is not None, "set before the writer is let go"
        assert self._journal is not None, "set before the writer is let go"
        dropped, self._dropped = self._dropped, Counter()
        for reason, count in dropped.items():
            self._inlet.drop(reason, count)
        if self._journal.size >= self._settings.spool_limit_mb << 18:  # a quarter; it is small unless the spool is full
            self._inlet.drop(FULL, len(drafts))
            drafts = []
        for draft in drafts:
            self._inlet.take(draft)
        while True:
            try:
                self._inlet.commit()
                return
            except OSError as error:  # what was not written stays pending, and is written again
                tell(f"{self._base}: cannot be written ({error.strerror}); make room or check its rights")
                if self._stop.wait(1.0):
                    raise

    # the holder of the slot: journal to spool to destination

    def _hold_slot(self) -> None:
        """Until the process ends, or the spool fails and is opened again."""
        if self._slot is None:
            self._slot = self._free_slot()
        try:
            self._run(Place(Path(self._base), self._slot[0], os.environ, self._settings))
        except SpoolError as error:
            tell(str(error))
            self._stop.wait(RETRY)

    def _free_slot(self) -> Tuple[str, BinaryIO]:
        """The first folder that no living process holds: by a lock of its own, kept also while the spool is reopened."""
        for number in range(SLOTS):
            lock = _try_lock(self._base, number)
            if lock is not None:
                return os.path.join(self._base, str(number)), lock
        raise SpoolError(f"{self._base}: {SLOTS} processes hold spools here; use another folder")

    def _run(self, place: Place) -> None:
        spool = place.open_spool()
        try:
            if self._journal is None:
                self._journal = Journal(spool.folder)
                self._inlet = Inlet(Arrival(self._journal), place.publisher(spool.sender), self._source, self._channel)
                self._ready.set()
            adopt_at = 0.0
            while True:
                is_last = self._stop.is_set()
                self._forward(spool, self._journal, is_last)
                if is_last:
                    return
                if time.monotonic() >= adopt_at:
                    self._adopt(spool.folder)
                    adopt_at = time.monotonic() + ADOPT_EVERY
                self._stop.wait(POLL)
        finally:
            spool.close()

    def _forward(self, spool: Spool, journal: Journal, is_last: bool) -> None:
        try:
            journal.move(spool)
        except SpoolFullError as error:
            tell(str(error))
        if is_last or spool.unsealed_age() >= SEAL_AFTER:
            spool.seal()
        self._ship(spool)

    def _ship(self, spool: Spool) -> None:
        if not self._backoff.allows(time.monotonic()):
            return
        try:
            if self._destination is None:
                self._destination = open_destination(
                    Place(Path(self._base), "", os.environ, self._settings).to, self._settings
                )
            for waiting in list_waiting(spool.folder)[:PUTS]:
                ship_one(spool, waiting, self._destination)
                self._backoff.worked()
        except SpoolError:
            raise
        except CollectorError as error:  # nothing set, or no such place: the events wait
            told = error if isinstance(error, ShipError) else ShipError(str(error), True)
            self._backoff.failed(told, time.monotonic())

    def _adopt(self, own: str) -> None:
        """Ship what processes that are gone have left."""
        for name in sorted(os.listdir(self._base)):
            folder = os.path.join(self._base, name)
            lock = _try_lock(self._base, int(name)) if name.isdigit() and folder != own else None
            if lock is None:
                continue
            with lock, contextlib.suppress(LockedError):
                spool = Place(Path(self._base), folder, os.environ, self._settings).open_spool()
                try:
                    self._forward(spool, Journal(folder), is_last=True)
                finally:
                    spool.close()


def _try_lock(base: str, number: int) -> Optional[BinaryIO]:
    try:
        return durable.lock(os.path.join(base, f"slot-{number}.lock"))
    except LockedError:
        return None


def open_forwarder(base: str, source: str, channel: str) -> Forwarder:
    """A forwarder below the folder, by the settings file in it and the environment; raises CollectorError or OSError."""
    durable.refuse_shared_place(base)
    durable.make_private(base)
    return Forwarder(base, load(os.path.join(base, NAME), os.environ), source, channel)
