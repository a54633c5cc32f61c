"""W1, W2: readers have a whole snapshot or the previous one, while the publisher is killed, finds the disk full, or is at it."""

import random
import shutil
import threading

import pytest

from faults import house, kills
from meterhouse import seeds, snapshot
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - tests/pipelines

PUBLICATIONS = 100
NARROW = ("rpt_accounting", "dim_days")  # a hundred publications of all tables take minutes


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A house with one snapshot."""
    root, dice = tmp_path_factory.mktemp("published"), random.Random(house.SEED)
    for number in range(3):
        raw.segment(root / "bucket", house.segment_of(dice, number), seq=number + 1)
    raw.published(root / "bucket", root / "data")
    return root


@pytest.fixture
def built(published, tmp_path):
    """A copy of it; gives where it is as children are told."""
    shutil.copytree(published, tmp_path, symlinks=True, dirs_exist_ok=True)
    return str(tmp_path / "bucket"), str(tmp_path / "data")


def whole(data: DataDir) -> tuple:
    """What a reader sees; raises when it is no whole snapshot."""
    with snapshot.reading(data) as db:
        return db.execute(
            "SELECT version, (SELECT count(*) FROM fct_requests), (SELECT sum(requests) FROM rpt_usage_daily), "
            "(SELECT sum(requests) FROM fct_sessions), (SELECT count(*) FROM load_ledger) FROM snapshot_info"
        ).fetchone()


def ways(rounds: int):
    """Half of the rounds die, half find the disk full."""
    return [kills.killed_at, kills.failed_at] * (rounds // 2)


@pytest.mark.fault("W1")
def test_a_publication_that_dies_anywhere_leaves_readers_the_last_whole_snapshot(built, tmp_path, scored):
    dice, data = random.Random(house.SEED), DataDir(tmp_path / "data")
    # the first writes all tables, the others have a few statements less
    last = min(kills.boundaries(tmp_path / "count", house.publishing, *built) for _ in range(2))
    begun = kills.boundaries(tmp_path / "count", house.opening, *built)  # what comes before is no publication
    version, *content = whole(data)
    for disturb in ways(max(house.ROUNDS // 2, 10)):
        point = dice.randint(begun + 1, last)
        assert disturb(point, house.publishing, *built), f"boundary {point} of {last}"
        seen, *rows = whole(data)
        assert rows == content, f"seed {house.SEED}, {disturb.__name__} {point}"
        assert seen >= version, f"seed {house.SEED}, {disturb.__name__} {point}: an older snapshot came back"
        version = seen
    kills.killed_at(0, house.publishing, *built)
    assert whole(data)[0] > version
    assert len(list(data.snapshots.glob("warehouse-*"))) == snapshot.KEEP
    assert not [path for path in data.snapshots.iterdir() if path.suffix != ".duckdb"], "no half files are left"
    scored(rounds=max(house.ROUNDS // 2, 10), **house.account(data, tmp_path / "bucket"))


@pytest.mark.fault("W1")
@pytest.mark.parametrize("limit", [20_000, 4_000_000])
def test_a_run_on_a_full_disk_fails_cleanly_and_the_next_one_publishes(built, tmp_path, scored, limit):
    data = DataDir(tmp_path / "data")
    before = whole(data)
    raw.segment(tmp_path / "bucket", [raw.event(key=("more",), response_id="msg_" + "f" * 30)], seq=9)
    assert kills.full_disk(limit, house.running, *built)
    assert whole(data) == before
    raw.published(tmp_path / "bucket", tmp_path / "data")
    assert whole(data)[1] == before[1] + 1
    scored(**house.account(data, tmp_path / "bucket"))


@pytest.mark.fault("W2")
def test_readers_during_a_hundred_publications_never_see_an_error_or_a_mixture(built, tmp_path, scored):
    data, done, seen, errors = DataDir(tmp_path / "data"), threading.Event(), [], []

    def read() -> None:
        while not done.wait(0.02):  # leaves the writer some of the interpreter
            try:
                with snapshot.reading(data) as db:
                    seen.append(db.execute(
                        "SELECT (SELECT any_value(spooled) FROM rpt_accounting), (SELECT any_value(month)::BIGINT FROM dim_days)"
                    ).fetchone())  # fmt: skip
            except Exception as error:
                errors.append(error)

    with Catalog(data) as catalog, Builder(catalog, seeds.read_seeds(Storage(built[0]))) as builder:
        builder.models = {name: builder.models[name] for name in NARROW}
        number_all(builder, 0)
        snapshot.publish(builder)
        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(1, PUBLICATIONS + 1):
            number_all(builder, number)
            snapshot.publish(builder)
        done.set()
        for reader in readers:
            reader.join()
    assert errors == []
    assert [row for row in seen if row[0] != row[1]] == []
    assert len({row[0] for row in seen}) > PUBLICATIONS / 10, "the readers saw many snapshots"
    assert len(list(data.snapshots.glob("warehouse-*"))) == snapshot.KEEP
    scored(rounds=PUBLICATIONS, note=f"{len(seen)} reads of {len({row[0] for row in seen})} snapshots")


def number_all(builder: Builder, number: int) -> None:
    """Every row of both tables names the publication."""
    builder.db.execute(f"UPDATE rpt_accounting SET spooled = {number}")
    builder.db.execute(f"UPDATE dim_days SET month = '{number}'")
    for name in NARROW:
        builder.state.change(name, None)
