"""A batch: objects read one after another and parsed a slice at a time, so that neither their bytes nor their lines pile up."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from meterhouse.ledger import Fetched, fetch
from meterhouse.parse import Parsed, parse
from meterhouse.segments import Line
from meterhouse.storage import RawObject, Storage

SLICE_BYTES = 32 * 2**20  # lines that wait to be parsed, as they lie in memory
BATCH_BYTES = 80 * 2**20  # typed columns: some 300,000 events


class Batch:
    """Objects, read, and what became of their lines; `Fetched.segment` has none of them any more."""

    def __init__(self) -> None:
        self.objects: list[Fetched] = []
        self.parsed = Parsed()
        self._lines: list[Line] = []
        self._waiting = 0

    def add(self, storage: Storage, row: RawObject) -> None:
        """Read one more object."""
        one = fetch(storage, row, len(self.objects))
        self.objects.append(one)
        self._waiting += one.segment.memory
        self._lines += one.segment.lines
        one.segment.lines = []
        if self._waiting >= SLICE_BYTES:
            self.close()

    def close(self) -> None:
        """Parse what waits."""
        lines, self._lines, self._waiting = self._lines, [], 0
        self.parsed.extend(parse(lines))

    @property
    def is_full(self) -> bool:
        """Whether it is to be written before another object is read."""
        return self._waiting == 0 and self.parsed.memory >= BATCH_BYTES


def batches(storage: Storage, objects: Iterable[RawObject]) -> Iterator[Batch]:
    """The objects, in order, in batches that fit the memory whatever their number; the next is read while one is written."""
    coming = _batches(storage, objects)
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(next, coming, None)
        while (batch := ahead.result()) is not None:
            ahead = reader.submit(next, coming, None)
            yield batch
            del batch


def _batches(storage: Storage, objects: Iterable[RawObject]) -> Iterator[Batch]:
    batch = Batch()
    for row in objects:
        batch.add(storage, row)
        if batch.is_full:
            yield batch
            batch = Batch()
    if batch.objects:
        batch.close()
        yield batch
