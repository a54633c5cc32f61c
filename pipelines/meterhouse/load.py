"""Load: new objects become lake files, ledger rows and quarantine rows, in one transaction a batch.

Every line ends in exactly one place: loaded, duplicate, quarantined or parked. Running it again changes nothing. An object
that keeps killing the load is set aside after three attempts, so that it cannot hold up all the others.
"""

import hashlib
import itertools
import sys
from collections.abc import Iterable, Iterator

import polars as pl

from meterhouse import interrupts, lake, ledger, reload
from meterhouse.batch import Batch, batches
from meterhouse.catalog import Catalog
from meterhouse.errors import MeterhouseError, is_interrupt
from meterhouse.ledger import Loaded
from meterhouse.storage import RawObject, Storage, objects

# how many objects are attempted at once, by how often their attempt died: a culprit is found in few rounds, and dies alone
GROUP_OBJECTS = (20_000, 100, 1)
MAX_ATTEMPTS = len(GROUP_OBJECTS)


def load(storage: Storage, catalog: Catalog) -> Loaded:
    """Load every object that the ledger does not know, in the storage's order; then parked lines that code has learnt."""
    result = Loaded()
    known = _known(catalog)
    fresh = _but(storage.listing(), known, "key", "etag")
    for row in objects(fresh.join(known, on="key", how="semi", maintain_order="left")):
        _note_change(storage, catalog, row, result)
    _forgive(catalog)
    with interrupts.marked(catalog.data.ended):
        for group in _groups(catalog, objects(_but(fresh, known, "key")), result):
            _load_group(storage, catalog, group, result)
    reload.load_learnt(storage, catalog, result)
    catalog.known_ids.forget()  # the models need the room
    return result


def is_due(storage: Storage, catalog: Catalog) -> bool:
    """Whether object storage holds anything that the ledger does not, or parked lines can be loaded by now."""
    fresh = _but(storage.listing(), _known(catalog), "key", "etag")
    return not fresh.is_empty() or bool(reload.learnt(catalog))


def _but(listing: pl.DataFrame, known: pl.DataFrame, *on: str) -> pl.DataFrame:
    return listing.join(known, on=on, how="anti", maintain_order="left")


def _known(catalog: Catalog) -> pl.DataFrame:
    """Keys with the tags that call for no look. Of an overwritten object only the other content's does: on S3 a content that
    is back has its old tag again, and so has one that overwrites it a second time.
    """
    return catalog.db.sql(
        "SELECT object_key AS key, etag FROM load_ledger WHERE state <> 'restored' AND NOT (state = 'loaded' AND object_key IN "
        "(SELECT object_key FROM load_ledger WHERE state = 'changed'))"
    ).pl()


def _groups(catalog: Catalog, rows: Iterable[RawObject], result: Loaded) -> Iterator[list[RawObject]]:
    """Objects to attempt together. One whose last attempts died goes with few others, then alone; after that it is set aside."""
    attempts = dict(catalog.db.execute("SELECT object_key, attempts FROM load_attempts").fetchall())
    # in their order, or another copy of an event would be the first
    for tried, alike in itertools.groupby(rows, key=lambda row: attempts.get(row.key, 0)):
        if tried >= MAX_ATTEMPTS:
            for row in alike:
                _set_aside(catalog, row, result)
        else:
            while group := list(itertools.islice(alike, GROUP_OBJECTS[tried])):
                yield group


def _forgive(catalog: Catalog) -> None:
    """Take back the last attempts, if it was a person who ended them at once."""
    if catalog.data.ended.exists():
        catalog.db.execute("UPDATE load_attempts SET attempts = attempts - 1 WHERE attempts > 0")
        catalog.data.ended.unlink()


def _set_aside(catalog: Catalog, row: RawObject, result: Loaded) -> None:
    problem = f"{row.key}: killed the load {MAX_ATTEMPTS} times and is set aside; look at it, then `meterhouse quarantine retry`"
    result.problems.append(problem)
    entry = {"object_key": row.key, "etag": row.etag, "size": row.size, "state": "set_aside", "problem": problem,
             "received_at": row.modified_at, "load_seq": catalog.load_seq + 1}  # fmt: skip
    with catalog.transaction():
        catalog.insert("load_ledger", [entry])
        catalog.db.execute("DELETE FROM load_attempts WHERE object_key = ?", [row.key])


