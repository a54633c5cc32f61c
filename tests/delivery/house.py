"""An intake, a laptop that ships to it, and the account of what became of every event, after a real load."""

import gzip
import json
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

import obstore
import polars as pl
import polars.testing

from collectors.laptop import Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from collectors.test_ship import wait_for  # noqa: TID251 - tests/collectors
from meterhouse.catalog import Catalog
from meterhouse.load import load
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
from meterhouse_collector import destination, intake_client, segment, ship, spool
from meterhouse_collector.intake import tokens
from meterhouse_collector.intake.http import BoundedServer
from meterhouse_collector.intake.otlp_desk import OtlpDesk
from meterhouse_collector.intake.service import Service
from meterhouse_collector.settings import load as load_settings

LINEAGE = ("day", "received_at", "sender", "is_clock_suspect", "object_number")


class Intake:
    """A running intake in this process; `token` opens it for the sender laptop-1, whose person is p-1."""

    def __init__(self, root, to, person="p-1", spool_folder=None):
        root.mkdir(exist_ok=True)
        self.tokens = root / "tokens.json"
        self.token = tokens.new()
        tokens.write(str(self.tokens), [tokens.Token("laptop-1", tokens.digest(self.token), person)])
        store = destination.open_destination(str(to))
        self.desk = None
        if spool_folder:
            settings = load_settings(str(root / "collector.json"), {})
            self.desk = OtlpDesk(
                lambda: spool.open_spool(str(spool_folder), settings.spool_limit_mb << 20), settings, store
            )
            self.owner = threading.Thread(target=lambda: self.desk.run(self.desk._open_spool()), daemon=True)
            self.owner.start()
        self.service = Service(store, tokens.Tokens(str(self.tokens)), self.desk)
        self.server = BoundedServer(("127.0.0.1", 0), self.service)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        if self.desk:
            self.desk.stop()
            self.owner.join()


