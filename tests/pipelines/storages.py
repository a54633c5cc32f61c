"""Object storages that tests put things on: a folder, an S3 server, one that ignores conditions, Azure's.

Azurite comes from npm, so what needs it is skipped unless `make test-storage` names its program.
"""

import base64
import hmac
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from delivery.fault_proxy import FaultProxy

AZURITE = os.environ.get("METERHOUSE_TEST_AZURITE")  # the program `azurite-blob`
ACCOUNT = "devstoreaccount1"  # Azurite's own, and its published key
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
AWS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}


@contextmanager
def folder(root: Path, patch):
    (root / "bucket").mkdir(parents=True)
    yield str(root / "bucket")


@contextmanager
def s3(root: Path, patch, hide=()):
    """In a process of its own: some calls of Delta's client let no other thread run while they wait for an answer."""
    words = [sys.executable, "-m", "pipelines.storages", *hide]
    folder_of_tests = Path(__file__).resolve().parents[1]
    server = subprocess.Popen(words, cwd=folder_of_tests, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        urllib.request.urlopen(urllib.request.Request(f"{url}/{root.name}", method="PUT")).close()
        for name, value in {**AWS, "AWS_ENDPOINT_URL": url}.items():
            patch.setenv(name, value)
        yield f"s3://{root.name}"
    finally:
        server.communicate()  # the end of its input ends it


def serve_s3(hide: list[str]) -> None:
    """Serve until the input ends; the first line of the output is the address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    with FaultProxy(address, hide=hide) as proxy:
        print(proxy.url, flush=True)
        sys.stdin.read()
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


def named(root: Path) -> Path:
    """A folder whose name no other test gives to a bucket."""
    path = root / f"agents-{uuid.uuid4().hex[:12]}"
    path.mkdir()
    return path


if __name__ == "__main__":
    serve_s3(sys.argv[1:])
