"""A batch: objects taken one after another and parsed a slice at a time, so that neither their bytes nor their lines pile up."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from meterhouse.ledger import Fetched, fetched
from meterhouse.parse import Parsed, parse
from meterhouse.segments import LINE_COST, Body
from meterhouse.storage import RawObject, Storage

PARSERS = 2  # slices parsed at once: what does it, Polars, lets other threads run
SLICE_BYTES = 12 * 2**20  # lines that wait to be parsed together
BATCH_BYTES = 60 * 2**20  # typed columns: some 220,000 events


class Batch:
    """Objects, read, and what became of their lines; `Fetched.segment` has none of them any more."""

    def __init__(self, parser: Executor) -> None:
        self.objects: list[Fetched] = []
        self.parsed = Parsed()
        self._bodies: list[Body] = []
        self._waiting = 0
        self._parser = parser
        self._parsing: deque[tuple[Future[Parsed], int]] = deque()  # with what its lines take if all are rejected

    def add(self, one: Fetched) -> None:
        """Take one more object, and its lines out of it."""
        self.objects.append(one)
        for body in one.segment.bodies:
            self._bodies.append(body)
            self._waiting += body.memory
            if self._waiting >= SLICE_BYTES:
                self._parse()
        one.segment.bodies = []

    def _parse(self) -> None:
        """Have parsed what waits; the oldest slices are awaited, so that neither they nor very many lines pile up."""
        at_worst = LINE_COST * sum(body.count for body in self._bodies)
        self._parsing.append((self._parser.submit(parse, self._bodies), at_worst))
        self._bodies, self._waiting = [], 0
        while len(self._parsing) > PARSERS or sum(cost for _, cost in self._parsing) >= BATCH_BYTES:
            self._await_oldest()

    def _await_oldest(self) -> None:
        parsed, _ = self._parsing.popleft()
        self.parsed.extend(parsed.result())

    def close(self) -> None:
        """Parse what waits, to the end."""
        self._parse()
        while self._parsing:
            self._await_oldest()

    @property
    def is_full(self) -> bool:
        """Whether it is to be written before another object is read."""
        return self.parsed.memory >= BATCH_BYTES


def parse_object(one: Fetched) -> Parsed:
    """What becomes of the lines of one object, however many; it has none of them any more."""
    with ThreadPoolExecutor(PARSERS) as parser:
        batch = Batch(parser)
        batch.add(one)
        batch.close()
    return batch.parsed


def batches(storage: Storage, objects: Iterable[RawObject]) -> Iterator[Batch]:
    """The objects, in order, in batches that fit the memory whatever their number; the next is read while one is written."""
    with ThreadPoolExecutor(PARSERS) as parser, ThreadPoolExecutor(1) as reader:
        coming = _batches(storage, objects, parser)
        ahead = reader.submit(next, coming, None)
        while (batch := ahead.result()) is not None:
            ahead = reader.submit(next, coming, None)
            yield batch
            del batch


def _batches(storage: Storage, objects: Iterable[RawObject], parser: Executor) -> Iterator[Batch]:
    batch = Batch(parser)
    for row, raw in storage.read_each(objects):
        batch.add(fetched(row, raw, len(batch.objects)))
        if batch.is_full:
            batch.close()
            yield batch
            batch = Batch(parser)
    if batch.objects:
        batch.close()
        yield batch
