"""Load: new objects become lake files, ledger rows and quarantine rows, in one transaction a batch.

Every line ends in exactly one place: loaded, duplicate, quarantined or parked. Running it again changes nothing.
"""

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from meterhouse import contract
from meterhouse.catalog import Catalog, lake_path
from meterhouse.parse import Parked, Parsed, Rejected, parse
from meterhouse.segments import Damage, Header, Line, Segment, read_segment
from meterhouse.storage import RawObject, Storage

BATCH_BYTES = 128 * 2**20  # in memory, some 130,000 events: bounds it whatever the number of objects
CLOCK_TOLERANCE = timedelta(minutes=10)


@dataclass
class Loaded:
    """What one run loaded."""

    objects: int = 0
    rows: int = 0
    duplicates: int = 0
    quarantined: int = 0
    parked: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Fetched:
    """One object of a batch, read."""

    object: RawObject
    sha256: str
    segment: Segment


@dataclass(frozen=True)
class _Fate:
    """What became of the lines of one object."""

    loaded: int
    duplicates: int
    rejected: list[Rejected]
    parked: list[Parked]


def load(storage: Storage, catalog: Catalog) -> Loaded:
    """Load every object that the ledger does not know, oldest key first; then parked lines that code has learnt."""
    result = Loaded()
    known = _known(catalog)
    keys = {key for key, _ in known}
    fresh = [row for row in storage.segments() if (row.key, row.etag) not in known]
    changed = [row for row in fresh if row.key in keys]
    for row in changed:
        _note_change(storage, catalog, row, result)
    for batch in _batches(storage, [row for row in fresh if row.key not in keys]):
        _load_batch(catalog, batch, result)
        print(f"loaded {result.objects} objects, {result.rows} events", file=sys.stderr)
    _load_parked(storage, catalog, result)
    return result


def is_due(storage: Storage, catalog: Catalog) -> bool:
    """Whether object storage holds anything that the ledger does not, or parked lines can be loaded by now."""
    known = _known(catalog)
    return any((row.key, row.etag) not in known for row in storage.segments()) or bool(_learnt(catalog))


def _known(catalog: Catalog) -> set[tuple[str, str]]:
    return set(catalog.db.execute("SELECT object_key, etag FROM load_ledger").fetchall())


def _learnt(catalog: Catalog) -> list[tuple[str, str, datetime]]:
    """Objects with parked lines whose kind and version this code knows now: key, digest, time of receipt."""
    return catalog.db.execute(
        "SELECT DISTINCT object_key, ledger.sha256, ledger.received_at FROM load_parked AS parked "
        "INNER JOIN load_ledger AS ledger USING (object_key) WHERE ledger.state = 'loaded' "
        "AND parked.schema_version <= ? AND list_contains(?, parked.kind) ORDER BY 1",
        [contract.SCHEMA_VERSION, list(contract.kinds())],
    ).fetchall()


def _batches(storage: Storage, objects: list[RawObject]) -> Iterator[list[_Fetched]]:
    batch: list[_Fetched] = []
    size = 0
    for row in objects:
        batch.append(_fetch(storage, row, len(batch)))
        size += batch[-1].segment.memory
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _fetch(storage: Storage, row: RawObject, number: int = 0) -> _Fetched:
    raw = storage.read(row.key)
    return _Fetched(row, hashlib.sha256(raw).hexdigest(), read_segment(row.key, raw, number))


def _note_change(storage: Storage, catalog: Catalog, row: RawObject, result: Loaded) -> None:
    """Same key, other tag: a copied folder has the same bytes and is fine; other bytes are an alarm, never a reload."""
    sha256 = hashlib.sha256(storage.read(row.key)).hexdigest()
    if catalog.db.execute(
        "SELECT 1 FROM load_ledger WHERE object_key = ? AND sha256 = ?", [row.key, sha256]
    ).fetchone():
        catalog.db.execute(
            "UPDATE load_ledger SET etag = ? WHERE object_key = ? AND sha256 = ?", [row.etag, row.key, sha256]
        )
        return
    problem = f"{row.key}: was overwritten with other content; the first content stays loaded, ask who wrote it"
    result.problems.append(problem)
    entry = {"object_key": row.key, "etag": row.etag, "size": row.size, "sha256": sha256, "state": "changed",
             "problem": problem, "received_at": row.modified_at, "load_seq": catalog.load_seq + 1}  # fmt: skip
    with catalog.transaction():
        catalog.insert("load_ledger", [entry])


