"""Networks that fail in every way between laptop, intake and bucket: each case ends with an account without residual.

The seed is printed; METERHOUSE_TEST_SEED repeats a run.
"""

import os
import random

import pytest

from delivery import house
from delivery.fault_proxy import AFTER, ALL, FaultProxy

SEED = int(os.environ.get("METERHOUSE_TEST_SEED", "20261120"))


@pytest.fixture
def laptop(tmp_path):
    made = house.Laptop(tmp_path)
    made.append(house.jsonl(house.turn(n) for n in range(60)))
    return made


@pytest.fixture
def intake(laptop, monkeypatch):
    made = house.Intake(laptop.root, laptop.to)
    house.quick(monkeypatch, made.token)
    house.small_segments(monkeypatch)
    yield made
    made.close()


def test_without_faults_every_segment_is_one_object_under_its_sender(laptop, intake):
    assert laptop.once(intake.url) == 0
    assert house.settled(laptop).objects == 6
    assert all("/raw/v1/intake/laptop-1/" in path.as_posix() for path in laptop.to.rglob("*.gz"))


@pytest.mark.parametrize("fault", ALL)
def test_a_fault_that_hits_every_third_request_costs_tries_and_nothing_else(laptop, intake, fault):
    with FaultProxy(intake.url, SEED, script=[None, fault] * 3 + [fault]) as proxy:
        house.until_delivered(laptop, proxy.url)
    assert proxy.hits[fault] >= 3
    assert house.settled(laptop).objects == 6


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_all_faults_at_once(laptop, intake, seed, record_property):
    print(f"seed {seed}")
    weights = {fault: 0.06 for fault in ALL if fault not in ("hang_after", "trickle")} | {
        "hang_after": 0.02,
        "trickle": 0.02,
    }
    dice = random.Random(seed)
    with FaultProxy(intake.url, seed, weights) as proxy:
        for n in range(60, 240, 20):
            laptop.append(house.jsonl(house.turn(m) for m in range(n, n + 20)), f"{dice.randrange(3)}.jsonl")
            laptop.once(proxy.url)
        house.until_delivered(laptop, proxy.url)
    found = house.settled(laptop)
    record_property("printed", f"delivery, seed {seed}, faults {dict(proxy.hits)}: {found}")
    assert sum(proxy.hits[fault] for fault in AFTER) > 0
