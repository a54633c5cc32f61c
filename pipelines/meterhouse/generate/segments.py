"""Lines sealed into gzip segments as a collector ships them: late days, segments sent again, lines that break the contract.

A damaged line is an addition, so that the truth of the good ones is untouched.
"""

import hashlib
import itertools
import json
import os
import zlib
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from meterhouse import contract
from meterhouse.generate.fleet import DAY_US, Crowd, epoch_day
from meterhouse.generate.plan import Plan

FOLDER = "raw/v1/direct"
# how a line breaks and the reason under which a load must set it aside
DAMAGE: tuple[tuple[str, pl.Expr], ...] = (
    ("invalid_json", pl.col("line").str.head(-40) + "\n"),
    ("wrong_type", pl.col("line").str.replace('"schema_version":1', '"schema_version":"1"', literal=True)),
    ("bad_format", pl.col("line").str.replace('"occurred_at":"20', '"occurred_at":"19', literal=True)),
    ("missing_field", pl.col("line").str.replace(r'"event_id":"[0-9a-f]{32}",', "")),
)
GOOD, PARKED = "good", "parked"


def blemish(rng: np.random.Generator, plan: Plan, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows (`person`, `at_us`, `line`) and, among them, damaged and future ones; `fate` says what becomes of each."""
    later = f'"schema_version":{contract.SCHEMA_VERSION + 1}'
    future = pl.col("line").str.replace('"schema_version":1', later, literal=True)
    shares = [
        *((reason, how, plan.malformed_share / len(DAMAGE)) for reason, how in DAMAGE),
        (PARKED, future, plan.parked_share),
    ]
    parts = [rows.with_columns(fate=pl.lit(GOOD))]
    for fate, how, share in shares:
        chosen = rng.integers(0, max(rows.height, 1), rng.binomial(rows.height, share))
        parts.append(rows[chosen].with_columns(how.alias("line"), fate=pl.lit(fate)))
    return pl.concat(parts)


class Sealer:
    """Writes the segments of blocks of people, and counts what it wrote. A context manager: at its end all are written."""

    def __init__(self, plan: Plan, to: Path) -> None:
        self.plan, self.folder = plan, to / FOLDER
        self.fates: Counter[str] = Counter()
        self.duplicates = self.segments = self.lines = self.size = 0
        self._pool = ThreadPoolExecutor(2)  # zlib lets go of the interpreter: compressing is two thirds of the work
        self._writes: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._wait()
        finally:
            self._pool.shutdown()

    def seal(self, rng: np.random.Generator, people: Crowd, rows: pl.DataFrame) -> None:
        """All segments of a block, in the order of sender and time."""
        rows = rows.with_columns(period=self._period(rng, len(people.numbers), rows)).sort(
            "person", "period", "at_us", maintain_order=True
        )
        person, period = rows["person"].to_numpy(), rows["period"].to_numpy()
        cuts = np.flatnonzero((np.diff(person) != 0) | (np.diff(period) != 0)) + 1
        bounds = [0, *cuts.tolist(), rows.height] if rows.height else [0]
        data, offsets = _bytes(rows["line"])
        fates = rows["fate"].to_numpy()
        sequence: Counter[tuple[str, str]] = Counter()
        again = rng.random(len(bounds)) < self.plan.redelivered_share
        writes = []
        for number, (start, end) in enumerate(itertools.pairwise(bounds)):
            own = Counter(fates[start:end].tolist())
            sender = people.sender[int(person[start])]
            for epoch in ("first", "again") if again[number] else ("first",):
                sequence[sender, epoch] += 1
                place = (sender, epoch, sequence[sender, epoch], int(period[start]), end - start)
                writes.append(self._pool.submit(self._write, *place, data[offsets[start] : offsets[end]]))
                self.duplicates += own[GOOD] if epoch == "again" else 0
                self.fates.update(own if epoch == "first" else {fate: own[fate] for fate in own if fate != GOOD})
                self.segments += 1
                self.lines += end - start
                self.size += int(offsets[end] - offsets[start])
        self._wait()
        self._writes = writes  # compressed while the next block is made

    def _wait(self) -> None:
        for write in self._writes:
            write.result()

    def _period(self, rng: np.random.Generator, people: int, rows: pl.DataFrame) -> pl.Series:
        """In which period each row arrives: that of its day, or a later one when the device was offline."""
        day = (rows["at_us"] // DAY_US - epoch_day(self.plan)).to_numpy()
        is_late = rng.random((people, self.plan.days)) < self.plan.late_share
        delays = np.where(is_late, rng.integers(1, 11, is_late.shape), 0)
        return pl.Series("period", (day + delays[rows["person"].to_numpy(), day]) // self.plan.segment_days)

    def _write(self, sender: str, epoch: str, seq: int, period: int, count: int, body: memoryview) -> None:
        sealed = (epoch_day(self.plan) + (period + 1) * self.plan.segment_days) * 86_400 + 5 * 3600
        name = hashlib.sha256(f"{sender}{epoch}".encode()).hexdigest()[:16]
        header = {
            "meterhouse_segment": 1, "sender": sender, "epoch": name, "seq": seq, "count": count, "dropped": {},
            "collector_version": "0.1.0", "sealed_at": f"{datetime.fromtimestamp(sealed, UTC):%Y-%m-%dT%H:%M:%SZ}",
        }  # fmt: skip
        codec = zlib.compressobj(1, zlib.DEFLATED, 31)
        head = json.dumps(header, separators=(",", ":")).encode() + b"\n"
        content = codec.compress(head) + codec.compress(body) + codec.flush()
        folder = self.folder / sender
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}-{seq:012d}-{hashlib.sha256(content).hexdigest()[:16]}.jsonl.gz"
        path.write_bytes(content)
        os.utime(path, (sealed, sealed))


def _bytes(lines: pl.Series) -> tuple[memoryview, np.ndarray]:
    """All lines as one run of bytes, and where each begins (the last entry is the end)."""
    array: Any = lines.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    return memoryview(data), np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
