"""A data directory whose lake is shared, for tests: load, share, compact, vacuum, and compare both lakes row for row."""

import polars as pl
from deltalake import DeltaTable

from meterhouse import compaction, contract, delta, load, shared_lake
from meterhouse.catalog import Catalog
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.settings import Settings
from meterhouse.storage import Storage
from meterhouse.vacuum import vacuum
from pipelines import raw  # noqa: TID251 - the folder of these tests
from pipelines.test_lake_readers import content  # noqa: TID251

KIND = "model_request"


class House:
    """A data directory whose lake is shared."""

    def __init__(self, root, place):
        self.bucket, self.data = root / "raw", DataDir(root / "data")
        self.place = f"{place}/lake"

    def load(self, seq, day=2):
        """One more object, of a prompt and a request."""
        raw.segment(self.bucket, [raw.event(at=f"2026-03-0{day}T10:00:00Z", key=(seq,), response_id=f"msg_{seq:030d}"),
                                  raw.event("prompt", key=(seq,))], seq=seq)  # fmt: skip
        with run_lock(self.data), Catalog(self.data) as catalog:
            load.load(Storage(str(self.bucket)), catalog)
            delta.follow(catalog)

    def share(self):
        return shared_lake.share(self.data, self.place)

    def vacuum(self, keep_days=0, **options):
        settings = Settings(storage_lake=self.place, keep_days=keep_days)
        with run_lock(self.data), Catalog(self.data) as catalog:
            return vacuum(catalog, settings, **options)

    def compact(self, patch):
        patch.setattr(compaction, "MAX_FILES", 1)
        with run_lock(self.data), Catalog(self.data) as catalog:
            return compaction.compact(catalog)

    def table(self, kind=KIND, version=None):
        options = {"allow_http": "true"}
        return DeltaTable(f"{self.place}/{kind}", version=version, storage_options=options)

    def rows(self, kind=KIND, version=None):
        return content(pl.read_delta(self.table(kind, version)).to_arrow(), contract.kinds()[kind])

    def own_rows(self, kind=KIND):
        return content(pl.read_delta(str(self.data.lake / kind)).to_arrow(), contract.kinds()[kind])

    def assert_equal(self):
        for kind in (KIND, "prompt"):
            assert self.rows(kind) == self.own_rows(kind)
