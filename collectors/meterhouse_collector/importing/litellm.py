"""LiteLLM's logs: objects of its S3 logger, one call or a batch each, and exported rows of SpendLogs; content is not read.

Objects come late and their keys carry a local clock, so no mark on names is kept: an object is known by name and look. A
record that is broken is counted and costs itself alone.
"""

import csv
import gzip
import hashlib
import io
import json
import os
import zlib
from argparse import ArgumentParser, Namespace
from decimal import Decimal
from typing import Any, Callable, Dict, Iterator, NamedTuple

from meterhouse_collector.errors import CollectorError
from meterhouse_collector.gateways import litellm
from meterhouse_collector.inlet import Inlet, Inlets

ABOUT = "LiteLLM's S3 logger objects and SpendLogs rows, from a file, a folder or a bucket"
ENDINGS = (".json", ".jsonl", ".ndjson", ".csv")
_MAX = 256 << 20
_KNOWN_MAX = 200_000  # objects remembered; beyond, the oldest are read again and their events known by their ids


class Object(NamedTuple):
    """One file or object: its name, how it looks from outside, and how to get its bytes."""

    name: str
    look: str
    read: Callable[[], bytes]


def arguments(parser: ArgumentParser) -> None:
    """What this kind takes."""
    parser.add_argument("path", metavar="PATH", help="file, folder, s3://bucket/prefix, gs://… or az://…")


def load(options: Namespace, inlets: Inlets) -> None:
    """Every object that is new or looks different, in order of name."""
    inlet = inlets("litellm", "gateway")
    known: Dict[str, str] = dict(inlet.state.get("objects") or {})  # type: ignore[call-overload]
    for found in _objects(options.path):
        name = hashlib.sha256(found.name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        if known.get(name) == found.look:
            continue
        _take(found, inlet)
        known.pop(name, None)
        known[name] = found.look
        inlet.state["objects"] = dict(list(known.items())[-_KNOWN_MAX:]) if len(known) > _KNOWN_MAX else known


def _take(found: Object, inlet: Inlet) -> None:
    """All calls of one object."""
    try:
        data = _unpacked(found.read())
    except (OSError, EOFError, zlib.error, ValueError):
        inlet.drop("import_unreadable")
        return
    for record in _records(found.name, data):
        if not isinstance(record, dict):
            inlet.drop("not_json")
            continue
        taken = False
        for draft in litellm.drafts(record, inlet):
            taken = True
            inlet.take(draft)
        if not taken:
            inlet.drop("not_a_call")


def _records(name: str, data: bytes) -> Iterator[Any]:
    """The records of one object; None for one that is no JSON."""
    text = data.decode("utf-8-sig", "replace")
    if name.removesuffix(".gz").endswith(".csv"):
        yield from csv.DictReader(io.StringIO(text))
        return
    whole = _json(text)
    if whole is not None:
        yield from whole if isinstance(whole, list) else [whole]
        return
    for line in text.split("\n"):  # a batch's last line has no line feed
        if line.strip():
            yield _json(line)


def _json(text: str) -> Any:
    """Amounts as decimals: a float would round them before they are money."""
    try:
        return json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _unpacked(data: bytes) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    with gzip.open(io.BytesIO(data)) as file:
        text = file.read(_MAX + 1)
    if len(text) > _MAX:
        raise ValueError("inflates too much")
    return text


def _objects(path: str) -> Iterator[Object]:
    if "://" in path:
        yield from _bucket(path)
    elif os.path.isdir(path):
        for folder, folders, names in os.walk(path):
            folders.sort()
            yield from (_file(os.path.join(folder, name)) for name in sorted(names) if _is_log(name))
    elif os.path.isfile(path):
        yield _file(path)
    else:
        raise CollectorError(f"{path}: no such file or folder; give what LiteLLM's logger writes to")


def _file(path: str) -> Object:
    def read() -> bytes:
        with open(path, "rb") as file:
            return file.read(_MAX)

    status = os.stat(path)
    return Object(os.path.abspath(path), f"{status.st_size:x}-{status.st_mtime_ns:x}", read)


def _bucket(url: str) -> Iterator[Object]:
    """Through the `bucket` extra, as shipping does it."""
    try:
        import obstore
        from obstore import store
    except ImportError:
        raise CollectorError(f"{url}: buckets need the extra; pip install 'meterhouse-collector[bucket]'") from None
    try:
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        options: Any = {"allow_http": plain, "timeout": "30s", "connect_timeout": "10s"}
        opened = store.from_url(url, client_options=options)
        listed = sorted(
            (row["path"], row["e_tag"] or str(row["size"])) for page in obstore.list(opened) for row in page
        )
    except Exception as error:  # obstore's errors share no useful base; their text may repeat the request
        raise CollectorError(f"{url}: cannot be listed ({type(error).__name__}); check name and credentials") from None
    for name, tag in listed:
        if _is_log(name):
            yield Object(f"{url}/{name}", tag, lambda name=name: _get(obstore, opened, name))


def _get(obstore: Any, opened: Any, name: str) -> bytes:
    try:
        return bytes(obstore.get(opened, name).bytes())
    except Exception as error:
        raise OSError(type(error).__name__) from None


def _is_log(name: str) -> bool:
    """Audit objects tell of settings, not of calls."""
    base = os.path.basename(name)
    return base.removesuffix(".gz").endswith(ENDINGS) and not base.startswith("audit-")