def _load_batch(catalog: Catalog, batch: list[_Fetched], result: Loaded) -> None:
    """Write the batch's lake files, then commit everything that names them."""
    load_seq = catalog.load_seq + 1
    parsed = parse(line for one in batch for line in one.segment.lines)
    stored, kept = _write(catalog, _with_lineage(parsed, batch), load_seq)
    fates = _fates(batch, parsed, kept)
    with catalog.transaction():
        catalog.insert("lake_files", stored)
        pairs = list(zip(batch, fates, strict=True))
        catalog.insert("load_ledger", [_ledger_row(one, fate, load_seq) for one, fate in pairs])
        catalog.insert("load_quarantine", (row for one, fate in pairs for row in _quarantine_rows(one, fate, load_seq)))
        catalog.insert("load_parked", [row for one, fate in pairs for row in _parked_rows(one, fate, load_seq)])
    for one, fate in pairs:
        result.objects += 1
        result.rows += fate.loaded
        result.duplicates += fate.duplicates
        result.quarantined += _quarantined(one, fate)
        result.parked += len(fate.parked)


def _fates(batch: list[_Fetched], parsed: Parsed, kept: Counter[int]) -> list[_Fate]:
    """The batch's outcome by object; every line is in exactly one count."""
    good: Counter[int] = Counter()
    for frame in parsed.frames.values():
        good.update(dict(frame["object_number"].value_counts().iter_rows()))
    rejected: dict[int, list[Rejected]] = {}
    parked: dict[int, list[Parked]] = {}
    for bad in parsed.rejected:
        rejected.setdefault(bad.line.object_number, []).append(bad)
    for early in parsed.parked:
        parked.setdefault(early.line.object_number, []).append(early)
    return [
        _Fate(kept[number], good[number] - kept[number], rejected.get(number, []), parked.get(number, []))
        for number in range(len(batch))
    ]


def _with_lineage(parsed: Parsed, batch: list[_Fetched]) -> dict[str, pl.DataFrame]:
    """A clock far ahead must not create partitions in the future: such rows lie under the day they were received."""
    lineage = pl.DataFrame(
        {
            "object_number": range(len(batch)),
            "sender": [one.segment.header and one.segment.header.sender for one in batch],
            "received_at": [one.object.modified_at.astimezone(UTC) for one in batch],
        },
        schema={"object_number": pl.Int64, "sender": pl.String, "received_at": pl.Datetime("us", "UTC")},
    )
    suspect = pl.col("occurred_at") > pl.col("received_at") + CLOCK_TOLERANCE
    when = pl.when(suspect).then(pl.col("received_at")).otherwise(pl.col("occurred_at"))
    return {
        kind: frame.join(lineage, on="object_number", how="left", maintain_order="left").with_columns(
            day=when.dt.date(), is_clock_suspect=suspect
        )
        for kind, frame in parsed.frames.items()
    }


def _write(
    catalog: Catalog, frames: dict[str, pl.DataFrame], load_seq: int
) -> tuple[list[dict[str, Any]], Counter[int]]:
    """Drop repeated ids, write one file a kind and day; gives the files and the rows kept of each object."""
    stored: list[dict[str, Any]] = []
    kept: Counter[int] = Counter()
    for kind, frame in frames.items():
        unique = frame.unique("event_id", keep="first", maintain_order=True)
        seen = _stored_ids(catalog, kind, unique["day"].unique().to_list())
        new = unique.join(seen, on="event_id", how="anti", maintain_order="left") if seen is not None else unique
        kept.update(dict(new["object_number"].value_counts().iter_rows()))
        columns = [pl.col(name).cast(type_) for name, type_ in contract.kinds()[kind].columns.items()]
        for (day,), rows in new.partition_by("day", as_dict=True, maintain_order=True).items():
            path = lake_path(kind, day, load_seq)
            _write_parquet(rows.select(columns), catalog.data.lake / path)
            stored.append({"kind": kind, "day": day, "path": str(path), "row_count": rows.height, "load_seq": load_seq})
    return stored, kept


def _stored_ids(catalog: Catalog, kind: str, days: list[Any]) -> pl.DataFrame | None:
    files = catalog.files(kind, days)
    return pl.concat(pl.read_parquet(file, columns=["event_id"]) for file in files) if files else None


