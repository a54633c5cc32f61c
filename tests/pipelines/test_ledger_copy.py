"""Readers have the ledger as it is, whatever became of an object, though only what changed is copied."""

import os
import random

import duckdb
import pytest

from meterhouse import checks, reload
from meterhouse.build import Builder
from meterhouse.catalog import LEDGER_TABLES, Catalog
from meterhouse.load import load
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.seeds import read_seeds
from meterhouse.snapshot import publish, reading
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests

SEEDS = range(int(os.environ.get("METERHOUSE_FAULT_ROUNDS", "50")) // 25)
FUTURE = b'{"schema_version":1,"kind":"of_tomorrow"}'


class House:
    """A bucket of small objects, and what may happen to one."""

    def __init__(self, root, chance: random.Random) -> None:
        self.bucket, self.data, self.chance = root / "bucket", DataDir(root / "data"), chance
        self.objects: dict[str, bytes] = {}

    def arrives(self) -> None:
        """One more object, maybe with a broken line or one of the future."""
        lines = [raw.event(key=(len(self.objects),)), *self.chance.sample([b"{", FUTURE], self.chance.randrange(3))]
        key = raw.segment(self.bucket, lines, seq=len(self.objects) + 1)
        self.objects[key] = (self.bucket / key).read_bytes()

    def overwritten(self) -> None:
        """Other content under the name of an object that was there."""
        (self.bucket / self.chance.choice([*self.objects])).write_bytes(self.chance.randbytes(30))

    def restored(self) -> None:
        """Every object has its first content again."""
        for key, content in self.objects.items():
            (self.bucket / key).write_bytes(content)

    def set_aside(self) -> None:
        """An object that killed the load three times."""
        self.arrives()
        with run_lock(self.data), Catalog(self.data) as catalog:
            catalog.db.execute("INSERT OR REPLACE INTO load_attempts VALUES (?, 3)", [[*self.objects][-1]])

    def retried(self) -> None:
        """`meterhouse quarantine retry`."""
        with run_lock(self.data), Catalog(self.data) as catalog:
            reload.retry(Storage(str(self.bucket)), catalog)


@pytest.mark.parametrize("seed", SEEDS)
def test_readers_have_the_ledger_as_it_is(tmp_path, seed):
    chance = random.Random(seed)
    house = House(tmp_path, chance)
    house.arrives()
    for _ in range(5):
        for what in chance.choices(["arrives", "overwritten", "restored", "set_aside", "retried"], k=chance.randrange(1, 4)):  # fmt: skip
            getattr(house, what)()
        if run(str(house.bucket), house.data).published:
            assert of_readers(house.data) == of_catalog(house.data)


def test_a_load_after_the_builder_was_opened_is_in_the_ledger_of_its_tables(tmp_path):
    """As in a run of Dagster's that builds a table of seeds alone before it loads."""
    house = House(tmp_path, random.Random(1))
    run(str(house.bucket.parent), house.data)
    house.arrives()
    storage = Storage(str(house.bucket))
    with run_lock(house.data), Catalog(house.data) as catalog, Builder(catalog, read_seeds(storage)) as builder:
        builder.build(builder.models["stg_prices"])
        load(storage, catalog)
        builder.build_all()
        checks.require(checks.check_all_news(builder))
        publish(builder)
    assert of_readers(house.data) == of_catalog(house.data)
    assert raw.rows(house.data, "SELECT sum(objects) FROM rpt_accounting") == [(1,)]


def test_rows_that_are_gone_are_gone_for_readers_too(tmp_path):
    """A retry forgets objects that were set aside; nothing else changes, and then something unlike it."""
    house = House(tmp_path, random.Random(1))
    house.arrives()
    house.set_aside()
    run(str(house.bucket), house.data)
    assert len(of_readers(house.data)["load_ledger"]) == 2
    house.retried()
    (house.bucket / [*house.objects][-1]).unlink()
    house.arrives()
    run(str(house.bucket), house.data)
    assert [row[0] for row in of_readers(house.data)["load_ledger"]] == sorted([*house.objects][::2])


def test_a_column_that_the_ledger_got_since_is_copied_to_readers(tmp_path):
    house = House(tmp_path, random.Random(1))
    house.arrives()
    run(str(house.bucket), house.data)
    for file in (house.data.build, house.data.current.resolve()):
        with duckdb.connect(str(file)) as db:
            db.execute("ALTER TABLE load_ledger DROP COLUMN sha256")
    house.arrives()
    run(str(house.bucket), house.data)
    assert of_readers(house.data) == of_catalog(house.data)


def of_readers(data: DataDir) -> dict[str, list[tuple]]:
    with reading(data) as db:
        return {table: db.execute(statement(table)).fetchall() for table in LEDGER_TABLES}


def of_catalog(data: DataDir) -> dict[str, list[tuple]]:
    with run_lock(data), Catalog(data) as catalog:
        return {table: catalog.db.execute(statement(table)).fetchall() for table in LEDGER_TABLES}


def statement(table: str) -> str:
    # the tag of bytes that were written again is no change of what became of them
    return f"SELECT * {'EXCLUDE etag' if table == 'load_ledger' else ''} FROM {table} ORDER BY ALL"
