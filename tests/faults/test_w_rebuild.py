"""W3, the restore drill: all that is derived is deleted, or made again beside, and comes out equal; a kill leaves old or new."""

import os
import random
import shutil

import pytest

from faults import house, kills
from meterhouse import swap
from meterhouse.catalog import Catalog
from meterhouse.errors import LossError
from meterhouse.paths import DataDir
from meterhouse.rebuild import rebuild
from pipelines import raw  # noqa: TID251 - tests/pipelines

pytestmark = pytest.mark.fault("W3")


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A house that has lived: repeats, a broken line, late days, one object a run; gives its folder and fingerprint."""
    root = tmp_path_factory.mktemp("lived")
    for seq, day in enumerate(("03", "05", "04"), start=1):
        rows = [raw.event(at=f"2026-03-{day}T10:00:00Z", key=(seq, n)) for n in range(3)]
        name = f"{9 - seq}.jsonl.gz"  # keys in another order than that of arrival
        raw.put(root / "bucket", house.packed([*rows, raw.event(key=("again",)), b"{"], seq), name=name)
        raw.published(root / "bucket", root / "data")
    return root, raw.fingerprint(root / "data")


@pytest.fixture
def house_of(lived, tmp_path):
    """A copy of it that a test may spoil."""
    root, prints = lived
    shutil.copytree(root, tmp_path / "house", symlinks=True)
    return tmp_path / "house" / "bucket", DataDir(tmp_path / "house" / "data"), prints


def test_after_the_loss_of_all_that_is_derived_the_tables_are_the_same(house_of):
    bucket, data, prints = house_of
    shutil.rmtree(data.root)
    done = rebuild(str(bucket), data)
    assert {row.verdict for row in done.tables} == {"new"}
    assert (done.objects, done.events) == (3, 10)
    assert raw.fingerprint(data) == prints
    house.assert_accounted(data)


def test_a_rebuild_of_a_copied_bucket_keeps_the_times_of_receipt_and_all_tables(house_of):
    bucket, data, prints = house_of
    for path in bucket.rglob("*.gz"):
        os.utime(path, (raw.RECEIVED + 40 * 86400,) * 2)
    before = data.current.resolve()
    done = raw.command("rebuild", "--from", "raw", "--raw", str(bucket), "--data", str(data.root))
    assert done.returncode == 0
    assert {line.split()[3] for line in done.stdout.splitlines()} == {"equal"}, done.stdout
    assert "3 objects, 10 events in " in done.stderr
    assert f"0 of {len(done.stdout.splitlines())} tables differ; swapped in" in done.stderr
    assert data.current.resolve() != before
    assert raw.fingerprint(data) == prints
    assert raw.rows(data, "SELECT max(load_seq) > 3 FROM load_ledger") == [(True,)], "loads are numbered on"
    assert not swap.beside(data).root.exists()
    assert raw.run(str(bucket), data).published is None, "nothing is left to do"


def test_check_changes_nothing_and_names_a_table_that_differs(house_of):
    bucket, data, _ = house_of
    raw.roster(bucket, ["p1,search,engineer,true,2026-01-01,"])
    before = data.current.resolve()
    done = raw.command("rebuild", "--from", "raw", "--check", "--raw", str(bucket), "--data", str(data.root))
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("dim_people")]
    assert line.endswith("differs: had 0 rows, 0000000000000000, its SQL or a seed has changed")
    assert "tables differ from the published snapshot (models or seeds have changed)" in done.stderr
    assert data.current.resolve() == before
    assert not swap.beside(data).root.exists()


def test_raw_objects_that_are_gone_are_named_and_given_up_only_on_demand(house_of):
    bucket, data, prints = house_of
    (gone,) = bucket.rglob("8.jsonl.gz")
    gone.unlink()
    with pytest.raises(LossError, match=r"no longer has 1 objects .*/8\.jsonl\.gz is the first.* nothing was changed"):
        rebuild(str(bucket), data)
    assert raw.fingerprint(data) == prints
    done = rebuild(str(bucket), data, accept_loss=True)
    assert [key.rpartition("/")[2] for key in done.gone] == ["8.jsonl.gz"]
    assert raw.rows(data, "SELECT count(*) FROM load_ledger") == [(2,)]


def test_a_rebuild_killed_at_any_move_leaves_the_old_or_the_new_and_the_next_run_finishes(house_of, scored, tmp_path):
    bucket, data, prints = house_of
    where = (str(bucket), str(data.root))
    kills.killed_at(0, house.rebuilding, *where)  # warm: all that is left of a second one is what a rename can break
    last = kills.boundaries(tmp_path / "count", house.rebuilding, *where)
    points = random.Random(house.SEED).sample(range(last - 60, last + 1), max(house.ROUNDS // 10, 3))
    for point in points:
        assert kills.killed_at(point, house.rebuilding, *where)
        assert raw.fingerprint(data) == prints, f"boundary {point}: readers"
        assert not kills.killed_at(0, house.running, *where)
        assert raw.fingerprint(data) == prints, f"boundary {point}: after the next run"
        with Catalog(data) as catalog:
            named = {path for (path,) in catalog.db.execute("SELECT path FROM lake_files").fetchall()}
        assert named == {str(path.relative_to(data.lake)) for path in data.lake.rglob("*.parquet")}
    scored(rounds=len(points), **house.account(data, bucket))