def _write_parquet(frame: pl.DataFrame, path: Any) -> None:
    """Durable before the commit that names it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(path, compression="zstd", statistics=True)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _ledger_row(one: _Fetched, fate: _Fate, load_seq: int) -> dict[str, Any]:
    header = one.segment.header or Header()
    return {
        "object_key": one.object.key, "etag": one.object.etag, "size": one.object.size, "sha256": one.sha256,
        "state": "loaded", "sender": header.sender, "epoch": header.epoch, "seq": header.seq, "spooled": header.count,
        "rows_loaded": fate.loaded, "rows_duplicate": fate.duplicates, "rows_quarantined": _quarantined(one, fate),
        "rows_parked": len(fate.parked), "dropped": json.dumps(header.dropped), "settled": header.settled or None,
        "problem": _digest_problem(one), "received_at": one.object.modified_at, "load_seq": load_seq,
    }  # fmt: skip


def _quarantined(one: _Fetched, fate: _Fate) -> int:
    """Events in quarantine; a part that cannot be split into lines stands for all that it swallowed."""
    return len(fate.rejected) + sum(row.events for row in one.segment.damage)


def _digest_problem(one: _Fetched) -> str | None:
    """The name of a segment ends in the digest of its bytes; other bytes are loaded, because lines are checked, but shown."""
    stem = one.object.key.rsplit("/", 1)[-1].split(".", 1)[0]
    named = stem.rsplit("-", 1)[-1] if one.segment.header else ""
    return "bytes differ from the digest in the name" if len(named) == 16 and not one.sha256.startswith(named) else None


def _quarantine_rows(one: _Fetched, fate: _Fate, load_seq: int) -> Iterator[dict[str, Any]]:
    lines = [(row.line, row.reason, row.field) for row in fate.rejected]
    damage = [(row, row.reason, None) for row in one.segment.damage]
    for where, reason, name in sorted([*lines, *damage], key=lambda row: row[0].start):
        digest = hashlib.sha256(where.data).hexdigest() if isinstance(where, Line) else None
        yield {**_place(one.object.key, where), "reason": reason, "field": name, "sha256": digest, "load_seq": load_seq}


def _parked_rows(one: _Fetched, fate: _Fate, load_seq: int) -> list[dict[str, Any]]:
    return [{**_place(one.object.key, row.line), "kind": row.kind, "schema_version": row.schema_version,
             "load_seq": load_seq} for row in fate.parked]  # fmt: skip


def _place(key: str, where: Line | Damage) -> dict[str, Any]:
    return {"object_key": key, "byte_start": where.start, "byte_end": where.end, "line_number": where.number}


def _load_parked(storage: Storage, catalog: Catalog, result: Loaded) -> None:
    """Lines that were parked for an unknown kind or version load by themselves once this code knows it."""
    learnt = _learnt(catalog)
    listed = {row.key: row for row in storage.segments()} if learnt else {}
    for key, sha256, received_at in learnt:
        one = _fetch(storage, replace(listed[key], modified_at=received_at)) if key in listed else None
        if one and one.sha256 == sha256:
            _retry_object(catalog, one, result)
        else:
            result.problems.append(f"{key}: is gone or overwritten but holds parked lines; restore it, then run again")


def _retry_object(catalog: Catalog, one: _Fetched, result: Loaded) -> None:
    """Load one object again: all but its formerly parked rows are duplicates now."""
    load_seq = catalog.load_seq + 1
    parsed = parse(one.segment.lines)
    stored, kept = _write(catalog, _with_lineage(parsed, [one]), load_seq)
    (fate,) = _fates([one], parsed, kept)
    now = [fate.loaded, _quarantined(one, fate), len(fate.parked)]
    with catalog.transaction():
        catalog.insert("lake_files", stored)
        for table in ("load_parked", "load_quarantine"):
            catalog.db.execute(f"DELETE FROM {table} WHERE object_key = ?", [one.object.key])
        catalog.insert("load_parked", _parked_rows(one, fate, load_seq))
        catalog.insert("load_quarantine", _quarantine_rows(one, fate, load_seq))
        catalog.db.execute(
            "UPDATE load_ledger SET rows_duplicate = rows_duplicate + rows_quarantined + rows_parked - $1 - $2 - $3, "
            "rows_loaded = rows_loaded + $1, rows_quarantined = $2, rows_parked = $3, load_seq = $4 "
            "WHERE object_key = $5 AND state = 'loaded'",
            [*now, load_seq, one.object.key],
        )
    result.rows += fate.loaded
