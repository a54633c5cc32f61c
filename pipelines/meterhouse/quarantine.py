"""What could not be loaded: listed from the snapshot, shown from object storage, retried under the run lock."""

import json
from typing import TextIO

from meterhouse import reload, segments
from meterhouse.adhoc import sql
from meterhouse.catalog import Catalog
from meterhouse.errors import MeterhouseError
from meterhouse.ledger import Loaded
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.snapshot import reading
from meterhouse.storage import Storage

LISTING = """
SELECT object_key, line_number, byte_start, byte_end, reason, field FROM load_quarantine
UNION ALL
SELECT object_key, NULL, 0, size, state, NULL FROM load_ledger WHERE state IN ('changed', 'set_aside')
ORDER BY object_key, byte_start"""


def print_list(data: DataDir, form: str) -> None:
    """Every line in quarantine and every object that was set aside or overwritten: place and reason, no text."""
    sql(data, LISTING, form)


def show(data: DataDir, raw: str, key: str, out: TextIO) -> None:
    """Each quarantined part of one object with its text, as a JSON string: what someone wrote cannot steer a terminal."""
    with reading(data) as db:
        rows = db.execute(
            "SELECT line_number, byte_start, byte_end, reason, field FROM load_quarantine WHERE object_key = ? ORDER BY 2",
            [key],
        ).fetchall()
    if not rows:
        raise MeterhouseError(f"{key}: has nothing in quarantine; see `meterhouse quarantine list`")
    text = segments.inflate(key, Storage(raw).read(key))
    for number, start, end, reason, name in rows:
        out.write(f"line {number}, bytes {start}-{end}: {reason}{f' in {name}' if name else ''}\n")
        out.write(f"  {json.dumps(text[start:end].decode(errors='replace'))}\n")


def retry(data: DataDir, raw: str, key: str | None) -> Loaded:
    """Load quarantined objects again, all or one; raises LockedError while a run is at work."""
    with run_lock(data), Catalog(data) as catalog:
        return reload.retry(Storage(raw), catalog, key)
