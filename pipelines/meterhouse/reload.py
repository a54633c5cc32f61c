"""Loading again: parked lines once this code knows their kind, quarantined objects on demand. A row is never loaded twice.

The object is read whole again; all but its formerly parked or quarantined rows are duplicates now. It must be the very
bytes that were loaded: what was mended is another object and is shipped under another key.
"""

from dataclasses import replace
from datetime import datetime

from meterhouse import contract, lake, ledger
from meterhouse.batch import parse_object
from meterhouse.catalog import Catalog
from meterhouse.ledger import Fetched, Loaded, fetched
from meterhouse.storage import Storage

Entry = tuple[str, str, datetime]  # key, digest, time of receipt


def load_learnt(storage: Storage, catalog: Catalog, result: Loaded) -> None:
    """Lines that were parked for an unknown kind or version load by themselves once this code knows it."""
    _reload(storage, catalog, learnt(catalog), result)


def learnt(catalog: Catalog) -> list[Entry]:
    """Objects with parked lines whose kind and version this code knows now."""
    return catalog.db.execute(
        "SELECT DISTINCT object_key, ledger.sha256, ledger.received_at FROM load_parked AS parked "
        "INNER JOIN load_ledger AS ledger USING (object_key) WHERE ledger.state = 'loaded' "
        "AND parked.schema_version <= ? AND list_contains(?, parked.kind) ORDER BY 1",
        [contract.SCHEMA_VERSION, list(contract.kinds())],
    ).fetchall()


def retry(storage: Storage, catalog: Catalog, key: str | None = None) -> Loaded:
    """Read quarantined objects again, all or one; those set aside are forgotten, so that the next load tries them anew."""
    result = Loaded()
    rows = catalog.db.execute(
        "SELECT DISTINCT object_key, ledger.sha256, ledger.received_at FROM load_quarantine AS bad "
        "INNER JOIN load_ledger AS ledger USING (object_key) "
        "WHERE ledger.state = 'loaded' AND object_key = coalesce(?, object_key) ORDER BY 1",
        [key],
    ).fetchall()
    _reload(storage, catalog, rows, result)
    with catalog.transaction():
        catalog.keep_number(catalog.load_seq)
        catalog.db.execute(
            "DELETE FROM load_ledger WHERE state = 'set_aside' AND object_key = coalesce(?, object_key)", [key]
        )
    return result


def _reload(storage: Storage, catalog: Catalog, entries: list[Entry], result: Loaded) -> None:
    listed = {row.key: row for row in storage.segments()} if entries else {}
    for key, sha256, received_at in entries:
        one = None
        if row := listed.get(key):
            one = fetched(replace(row, modified_at=received_at), storage.read(key))
        if one and one.sha256 == sha256:
            _reload_object(catalog, one, result)
        else:
            result.problems.append(
                f"{key}: is gone or overwritten but holds parked lines or quarantined ones; restore it, then run again"
            )


def _reload_object(catalog: Catalog, one: Fetched, result: Loaded) -> None:
    load_seq = catalog.load_seq + 1
    parsed = parse_object(one)
    written = lake.write(catalog, lake.with_lineage(parsed.frames, [one]), load_seq)
    (fate,) = ledger.fates([one], parsed, written.kept)
    now = [fate.loaded, ledger.quarantined(one, fate), len(fate.parked)]
    with catalog.transaction():
        written.commit(catalog)
        for table in ("load_parked", "load_quarantine"):
            catalog.db.execute(f"DELETE FROM {table} WHERE object_key = ?", [one.object.key])
        catalog.insert("load_parked", ledger.parked_rows(one, fate, load_seq))
        catalog.insert("load_quarantine", ledger.quarantine_rows(one, fate, load_seq))
        catalog.db.execute(
            "UPDATE load_ledger SET rows_duplicate = rows_duplicate + rows_quarantined + rows_parked - $1 - $2 - $3, "
            "rows_loaded = rows_loaded + $1, rows_quarantined = $2, rows_parked = $3, load_seq = $4 "
            "WHERE object_key = $5 AND state = 'loaded'",
            [*now, load_seq, one.object.key],
        )
    result.objects += 1
    result.rows += fate.loaded
    result.quarantined += now[1]
    result.parked += now[2]