class Bucket:
    """An S3 bucket; collector and loader find its server as they would find a real one."""

    def __init__(self, server, name, monkeypatch):
        self.server, self.url, self._patch = server, f"s3://{name}", monkeypatch
        urllib.request.urlopen(urllib.request.Request(f"{server}/{name}", method="PUT")).close()
        for variable, value in {
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(variable, value)
        monkeypatch.setattr(destination, "WHOLE", "1s")
        self.at(server)

    def at(self, url):
        """From now on the bucket is reached through this address."""
        self._patch.setenv("AWS_ENDPOINT_URL", url)

    def copy(self, folder):
        """Write what the bucket holds into a folder."""
        self.at(self.server)
        store = destination.open_destination(self.url)._store
        for batch in obstore.list(store):
            for item in batch:
                path = folder / item["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(bytes(obstore.get(store, item["path"]).bytes()))


def quick(monkeypatch, token=None):
    """Nobody waits: no pace, no pauses between tries, small time limits."""
    monkeypatch.setattr(intake_client, "PACE", 0)
    monkeypatch.setattr(intake_client, "READ", 0.3)
    monkeypatch.setattr(intake_client, "WHOLE", 0.6)
    monkeypatch.setattr(
        ship, "time", SimpleNamespace(sleep=lambda _: None, time=time.time, gmtime=time.gmtime, strftime=time.strftime)
    )
    monkeypatch.setattr("meterhouse_collector.intake.service.BURST", 1e9)
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    if token:
        monkeypatch.setenv("METERHOUSE_TOKEN", token)


def small_segments(monkeypatch, events=10):
    monkeypatch.setattr("meterhouse_collector.outbox.BATCH", max(1, events // 2))
    monkeypatch.setattr(spool, "SEAL_EVENTS", events)


def until_delivered(laptop, to, tries=200):
    """`once` until it ends well; how many it took."""
    for attempt in range(1, tries + 1):
        if laptop.once(to) == 0:
            return attempt
    raise AssertionError(f"not delivered in {tries} tries")


def settings(laptop):
    """The settings in force on this laptop."""
    return load_settings(str(laptop.spool.parent / "collector.json"), {})


def undisturbed(laptop):
    """Lines and tables that a calm machine with the same files ships; the same files are shipped once for all tests."""
    files = {path.relative_to(laptop.home): path.read_bytes() for path in laptop.home.rglob("*") if path.is_file()}
    known = repr(sorted(files.items()))
    if known not in _CALM:
        calm = Laptop(laptop.root / f"calm-{len(_CALM)}")
        calm.home = laptop.home
        assert calm.once() == 0
        _CALM[known] = calm.lines(), account(calm.to, calm.root / "data", calm.lines()).tables
    return _CALM[known]


_CALM = {}


def settled(laptop, to=None, missing=(), **dropped):
    """Load what arrived: the same rows as from a calm machine, but for the ids in `missing`, and a clean account."""
    lines, tables = undisturbed(laptop)
    found = account(
        to or laptop.to, laptop.root / "data", [line for line in lines if segment.event_id(line) not in missing]
    )
    clean(found, dropped)
    assert spool.list_waiting(str(laptop.spool)) == []
    for kind, table in tables.items():
        rows = table.filter(~pl.col("event_id").is_in(list(missing)))
        polars.testing.assert_frame_equal(found.tables[kind], rows)
    return found


@dataclass
class Account:
    """P3 over one destination: what headers announce, and what became of it."""

    objects: int = 0
    spooled: int = 0
    loaded: int = 0
    duplicate: int = 0
    quarantined: int = 0
    parked: int = 0
    dropped: dict = field(default_factory=dict)
    gaps: int = 0
    lost: int = 0
    twice: int = 0
    tables: dict = field(default_factory=dict)

    @property
    def residual(self):
        return self.spooled - self.loaded - self.duplicate - self.quarantined - self.parked

    def __str__(self):
        return (f"{self.objects} objects, {self.spooled} spooled = {self.loaded} loaded + {self.duplicate} duplicate + "
                f"{self.quarantined} quarantined + {self.parked} parked, dropped {self.dropped or 0}; "
                f"lost {self.lost}, counted twice {self.twice}, gaps {self.gaps}, residual {self.residual}")  # fmt: skip


def account(to, data, expected):
    """Load `to` into a new data directory and hold it against the event lines that must have arrived."""
    found, dropped = Account(), Counter()
    with Catalog(DataDir(data)) as catalog:
        load(Storage(str(to)), catalog)
        rows = catalog.db.execute(
            "SELECT spooled, rows_loaded, rows_duplicate, rows_quarantined, rows_parked, dropped, problem FROM load_ledger"
        ).fetchall()
        kinds = sorted(folder.name for folder in (DataDir(data).lake).iterdir()) if DataDir(data).lake.exists() else []
        tables = {kind: pl.read_parquet(catalog.files(kind)) for kind in kinds}
    for spooled, loaded, duplicate, quarantined, parked, drops, problem in rows:
        assert problem is None, problem
        found.objects += 1
        found.spooled += spooled
        found.loaded += loaded
        found.duplicate += duplicate
        found.quarantined += quarantined
        found.parked += parked
        dropped.update(json.loads(drops))
    found.dropped = dict(dropped)
    found.tables = {
        kind: table.select(sorted(set(table.columns) - set(LINEAGE))).sort("event_id")
        for kind, table in tables.items()
        if kind != "heartbeat"  # one an hour of a collector that runs; the calm one ran once
    }
    ids = Counter(name for table in found.tables.values() for name in table["event_id"])
    wanted = {segment.event_id(line) for line in expected}
    found.lost = len(wanted - set(ids))
    found.twice = sum(count - 1 for count in ids.values() if count > 1) + len(set(ids) - wanted)
    found.gaps = gaps(to)
    return found


def headers(to):
    """Headers of every stored segment."""
    return [
        json.loads(gzip.decompress(path.read_bytes()).split(b"\n", 1)[0]) for path in sorted(to.rglob("*.jsonl.gz"))
    ]


def gaps(to):
    """Numbers of an epoch that no object bears and no header accounts for."""
    used, replaced = {}, set()
    for header in headers(to):
        used.setdefault(header["epoch"], set()).add(header["seq"])
        for told in (*header.get("replaces", ()), *header.get("unused", ())):
            replaced.add((told.split("-")[0], int(told.split("-")[1])))
    return sum(
        (epoch, number) not in replaced and number not in numbers
        for epoch, numbers in used.items()
        for number in range(1, max(numbers) + 1)
    )


def clean(found, dropped=None):
    """The bar: nothing lost, nothing twice, no gap, residual 0, and no drop but those that are named."""
    assert (found.lost, found.twice, found.gaps, found.residual) == (0, 0, 0, 0), str(found)
    assert found.dropped == (dropped or {}), str(found)


__all__ = ["Account", "Intake", "Laptop", "account", "clean", "jsonl", "turn", "wait_for"]
