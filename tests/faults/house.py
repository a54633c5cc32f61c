"""What the fault cases share: rounds and seed, seeded segments, work that is killed, and the account at the end."""

import gzip
import os
import random
from pathlib import Path

from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - tests/pipelines

ROUNDS = int(os.environ.get("METERHOUSE_FAULT_ROUNDS", "50"))
SEED = int(os.environ.get("METERHOUSE_TEST_SEED", "20261120"))
FEW = ("fct_requests", "rpt_usage_daily", "fct_sessions")
LEDGER = ("SELECT object_key, sha256, state, spooled, rows_loaded + rows_duplicate, rows_quarantined, rows_parked FROM load_ledger "
          "ORDER BY ALL")  # fmt: skip


def packed(lines: list, seq: int = 1) -> bytes:
    """Events, or raw lines, as the bytes of a segment."""
    return gzip.compress(
        raw.text([row if isinstance(row, bytes) else raw.line(row) for row in lines], seq=seq), mtime=0
    )


def segment_of(dice: random.Random, number: int) -> list:
    """A few events of several kinds on any of eight days; now and then a broken line or one from the future."""
    lines = []
    for n in range(dice.randrange(3, 12)):
        at = f"2026-03-{dice.randrange(1, 9):02d}T{dice.randrange(24):02d}:00:00Z"
        kind = dice.choice(["model_request", "model_request", "tool_call", "prompt", "code_change"])
        more = {"response_id": f"msg_{number:010d}{dice.randrange(5):020d}"} if kind == "model_request" else {}
        lines.append(raw.event(kind, at, key=(number, n), session_id=f"s{dice.randrange(9)}", **more))
    if dice.random() < 0.3:
        lines.append(b'{"kind":"prompt"')
    if dice.random() < 0.3:
        lines.append(raw.event(key=(number, "later")) | {"schema_version": 2})
    return lines


def loading(bucket: str, folder: str) -> None:
    """The load alone, with the lake's tables; done in a child."""
    from meterhouse import delta, load
    from meterhouse.lock import run_lock
    from meterhouse.storage import Storage

    data = DataDir(Path(folder))
    with run_lock(data, 10), Catalog(data) as catalog:
        load.load(Storage(bucket), catalog)
        delta.follow(catalog)


def running(bucket: str, folder: str) -> None:
    """A whole run; done in a child."""
    raw.run(bucket, DataDir(Path(folder)))


def publishing(bucket: str, folder: str, is_opened_only: bool = False) -> None:
    """The publication alone, of what is built, and of a few tables, for the sake of speed; done in a child."""
    from meterhouse import seeds, snapshot
    from meterhouse.build import Builder
    from meterhouse.lock import run_lock
    from meterhouse.storage import Storage

    data = DataDir(Path(folder))
    with run_lock(data), Catalog(data) as catalog, Builder(catalog, seeds.read_seeds(Storage(bucket))) as builder:
        builder.models = {name: builder.models[name] for name in FEW}
        if not is_opened_only:
            snapshot.publish(builder)


def opening(bucket: str, folder: str) -> None:
    """What a publication does before it begins."""
    publishing(bucket, folder, is_opened_only=True)


def rebuilding(bucket: str, folder: str) -> None:
    """A rebuild and its swap; done in a child."""
    from meterhouse.rebuild import rebuild

    rebuild(bucket, DataDir(Path(folder)))


def lines_of(bucket: Path) -> tuple[int, int]:
    """Events that the objects hold, by id: different ones, and all; broken and parked lines are none."""
    import json

    ids = []
    for path in sorted(bucket.rglob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            if b'"event_id"' in line and json.loads(line)["schema_version"] == 1:
                ids.append(json.loads(line)["event_id"])
    return len(set(ids)), len(ids)


def account(data: DataDir, bucket: Path) -> dict[str, int]:
    """P3 on the lake itself: events lost, events there twice, and the residual of the ledger."""
    import polars as pl

    from meterhouse import contract

    with Catalog(data) as catalog:
        files = [file for kind in contract.kinds() for file in catalog.files(kind)]
        query = "SELECT coalesce(sum(spooled - rows_loaded - rows_duplicate - rows_quarantined - rows_parked), 0) FROM load_ledger"
        (residual,) = catalog.db.execute(query).fetchone()
    ids = [name for file in files for name in pl.read_parquet(file, columns=["event_id"])["event_id"].to_list()]
    different, _ = lines_of(bucket)
    return {"lost": different - len(set(ids)), "twice": len(ids) - len(set(ids)), "residual": int(residual)}


def assert_accounted(data: DataDir) -> None:
    """P3 as readers see it: nothing is left over, and no key of a request repeats."""
    assert raw.rows(data, "SELECT coalesce(sum(abs(residual)), 0) FROM rpt_accounting") == [(0,)]
    assert raw.rows(data, "SELECT count(*) - count(DISTINCT request_id) FROM fct_requests") == [(0,)]
