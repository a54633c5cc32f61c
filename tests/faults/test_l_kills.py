"""L1: a load or run that is killed anywhere is finished by the next, with the tables of an undisturbed one."""

import random
import shutil
from time import perf_counter

import pytest

from faults import house, kills
from faults.catalogue import EMPTY
from meterhouse.catalog import Catalog
from meterhouse.errors import MeterhouseError
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - tests/pipelines

pytestmark = pytest.mark.fault("L1")
WHOLE_RUNS = max(house.ROUNDS // 10, 3)  # a run takes seconds, a load a fraction of one


def test_a_load_killed_at_every_boundary_is_finished_by_the_next(tmp_path, scored):
    dice, where = random.Random(house.SEED), (str(tmp_path / "bucket"), str(tmp_path / "data"))
    raw.segment(tmp_path / "bucket", house.segment_of(dice, 0))
    kills.killed_at(0, house.loading, *where)
    raw.segment(tmp_path / "bucket", house.segment_of(dice, 1), seq=2)
    shutil.copytree(tmp_path / "data", tmp_path / "counted")
    last = kills.boundaries(tmp_path / "count", house.loading, where[0], str(tmp_path / "counted"))
    points = [point for _ in range(house.ROUNDS // last + 1) for point in dice.sample(range(1, last + 1), last)]
    killed = 0
    for number, point in enumerate(points[: house.ROUNDS - WHOLE_RUNS], start=2):
        killed += kills.killed_at(point, house.loading, *where)
        kills.killed_at(0, house.loading, *where)
        found = house.account(DataDir(tmp_path / "data"), tmp_path / "bucket")
        assert found == EMPTY, f"seed {house.SEED}, round {number}, boundary {point}"
        raw.segment(tmp_path / "bucket", house.segment_of(dice, number), seq=number + 1)
    whole = raw.published(tmp_path / "bucket", tmp_path / "undisturbed")
    assert raw.fingerprint(raw.published(tmp_path / "bucket", tmp_path / "data")) == raw.fingerprint(whole)
    assert raw.rows(tmp_path / "data", house.LEDGER) == raw.rows(whole, house.LEDGER)
    assert killed >= (house.ROUNDS - WHOLE_RUNS) * 0.8, "the kills hit loads at work"
    scored(rounds=killed, note=f"{min(last, killed)} of {last} boundaries")


def test_a_run_killed_at_random_moments_is_finished_by_the_next(tmp_path, scored):
    dice, where = random.Random(house.SEED), (str(tmp_path / "bucket"), str(tmp_path / "data"))
    raw.segment(tmp_path / "bucket", house.segment_of(dice, 0))
    began = perf_counter()
    assert not kills.killed_at(0, house.running, *where)
    usual, killed = perf_counter() - began, 0
    for number in range(1, WHOLE_RUNS + 1):
        raw.segment(tmp_path / "bucket", house.segment_of(dice, number), seq=number + 1)
        killed += kills.killed_after(usual * dice.uniform(0.05, 0.9), house.running, *where)
        try:
            raw.rows(tmp_path / "data", "SELECT count(*) FROM fct_requests")
        except MeterhouseError as error:
            pytest.fail(f"seed {house.SEED}, round {number}: readers had no snapshot: {error}")
    assert not kills.killed_at(0, house.running, *where)
    whole = raw.published(tmp_path / "bucket", tmp_path / "undisturbed")
    assert killed, "the kills hit runs at work"
    assert raw.fingerprint(tmp_path / "data") == raw.fingerprint(whole), f"seed {house.SEED}"
    assert raw.rows(tmp_path / "data", house.LEDGER) == raw.rows(whole, house.LEDGER), f"seed {house.SEED}"
    with Catalog(DataDir(tmp_path / "data")) as catalog:
        named = {path for (path,) in catalog.db.execute("SELECT path FROM lake_files").fetchall()}
    there = {str(path.relative_to(tmp_path / "data/lake")) for path in (tmp_path / "data/lake").rglob("*.parquet")}
    assert there == named, f"seed {house.SEED}: no file of a killed load is left"
    scored(rounds=killed, **house.account(DataDir(tmp_path / "data"), tmp_path / "bucket"))
