"""A folder, an S3 server, one that ignores conditions, and Azure's storage give identical tables.

Segments are put as a collector puts them, each twice, as after an answer that was lost. Azurite comes from npm, so it has a target
of its own: `make test-storage`.
"""

import base64
import gzip
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import urllib.request
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from moto.server import ThreadedMotoServer

from delivery.fault_proxy import FaultProxy
from meterhouse import contract, load
from meterhouse.catalog import Catalog, rows_of
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
from meterhouse_collector import destination
from pipelines import raw  # noqa: TID251 - the folder of these tests

AZURITE = os.environ.get("METERHOUSE_TEST_AZURITE")  # the program `azurite-blob`
ACCOUNT = "devstoreaccount1"  # Azurite's own, and its published key
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AWS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}


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


@contextmanager
def folder(root: Path, patch):
    (root / "bucket").mkdir(parents=True)
    yield str(root / "bucket")


@contextmanager
def s3(root: Path, patch, hide=()):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        with FaultProxy(address, hide=hide) as proxy:
            urllib.request.urlopen(urllib.request.Request(f"{address}/{root.name}", method="PUT")).close()
            for name, value in {**AWS, "AWS_ENDPOINT_URL": proxy.url}.items():
                patch.setenv(name, value)
            yield f"s3://{root.name}"
    finally:
        server.stop()


@contextmanager
def s3_without_conditions(root: Path, patch):
    with s3(root, patch, hide=("If-None-Match", "If-Match")) as url:
        yield url


@contextmanager
def azure(root: Path, patch):
    if not AZURITE:
        pytest.skip("`make test-storage` tests Azure's storage; it installs Azurite from npm")
    assert shutil.which(AZURITE), f"{AZURITE}: no such program"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [AZURITE, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence",
             "--skipApiVersionCheck", "--disableTelemetry"]  # fmt: skip
    server = subprocess.Popen(words, cwd=root.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = []
        for line in server.stdout:
            said.append(line)
            if "successfully listens" in line:
                break
        else:
            pytest.fail("".join(said))
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        create_container(endpoint, root.name)
        for name, value in {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": KEY,
                            "AZURE_STORAGE_USE_EMULATOR": "true",
                            "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}"}.items():  # fmt: skip
            patch.setenv(name, value)
        yield f"az://{root.name}"
    finally:
        server.kill()
        server.communicate()


def create_container(endpoint: str, name: str) -> None:
    """One signed request: clients of objects make no containers."""
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    signed = "\n".join(["PUT", *[""] * 11, f"x-ms-date:{date}", "x-ms-version:2021-08-06",
                        f"/{ACCOUNT}/{ACCOUNT}/{name}", "restype:container"])  # fmt: skip
    mac = base64.b64encode(hmac.new(base64.b64decode(KEY), signed.encode(), "sha256").digest()).decode()
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", "Authorization": f"SharedKey {ACCOUNT}:{mac}",
               "Content-Length": "0"}  # fmt: skip
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", method="PUT", headers=headers)
    urllib.request.urlopen(request).close()


STORAGES = {"S3": s3, "S3 that ignores conditions": s3_without_conditions, "Azure": azure}


def tables(root: Path, patch, storage) -> dict[str, tuple]:
    """Number of rows and order-free hash of every table that a load fills, without the times of receipt."""
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
    return found


def content(query: str, db=duckdb) -> tuple:
    return db.execute(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM ({query}) AS t").fetchone()


@pytest.fixture(scope="module")
def of_a_folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        found = tables(tmp_path_factory.mktemp("folder"), patch, folder)
    assert {name: count for name, (count, _) in found.items()} == {
        "model_request": 9, "prompt": 4, "tool_call": 4, "load_ledger": 4, "load_quarantine": 4, "load_parked": 4,
    }  # fmt: skip
    return found


@pytest.mark.parametrize("name", STORAGES)
def test_every_storage_gives_the_tables_of_a_folder(tmp_path, monkeypatch, of_a_folder, name):
    root = tmp_path / f"agents-{uuid.uuid4().hex[:12]}"  # all S3 servers of one process share their buckets
    root.mkdir()
    assert tables(root, monkeypatch, STORAGES[name]) == of_a_folder
