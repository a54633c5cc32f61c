"""The spool: events on this machine's disk from reading to shipping, in segments numbered without a gap.

Order that may not change: events fsynced, then their cursors, then the seal, then its number, then the active file goes.
What a crash left is sealed exactly as found and never appended to: a segment has one content for ever.
"""

import contextlib
import os
import sqlite3
import time
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, Optional

from . import __version__, durable, resend, segment
from .cursors import Cursors, open_cursors
from .errors import SpoolError, SpoolFullError
from .outbox import Outbox
from .segment import Entry

SEAL_EVENTS = 5000  # what an intake takes in a minute
SEAL_BYTES = 8 << 20
KEEP_FREE = 1 << 30
DATABASE = "cursors.db"


class Waiting(NamedTuple):
    """One sealed segment that has not been shipped."""

    path: str
    name: str
    size: int


class Spool(Outbox):
    """The open spool; its lock is held for as long as it lives."""

    def __init__(self, folder: str, limit: int, lock: BinaryIO, cursors: Cursors) -> None:
        super().__init__(cursors)
        self.folder = folder
        self.sender = make_identity(folder)
        self._limit = limit
        self._lock = lock
        self._active: Optional[BinaryIO] = None
        self._active_events = 0
        self._oldest: Optional[float] = None
        self.is_renumbered = False  # since it was opened
        facts = cursors.facts()
        if "epoch" not in facts:
            facts = {"epoch": os.urandom(8).hex(), "seq": "0"}
            for name, value in facts.items():
                cursors.put_fact(name, value)
            cursors.commit()
        self.epoch, self._seq = facts["epoch"], int(facts["seq"])

    @property
    def _active_path(self) -> str:
        return os.path.join(self.folder, f"active-{self.epoch}-{self._seq + 1:012d}.log")

    def close(self) -> None:
        """Let go of files and lock; what is not committed was never acknowledged."""
        if self._active:
            with contextlib.suppress(OSError):  # a full disk: what is left in the buffer was never committed
                self._active.close()
        self.cursors.close()
        self._lock.close()

    def commit(self) -> None:
        """Make the batch durable; seals when the segment is large enough. Raises SpoolFullError after it, never instead."""
        with self.disk():
            super().commit()
        if self._active and (self._active_events >= SEAL_EVENTS or self._active.tell() >= SEAL_BYTES):
            self.seal()
        self.check_room()

    @property
    def unsealed_events(self) -> int:
        """Events that are durable and in no sealed segment yet."""
        return self._active_events

    def unsealed_age(self) -> float:
        """Seconds since the oldest event that waits for its segment to be sealed."""
        return time.monotonic() - self._oldest if self._oldest is not None else 0.0

    def seal(self) -> None:
        """Close the active file and give it its name for ever; nothing happens when it is empty."""
        if self._active:
            with self.disk():
                self._active.close()
                self._seal_file(self._active_path, self.epoch, self._seq + 1)
            self._active, self._active_events, self._oldest = None, 0, None

    def take_numbers(self, count: int, new_epoch: bool = False) -> List[int]:
        """The next numbers, of a new epoch on demand; used once the caller commits. Nothing may be active meanwhile."""
        assert self._active is None, "an active file has taken its number already"
        if new_epoch:
            self.epoch, self._seq = os.urandom(8).hex(), 0
            self.cursors.put_fact("epoch", self.epoch)
        numbers = list(range(self._seq + 1, self._seq + 1 + count))
        self._seq += count
        self.cursors.put_fact("seq", self._seq)
        return numbers

    def check_room(self) -> None:
        """Refuse to read on when the spool or the disk is full; the agents' files keep what is not read."""
        used = sum(waiting.size for waiting in list_waiting(self.folder))
        if used >= self._limit:
            raise SpoolFullError(
                f"{self.folder}: {used >> 20} MB wait to be shipped, its limit; reading goes on once they are"
            )
        if durable.free_space(self.folder) < KEEP_FREE:
            raise SpoolFullError(
                f"{self.folder}: less than {KEEP_FREE >> 30} GiB free on this disk; make room, reading goes on then"
            )

    def recover(self) -> None:
        """After a crash: forget half-made files, carry out what was planned, then seal what the active file holds."""
        for folder in (self.folder, segments(self.folder)):
            for name in os.listdir(folder):
                if name.endswith(".tmp"):
                    durable.remove(os.path.join(folder, name))
        resend.carry_out(self)
        for name in sorted(os.listdir(self.folder)):
            if name.startswith("active-"):
                epoch, seq = name[len("active-") : -len(".log")].split("-")
                self._recover_file(os.path.join(self.folder, name), epoch, int(seq))

    @contextlib.contextmanager
    def disk(self) -> Iterator[None]:
        """A failed write ends this spool: open it again, and recovery tells what the disk really holds."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise SpoolError(
                f"{self.folder}: cannot be written ({reason}); make room or check its rights, nothing is lost"
            ) from error

    def _keep(self, entries: List[Entry]) -> None:
        """Append to the active file; true when this returns, also after a power cut."""
        if self._active is None:
            self._active = durable.open_new(self._active_path)
            durable.sync_folder(self.folder)
        self._active.write(b"".join(map(segment.encode, entries)))
        durable.sync(self._active)
        self._active_events += len(entries)
        self._oldest = time.monotonic() if self._oldest is None else self._oldest

    def _recover_file(self, path: str, epoch: str, seq: int) -> None:
        ours = epoch == self.epoch
        sealed = any(waiting.name.startswith(f"{epoch}-{seq:012d}-") for waiting in list_waiting(self.folder))
        if sealed or (ours and seq <= self._seq):
            if ours and seq > self._seq:
                self._number_used(seq)
            durable.remove(path)
            return
        with open(path, "rb") as file:
            data = file.read()
        entries, damages = segment.decode(data)
        for damage in damages:
            self._set_aside(f"{epoch}-{seq:012d}-{damage.start}-{damage.end}", data[damage.start : damage.end])
        self.drop("spool_damaged", len(damages))
        self.remember(entries)
        super().commit()
        if entries:
            self._seal_file(path, epoch, seq)
        else:
            durable.remove(path)

    def _seal_file(self, path: str, epoch: str, seq: int) -> None:
        """Read back what the disk holds, so that a seal never claims what was not written."""
        with open(path, "rb") as file:
            entries, _ = segment.decode(file.read())
        name, data = segment.seal(self._header(epoch, seq, len(entries)), [entry.line for entry in entries])
        durable.publish(os.path.join(segments(self.folder), name), data)
        self._number_used(seq if epoch == self.epoch else self._seq)
        durable.remove(path)

    def _header(self, epoch: str, seq: int, count: int) -> Dict[str, Any]:
        sealed_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        header = {"sender": self.sender, "epoch": epoch, "seq": seq, "count": count, "dropped": self.cursors.dropped(),
                  "collector_version": __version__, "sealed_at": sealed_at}  # fmt: skip
        given_up = resend.unused(self)
        return {**header, "unused": given_up} if given_up else header

    def _number_used(self, seq: int) -> None:
        self.cursors.sealed(seq)
        self.cursors.drop_fact(resend.UNUSED)
        self.cursors.commit()
        self._seq = seq

    def _set_aside(self, name: str, data: bytes) -> None:
        folder = os.path.join(self.folder, "aside")
        durable.make_private(folder)
        durable.publish(os.path.join(folder, name + ".bin"), data)


def open_spool(folder: str, limit: int) -> Spool:
    """Open or create the spool, alone, and bring order into what a crash left."""
    try:
        claim(folder)
        lock = durable.lock(os.path.join(folder, "lock"))  # first: whoever finds it knows that this is a spool
    except OSError as error:
        raise SpoolError(
            f"{folder}: cannot be made or written ({error.strerror}); pass --spool with a folder of yours"
        ) from error
    try:
        durable.make_private(segments(folder))
        spool = Spool(folder, limit, lock, open_cursors(os.path.join(folder, DATABASE)))
        spool.recover()
    except BaseException:
        lock.close()
        raise
    return spool


def claim(folder: str) -> None:
    """Make the folder ours alone; a folder with other things in it, such as a home, keeps its rights and is refused."""
    durable.refuse_shared_place(folder)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if names and not {"lock", "sender"} & set(names):
        raise SpoolError(f"{folder}: is not empty and no spool; pass --spool with a new or empty folder")
    durable.make_private(folder)


def make_identity(folder: str) -> str:
    """This device's random id, made once; segments lie under it."""
    try:
        return read_identity(folder)
    except FileNotFoundError:
        claim(folder)
        sender = os.urandom(8).hex()
        durable.publish(os.path.join(folder, "sender"), sender.encode("ascii") + b"\n")
        return sender


def read_identity(folder: str) -> str:
    """This device's id, if it has one already."""
    path = os.path.join(folder, "sender")
    with open(path, encoding="ascii", errors="replace") as file:
        sender = file.read().strip()
    if len(sender) != 16 or set(sender) - set("0123456789abcdef"):
        raise SpoolError(f"{path}: is damaged; remove it, a new device id is made then")
    return sender


def segments(folder: str) -> str:
    """Where sealed segments wait."""
    return os.path.join(folder, "segments")


def list_waiting(folder: str) -> List[Waiting]:
    """Sealed segments, oldest first: epochs by their first file's time, within one by number, whatever the clock did."""
    found = []
    first: Dict[str, int] = {}
    try:
        with os.scandir(segments(folder)) as entries:
            for entry in entries:
                if segment.NAME.match(entry.name):
                    status = entry.stat()
                    found.append(Waiting(entry.path, entry.name, status.st_size))
                    epoch = entry.name.partition("-")[0]
                    first[epoch] = min(first.get(epoch, status.st_mtime_ns), status.st_mtime_ns)
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda waiting: (first[waiting.name.partition("-")[0]], waiting.name))
