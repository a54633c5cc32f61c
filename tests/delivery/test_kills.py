"""Laptop and intake killed with -9 again and again behind a network that fails: nothing lost, nothing twice, no gap.

METERHOUSE_DELIVERY_ROUNDS sets the rounds (`make soak` runs 500); every 200 of an intake is in an object, whenever it dies.
"""

import os
import random
import socket
import subprocess
import time

from collectors.laptop import LAUNCH  # noqa: TID251 - tests/collectors
from delivery import house
from delivery.fault_proxy import FaultProxy
from meterhouse_collector import spool

ROUNDS = int(os.environ.get("METERHOUSE_DELIVERY_ROUNDS", "6"))
SEED = int(os.environ.get("METERHOUSE_TEST_SEED", "20261120"))
WEIGHTS = {
    "503": 0.1,
    "500": 0.05,
    "drop_before": 0.1,
    "drop_after": 0.15,
    "hang_after": 0.02,
    "portal": 0.05,
    "403": 0.03,
}


def test_laptop_and_intake_killed_at_random_moments_deliver_what_a_calm_laptop_does(
    tmp_path, monkeypatch, record_property
):
    print(f"seed {SEED}, {ROUNDS} rounds")
    dice, written, laptop = random.Random(SEED), 0, house.Laptop(tmp_path)
    intake = house.Intake(tmp_path, laptop.to)
    intake.close()  # only its token is needed: the real one is a process that can be killed
    house.quick(monkeypatch, intake.token)
    address = f"127.0.0.1:{_free_port()}"
    with FaultProxy(f"http://{address}", SEED, WEIGHTS) as proxy:
        server = _serve(laptop, intake, address)
        for _ in range(ROUNDS):
            client = laptop.start("run", proxy.url, SMALL_BATCHES="1")
            try:
                client.stderr.readline()
                for _ in range(dice.randint(2, 6)):
                    count = dice.randint(1, 30)
                    laptop.append(
                        house.jsonl(house.turn(written + n) for n in range(count)), f"{dice.randrange(3)}.jsonl"
                    )
                    written += count
                    time.sleep(dice.uniform(0, 0.08))
                if dice.random() < 0.5:
                    _kill(server)
                    server = _serve(laptop, intake, address)
            finally:
                _kill(client)
        proxy.weights = {}
        assert house.until_delivered(laptop, proxy.url) < 10
        _kill(server)
    found = house.settled(laptop)
    assert found.loaded - _beats(laptop) == written
    record_property(
        "printed", f"{ROUNDS} kill -9 rounds of laptop and intake, seed {SEED}, faults {dict(proxy.hits)}:\n{found}"
    )


def test_every_answer_of_200_is_in_an_object_when_the_intake_is_killed_under_load(tmp_path, monkeypatch):
    laptops = []
    for number in range(3):
        laptop = house.Laptop(tmp_path / str(number))
        laptop.append(house.jsonl(house.turn(1000 * number + n) for n in range(200)), f"{number}.jsonl")
        laptop.to = tmp_path / "lake"
        laptops.append(laptop)
    intake = house.Intake(tmp_path, laptops[0].to)
    intake.close()
    house.quick(monkeypatch, intake.token)
    address = f"127.0.0.1:{_free_port()}"
    server = _serve(laptops[0], intake, address)
    clients = [laptop.start("run", f"http://{address}", SMALL_BATCHES="1") for laptop in laptops]
    try:
        house.wait_for(lambda: len(list(laptops[0].to.rglob("*.gz"))) >= 5)
        _kill(server)
        for client in clients:
            _kill(client)
        names = {path.name for path in laptops[0].to.rglob("*.gz")}
        receipts = [_receipts(laptop) for laptop in laptops]
    finally:
        for process in (server, *clients):
            _kill(process)
    assert sum(map(len, receipts)) > 0
    assert {name for some in receipts for name in some} <= names


def test_serve_ends_cleanly_when_it_is_asked_to(tmp_path, monkeypatch):
    laptop = house.Laptop(tmp_path)
    laptop.append(house.jsonl(house.turn(n) for n in range(20)))
    intake = house.Intake(tmp_path, laptop.to)
    intake.close()
    house.quick(monkeypatch, intake.token)
    address = f"127.0.0.1:{_free_port()}"
    server = _serve(laptop, intake, address)
    try:
        assert laptop.once(f"http://{address}") == 0
        server.terminate()
        assert server.wait() == 0
    finally:
        _kill(server)
    assert house.settled(laptop).loaded == 20


def _receipts(laptop):
    opened = spool.open_spool(str(laptop.spool), 1 << 30)
    try:
        return {row["name"] for row in opened.cursors.receipts()}
    finally:
        opened.close()


def _beats(laptop):
    return sum(b'"kind":"heartbeat"' in line for line in set(laptop.lines()))


def _serve(laptop, intake, address):
    """The intake as a process, listening."""
    laptop.to.mkdir(exist_ok=True)
    command = ["serve", "--home", str(laptop.home), "--spool", str(laptop.root / "intake" / "spool"), "--to", str(laptop.to),
               "--listen", address, "--tokens", str(intake.tokens)]  # fmt: skip
    process = subprocess.Popen(
        [*LAUNCH, *command],
        env={**os.environ, "SMALL_BATCHES": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    host, port = address.split(":")

    def answers():
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    house.wait_for(answers)
    return process


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _kill(process):
    process.kill()
    process.communicate()
