"""Rebuild: everything derived is made anew from the raw objects, compared with what is published, then swapped in whole.

It works beside the live directory, whose runs and readers go on; only for what arrived meanwhile, for the comparison and the
swap it holds their lock. A killed rebuild is taken up again by the next, unless the code changed in between.
"""

import contextlib
import hashlib
import shutil
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

from meterhouse import delta, load, seeds, snapshot, swap
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.compare import Compared, compare
from meterhouse.errors import LockedError, LossError, MeterhouseError
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir, models_dir
from meterhouse.run import build_and_check
from meterhouse.storage import LISTING, RECEIPT, Storage

PATIENCE = 600  # seconds that the swap waits for a run at work
CODE = "code.txt"  # beside: digest of the code that began it


@dataclass(frozen=True)
class Receipt:
    """What the ledger says of an object that was loaded before."""

    sha256: str | None
    received_at: datetime
    load_seq: int


@dataclass
class Past:
    """The ledger of the published snapshot; empty when nothing was published."""

    load_seq: int = 0
    loaded: dict[str, Receipt] = field(default_factory=dict)
    set_aside: list[dict] = field(default_factory=list)


class AsReceived(Storage):
    """Object storage in the order and with the times of the loads before, so that repeats and late days fall as they fell."""

    def __init__(self, destination: str, past: Past) -> None:
        super().__init__(destination)
        self._past = past

    def listing(self) -> pl.DataFrame:
        """Those loaded before, with the time at which they were received, then the rest."""
        past = [(key, row.received_at, row.load_seq) for key, row in self._past.loaded.items()]
        known = pl.DataFrame(
            past, {"key": pl.String, "received_at": LISTING["modified_at"], "load_seq": pl.Int64}, orient="row"
        )
        rows = super().listing().join(known, on="key", how="left")
        rows = rows.with_columns(modified_at=pl.coalesce("received_at", "modified_at"))
        return rows.sort("load_seq", *RECEIPT, nulls_last=True)


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild made, and how it differs from what was published."""

    tables: list[Compared]
    objects: int
    events: int
    seconds: float
    gone: list[str]
    overwritten: list[str]
    new: int
    is_swapped: bool

    @property
    def differing(self) -> list[Compared]:
        """Tables whose content is not that of the published snapshot."""
        return [row for row in self.tables if row.before is not None and not row.is_equal]


def rebuild(raw: str, data: DataDir, check: bool = False, accept_loss: bool = False) -> Rebuilt:
    """Rebuild and swap, or with `check` only compare; raises LossError when storage no longer has what was loaded from it."""
    began, beside = time.monotonic(), swap.beside(data)
    with contextlib.suppress(LockedError), run_lock(data):
        pass  # finishes a swap that was decided; a run at work has done so
    with run_lock(beside):
        _begin(beside)
        _make(raw, beside, _past(data))
        with run_lock(data, PATIENCE):
            past = _past(data)
            tables, objects, events = _make(raw, beside, past, data)
            gone, overwritten, new = _losses(beside, past)
            done = Rebuilt(tables, objects, events, time.monotonic() - began, gone, overwritten, new, not check)
            if check:
                shutil.rmtree(beside.root)
                return done
            if (gone or overwritten) and not accept_loss:
                raise LossError(_loss(done, data))
            _swap(raw, data)
    return replace(done, seconds=time.monotonic() - began)


def _swap(raw: str, data: DataDir) -> None:
    swap.decide(data)
    swap.finish(data)
    with Catalog(data) as catalog, Builder(catalog, seeds.read_seeds(Storage(raw))) as builder:
        snapshot.publish(builder)


def _begin(beside: DataDir) -> None:
    """Go on with what a killed rebuild left, if this code began it."""
    code = hashlib.sha256()
    for path in sorted([*Path(__file__).parent.rglob("*.py"), *models_dir().glob("contracts/*")]):
        code.update(path.read_bytes())
    mark = beside.root / CODE
    if not mark.exists() or mark.read_text() != code.hexdigest():
        for path in beside.root.iterdir():
            if path != beside.lock:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        mark.write_text(code.hexdigest())


def _past(data: DataDir) -> Past:
    try:
        with snapshot.reading(data) as db:
            query = "SELECT object_key, sha256, received_at, load_seq FROM load_ledger WHERE state = 'loaded'"
            loaded = {key: Receipt(*row) for key, *row in db.execute(query).fetchall()}
            aside = db.sql("FROM load_ledger WHERE state = 'set_aside'").to_arrow_table().to_pylist()
            last = db.execute("SELECT load_seq FROM snapshot_info").fetchone()
    except (
        MeterhouseError,
        duckdb.Error,
    ):  # nothing was published, or it cannot be read: there is nothing to compare with
        return Past()
    return Past(last[0] if last else 0, loaded, aside)


def _make(raw: str, beside: DataDir, past: Past, live: DataDir | None = None) -> tuple[list[Compared], int, int]:
    """Load, build and check beside; with `live`, which is locked then, compare too. Gives objects and events as well."""
    storage = AsReceived(raw, past)
    with Catalog(beside) as catalog:
        _number(catalog, past, live)
        load.load(storage, catalog)
        delta.follow(catalog)
        with Builder(catalog, seeds.read_seeds(storage)) as builder:
            build_and_check(builder)
            tables = compare(builder, live) if live else []
        counts = catalog.db.execute(
            "SELECT count(*), sum(rows_loaded) FROM load_ledger WHERE state = 'loaded'"
        ).fetchone()
    objects, events = counts or (0, 0)
    return tables, int(objects), int(events or 0)


def _number(catalog: Catalog, past: Past, live: DataDir | None) -> None:
    """Loads are numbered on from the live ones: sensors, audits and readers remember numbers. Poison stays set aside."""
    last = max(past.load_seq, _last_number(live) if live else 0)
    if catalog.load_seq <= last:
        catalog.keep_number(last + 1)
    there = {key for (key,) in catalog.db.execute("SELECT object_key FROM load_ledger").fetchall()}
    catalog.insert("load_ledger", [row for row in past.set_aside if row["object_key"] not in there])


def _last_number(live: DataDir) -> int:
    try:
        with Catalog(live) as catalog:
            return catalog.load_seq
    except duckdb.Error:  # damaged: why one rebuilds
        return 0


def _losses(beside: DataDir, past: Past) -> tuple[list[str], list[str], int]:
    """Objects that were loaded once and are gone, those with another content now, and the number of those never seen."""
    with Catalog(beside) as catalog:
        now = dict(catalog.db.execute("SELECT object_key, sha256 FROM load_ledger WHERE state = 'loaded'").fetchall())
    gone = sorted(past.loaded.keys() - now.keys())
    overwritten = sorted(key for key, row in past.loaded.items() if key in now and now[key] != row.sha256)
    return gone, overwritten, len(now.keys() - past.loaded.keys()) if past.loaded else 0


def _loss(done: Rebuilt, data: DataDir) -> str:
    first = (done.gone or done.overwritten)[0]
    return (f"{data.root}: storage no longer has {len(done.gone)} objects that were loaded, and {len(done.overwritten)} have another "
            f"content ({first} is the first); restore them, or repeat with --accept-loss to give up their events; nothing was changed")  # fmt: skip


def told(done: Rebuilt) -> list[str]:
    """What the operator must know, the sum last; the tables themselves are the data."""
    lines = [f"warning: {key}: was loaded once and is gone from storage, as by a retention rule" for key in done.gone]
    lines += [f"warning: {key}: has another content than when it was loaded" for key in done.overwritten]
    if done.differing:
        reasons = [f"{done.new} objects were not in it yet"] if done.new else []
        reasons += ["objects are gone or overwritten"] if done.gone or done.overwritten else []
        reasons += ["models or seeds have changed"] if any(row.is_changed_code for row in done.tables) else []
        why = (
            "; ".join(reasons)
            or "no reason is known: if Meterhouse was updated, run it once and compare again, else report it"
        )
        lines.append(f"{len(done.differing)} tables differ from the published snapshot ({why})")
    tail = "swapped in" if done.is_swapped else "nothing was changed"
    rate = done.events / max(done.seconds, 0.001)
    lines.append(f"{done.objects} objects, {done.events} events in {done.seconds:.1f} s ({rate:,.0f} events/s); "
                 f"{len(done.differing)} of {len(done.tables)} tables differ; {tail}")  # fmt: skip
    return lines
