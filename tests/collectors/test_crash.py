"""Killed with -9 again and again while files grow: nothing lost, nothing twice, no number missing, no event different."""

import json
import os
import random
import time
from collections import Counter

import pytest

from collectors.laptop import Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from delivery import house

ROUNDS = int(os.environ.get("METERHOUSE_CRASH_ROUNDS", "50"))
FILES = ("a.jsonl", "b.jsonl", "c.jsonl")


@pytest.mark.parametrize("seed", [20261120])
def test_a_collector_killed_at_random_moments_ships_what_an_undisturbed_one_does(
    tmp_path, monkeypatch, record_property, seed
):
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    print(f"seed {seed}, {ROUNDS} rounds")
    laptop, chance, written = Laptop(tmp_path), random.Random(seed), 0
    document = []
    for _ in range(ROUNDS):
        process = laptop.start("run", SMALL_BATCHES="1")
        try:
            process.stderr.readline()
            for _ in range(chance.randint(1, 6)):
                text = jsonl(turn(written + n) for n in range(chance.randint(1, 30)))
                written += text.count("\n")
                cut, name = chance.randint(0, len(text)), chance.choice(FILES)
                laptop.append(text[:cut], name)
                document.append(turn(written * 100))
                laptop.file("d.json").write_text(json.dumps({"turns": document}))
                time.sleep(chance.uniform(0, 0.04))
                laptop.append(text[cut:], name)
        finally:
            process.kill()
            process.communicate()
    last = laptop.start("once", SMALL_BATCHES="1")
    assert last.wait() == 0, last.stderr.read()
    last.communicate()
    calm = Laptop(tmp_path / "calm")
    calm.home = laptop.home
    assert calm.once() == 0

    epochs = {header["epoch"] for header, _ in laptop.segments()}
    numbers = [header["seq"] for header, _ in laptop.segments()]
    assert (len(epochs), numbers) == (1, list(range(1, len(numbers) + 1)))
    assert all(header["count"] == len(lines) for header, lines in laptop.segments())
    shipped = [line for line in laptop.lines() if b'"kind":"heartbeat"' not in line]
    assert not [line for line, count in Counter(shipped).items() if count > 1]
    assert len({json.loads(line)["event_id"] for line in laptop.lines()}) == len(laptop.lines())
    assert set(shipped) == set(calm.lines())
    assert len(shipped) == written + len(document)
    found = house.account(laptop.to, tmp_path / "data", calm.lines())
    record_property("printed", f"{ROUNDS} kill -9 rounds of a laptop, seed {seed}:\n{found}")
    house.clean(found)