def _load_group(storage: Storage, catalog: Catalog, group: list[RawObject], result: Loaded) -> None:
    """Load a group in batches that fit the memory. What only failed, as a full disk does, is not held against the objects."""
    keys = [row.key for row in group]
    catalog.db.execute(
        "INSERT INTO load_attempts SELECT unnest(?::VARCHAR[]), 1 ON CONFLICT DO UPDATE SET attempts = attempts + 1",
        [keys],
    )
    try:
        for batch in batches(storage, group):
            _load_batch(catalog, batch, result)
            print(f"loaded {result.objects} objects, {result.rows} events", file=sys.stderr)
    except BaseException as error:
        if isinstance(error, MeterhouseError | OSError) or is_interrupt(error):
            catalog.db.execute(
                "UPDATE load_attempts SET attempts = attempts - 1 WHERE object_key IN (SELECT unnest(?::VARCHAR[]))",
                [keys],
            )
        raise


def _note_change(storage: Storage, catalog: Catalog, row: RawObject, result: Loaded) -> None:
    """Same key, other tag: a copied folder has the same bytes and is fine; other bytes are an alarm, never a reload."""
    sha256 = hashlib.sha256(storage.read(row.key)).hexdigest()
    found = catalog.db.execute(
        "SELECT state FROM load_ledger WHERE object_key = ? AND sha256 = ?", [row.key, sha256]
    ).fetchall()
    is_first = found == [("loaded",)]  # its content is back: the alarm is over
    problem = f"{row.key}: was overwritten with other content; the first content stays loaded, ask who wrote it"
    if not is_first:
        result.problems.append(problem)
    seq = catalog.load_seq + 1
    with catalog.transaction():
        if not found:
            entry = {"object_key": row.key, "etag": row.etag, "size": row.size, "sha256": sha256, "state": "changed",
                     "problem": problem, "received_at": row.modified_at, "load_seq": seq}  # fmt: skip
            catalog.insert("load_ledger", [entry])
            return
        catalog.db.execute(
            "UPDATE load_ledger SET etag = ? WHERE object_key = ? AND sha256 = ?", [row.etag, row.key, sha256]
        )
        if is_first:
            change, of = "restored", "state = 'changed' AND sha256 <> ?"
        else:
            change, of = "changed", "state = 'restored' AND sha256 = ?"
        catalog.db.execute(
            f"UPDATE load_ledger SET state = ?, load_seq = ? WHERE object_key = ? AND {of}",
            [change, seq, row.key, sha256],
        )


def _load_batch(catalog: Catalog, batch: Batch, result: Loaded) -> None:
    """Write the batch's lake files, then commit everything that names them."""
    load_seq = catalog.load_seq + 1
    written = lake.write(catalog, lake.with_lineage(batch.parsed.frames, batch.objects), load_seq)
    pairs = list(zip(batch.objects, ledger.fates(batch.objects, batch.parsed, written.kept), strict=True))
    with catalog.transaction():
        written.commit(catalog)
        catalog.insert("load_ledger", [ledger.ledger_row(one, fate, load_seq) for one, fate in pairs])
        catalog.insert(
            "load_quarantine", (row for one, fate in pairs for row in ledger.quarantine_rows(one, fate, load_seq))
        )
        catalog.insert("load_parked", [row for one, fate in pairs for row in ledger.parked_rows(one, fate, load_seq)])
        catalog.db.execute(
            "DELETE FROM load_attempts WHERE object_key IN (SELECT unnest(?::VARCHAR[]))",
            [[one.object.key for one in batch.objects]],
        )
    for one, fate in pairs:
        result.objects += 1
        result.rows += fate.loaded
        result.duplicates += fate.duplicates
        result.quarantined += ledger.quarantined(one, fate)
        result.parked += len(fate.parked)
