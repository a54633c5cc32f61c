"""A folder, an S3 server, one that ignores conditions, and Azure's storage give identical tables.

Segments are put as a collector puts them, each twice, as after an answer that was lost.
"""

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from meterhouse import contract, load
from meterhouse.catalog import Catalog, rows_of
from meterhouse.errors import StorageError
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.storage import Storage
from meterhouse_collector import destination
from pipelines import raw  # noqa: TID251 - the folder of these tests
from pipelines.storages import STORAGES, folder, named, s3  # noqa: TID251


def segments() -> dict[str, bytes]:
    """Four objects: repeats within and between them, a line that breaks the contract, one of a later version, three days."""
    objects = {}
    for seq in range(1, 5):
        rows = [raw.event(at=f"2026-03-0{day}T10:00:00Z", key=(seq % 3, day), response_id=f"msg_{seq % 3}{day:029d}")
                for day in range(2, 5)]  # fmt: skip
        rows += [raw.event("prompt", key=(seq,)), raw.event("tool_call", key=(seq,)), b'{"kind":"prompt"']
        rows += [raw.event(key=("later", seq)) | {"schema_version": 2}]
        lines = [row if isinstance(row, bytes) else raw.line(row) for row in rows]
        data = gzip.compress(raw.text(lines, seq=seq, sender=raw.SENDER), mtime=0)
        digest = hashlib.sha256(data).hexdigest()[:16]
        objects[f"raw/v1/direct/{raw.SENDER}/{raw.EPOCH}-{seq:012d}-{digest}.jsonl.gz"] = data
    return objects


def tables(root: Path, patch, storage) -> dict[str, tuple]:
    """Number of rows and order-free hash of every table of lake, ledger and snapshot, without the times of receipt."""
    with storage(root, patch) as url:
        target = destination.open_destination(url)
        for key, data in [*segments().items()] * 2:
            target.put(key, data)
        data = DataDir(root / "data")
        with Catalog(data) as catalog:
            load.load(Storage(url), catalog)
            load.load(Storage(url), catalog)  # nothing is new to the second
            found = {}
            for kind in contract.kinds().values():
                if files := catalog.files(kind.name):
                    found[kind.name] = content(f"SELECT * EXCLUDE (received_at) FROM ({rows_of(kind, files)})")
            for table in raw.LEDGER:
                hidden = "EXCLUDE (etag, received_at)" if table == "load_ledger" else ""
                found[table] = content(f"SELECT * {hidden} FROM {table}", catalog.db)
        run(url, data)
    return found | raw.fingerprint(data)


def content(query: str, db=duckdb) -> tuple:
    return db.execute(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM ({query}) AS t").fetchone()


@pytest.fixture(scope="module")
def of_a_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        found = tables(tmp_path_factory.mktemp("folder"), patch, folder)
    expected = {"model_request": 9, "prompt": 4, "tool_call": 4, "load_ledger": 4, "load_quarantine": 4, "load_parked": 4,
                "fct_requests": 9}  # fmt: skip
    assert {name: found[name][0] for name in expected} == expected
    return found


@pytest.mark.parametrize("name", STORAGES)
def test_every_storage_gives_the_tables_of_a_folder(tmp_path, monkeypatch, of_a_folder, name):
    root = named(tmp_path)
    assert tables(root, monkeypatch, STORAGES[name]) == of_a_folder


@pytest.mark.parametrize("storage", [folder, s3])
def test_objects_are_read_in_order_however_many_are_on_their_way_and_one_that_is_gone_is_named(
    storage, tmp_path, monkeypatch
):
    with storage(tmp_path / "bucket", monkeypatch) as url:
        target = destination.open_destination(url)
        for number in range(40):
            target.put(f"raw/v1/{number:02d} %#{number}.jsonl", b"x" * number)
        store = Storage(url)
        rows = sorted(store.segments(), key=lambda row: row.key)
        monkeypatch.setattr("meterhouse.storage.AHEAD_BYTES", 100)
        assert [(row, len(raw)) for row, raw in store.read_each(rows)] == [(row, row.size) for row in rows]
        rows[20:21] = [replace(rows[20], key="raw/v1/gone.jsonl")]
        found = []
        with pytest.raises(StorageError, match=r"gone\.jsonl cannot be read"):
            found.extend(row for row, _ in store.read_each(rows))
        assert found == rows[:20]
