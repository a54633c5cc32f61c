"""A small house that Dagster built, and what its materializations say."""

import os
from pathlib import Path

import dagster as dg

from meterhouse.orchestration import once
from meterhouse.paths import DataDir
from meterhouse.run import Outcome
from pipelines import raw  # noqa: TID251 - the folder of these tests

DAYS = ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06"]


def make(root: Path) -> Outcome:
    """One request on the first day, two on the second and so on, a prompt a day, one person; as `meterhouse run` builds them."""
    for seq, day in enumerate(DAYS, start=1):
        rows = [raw.event(at=f"{day}T10:00:00Z", key=(day, n), response_id=f"msg_{day}{n:020d}") for n in range(seq)]
        raw.segment(root / "bucket", [*rows, raw.event("prompt", f"{day}T09:00:00Z")], seq=seq)
    raw.roster(root / "bucket", ["p1,search,engineer,true,2026-01-01,"], ["search,core,cc1,lead,2026-01-01,"])
    saved = os.environ.pop("DAGSTER_HOME", None)
    try:
        return once.run(str(root / "bucket"), DataDir(root / "data"))
    finally:
        if saved:
            os.environ["DAGSTER_HOME"] = saved


def told(instance, asset: str, partition: str | None = None) -> dict:
    """Metadata of the newest materialization, of one partition."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition] if partition else None), 1
    ).records
    return {name: value.value for name, value in records[0].asset_materialization.metadata.items()}
