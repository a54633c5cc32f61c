"""`run`: follow the session files, take the agents' OTLP, ship within seconds, until told to stop. Idle, it costs a few looks a second.

Whatever fails is tried again and told once; the agents never notice us, and what is not read yet stays in their files.
"""

import signal
import sys
import time
from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Optional

from meterhouse_collector.collect import collect
from meterhouse_collector.destination import open_destination
from meterhouse_collector.errors import ShipError, SpoolError, SpoolFullError
from meterhouse_collector.heartbeat import Heartbeat
from meterhouse_collector.place import Place, resolve
from meterhouse_collector.ship import Backoff, ship_one
from meterhouse_collector.spool import Spool, list_waiting
from meterhouse_collector.watch import Watch

if TYPE_CHECKING:
    from meterhouse_collector.otlp.receiver import Receiver

POLL = 1.0  # seconds between looks at files that changed lately
SEAL_AFTER = 3.0  # seconds that an event may wait for company in its segment
PUTS = 2  # segments a poll: 10,000 machines come back from an outage at once
REOPEN = 30.0
ASLEEP = 60.0  # a jump of the wall clock that means the machine slept


class Stop:
    """A flag that a signal raises. No threading.Event: its lock is held by the very wait that the signal interrupts."""

    def __init__(self) -> None:
        self.is_raised = False

    def set(self, *_: Any) -> None:
        """Ask to stop; a signal handler may call it at any moment."""
        self.is_raised = True

    def is_set(self) -> bool:
        """Whether somebody asked to stop."""
        return self.is_raised

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than a poll once asked to stop."""
        end = time.monotonic() + seconds
        while not self.is_raised and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, POLL))


def main(arguments: Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; both end it cleanly, with exit code 0."""
    place = resolve(arguments)
    stop = Stop()
    for name in ("SIGTERM", "SIGINT"):
        signal.signal(getattr(signal, name), stop.set)
    follow(place, open_destination(place.to, place.settings), stop)
    return 0


def follow(place: Place, destination: Any, stop: Stop) -> None:
    """Keep a spool open; a disk that failed is tried again, and recovery tells what it really holds."""
    backoff, receiver, first = Backoff(), None, True
    while not stop.is_set():
        try:
            spool = place.open_spool()
            try:
                if first:
                    print(f"following {place.home}, shipping to {destination.url}", file=sys.stderr)
                    receiver = listen(place, spool.sender)
                first = False
                _Follower(place, spool, destination, backoff, receiver).run(stop)
            finally:
                spool.close()
        except SpoolError as error:
            if first:  # a spool that cannot be opened at all is for the user to mend
                raise
            print(error, file=sys.stderr)
            stop.wait(REOPEN)


def listen(place: Place, sender: str) -> "Optional[Receiver]":
    """The agents' OTLP receiver; without its port, session files are still followed."""
    settings = place.settings
    if not settings.otlp_port:
        return None
    from meterhouse_collector.otlp.receiver import (  # here: http.server costs 30 ms and is not always needed
        HOST,
        Receiver,
    )

    limit = settings.spool_limit_mb << 20
    try:
        receiver = Receiver(place.spool, limit, place.publisher(sender), settings.otlp_port, settings.otlp_token)
    except OSError as error:
        print(
            f"otlp_port: {HOST}:{settings.otlp_port} cannot be opened ({error.strerror}); "
            "stop the other program or set another port, 0 for none",
            file=sys.stderr,
        )
        return None
    print(f"listening for OTLP on http://{HOST}:{receiver.port}", file=sys.stderr)
    return receiver


class _Follower:
    """One open spool and the times at which something is due."""

    def __init__(
        self, place: Place, spool: Spool, destination: Any, backoff: Backoff, receiver: "Optional[Receiver]"
    ) -> None:
        self.place = place
        self.spool = spool
        self.destination = destination
        self.backoff = backoff
        self.receiver = receiver
        self.reader = place.reader(spool, spool.sender)
        self.reader.comes_again = True
        self.watch = Watch()
        self.told_full = False
        self.heartbeat = Heartbeat(place.host)

    def run(self, stop: Stop) -> None:
        """Poll until stopped; the last events are sealed, the next start ships them."""
        skew = time.time() - time.monotonic()
        while not stop.is_set():
            self._read()
            if self.spool.unsealed_age() >= SEAL_AFTER:
                self.spool.seal()
            if abs(time.time() - time.monotonic() - skew) > ASLEEP:  # set back, it tells nothing, but must be followed
                skew = time.time() - time.monotonic()
                self.backoff.woke_up(time.monotonic())
            self._ship()
            stop.wait(POLL)
        if self.receiver:
            self.receiver.close()
            with suppress(SpoolFullError):  # what stays in the journal is moved at the next start
                self.receiver.journal.move(self.spool)
        self.spool.seal()

    def _read(self) -> None:
        begin = time.monotonic()
        try:
            if self.receiver:
                self.receiver.journal.move(self.spool)
            self.spool.check_room()  # a full spool costs this look, not a search of all folders
            if self.watch.search_due(begin):
                files = collect(self.reader, self.place)
                self.heartbeat.beat(self.spool, self.reader.publisher, len(files))
                looks = {path: seen for path, (seen, _) in self.reader.known.items()}
                now = time.monotonic()
                self.watch.searched(files, looks, self.reader.folders, now, now - begin)
            else:
                self.reader.read(self.watch.files)
            self.told_full = False
        except SpoolFullError as error:
            if not self.told_full:
                print(error, file=sys.stderr)
            self.told_full = True

    def _ship(self) -> None:
        now = time.monotonic()
        if not self.backoff.allows(now):
            return
        try:
            for waiting in list_waiting(self.spool.folder)[:PUTS]:
                count = ship_one(self.spool, waiting, self.destination)
                self.backoff.worked()
                if count:
                    print(f"{count} events shipped to {self.destination.url}", file=sys.stderr)
        except ShipError as error:
            self.backoff.failed(error, now)
