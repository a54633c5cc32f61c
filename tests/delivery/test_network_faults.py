"""Networks that fail in every way between laptop, intake and bucket: each case ends with an account without residual.

The seed is printed; METERHOUSE_TEST_SEED repeats a run. What no loopback shows (other clouds' answers, real certificates'
revocation, Swift's racing writers) is not tested here.
"""

import os
import random

import pytest

from delivery import house
from delivery.fault_proxy import AFTER, ALL, FaultProxy
from meterhouse_collector import intake_client, ship, spool
from meterhouse_collector.errors import ShipError
from meterhouse_collector.intake import tokens

SEED = int(os.environ.get("METERHOUSE_TEST_SEED", "20261120"))
MIXED = {fault: 0.06 for fault in ALL if fault not in ("hang_after", "trickle")} | {"hang_after": 0.02, "trickle": 0.02}


def test_without_faults_every_segment_is_one_object_under_its_sender(laptop, intake):
    assert laptop.once(intake.url) == 0
    assert house.settled(laptop).objects == 6
    assert all("/raw/v1/intake/laptop-1/" in path.as_posix() for path in laptop.to.rglob("*.gz"))


@pytest.mark.parametrize("fault", ALL)
def test_a_fault_that_hits_every_second_request_costs_that_request_and_nothing_else(laptop, intake, fault):
    with FaultProxy(intake.url, SEED, script=[None, fault] * 3) as proxy:
        house.until_delivered(laptop, proxy.url)
    assert proxy.hits == {"passed": 6, fault: 3}
    assert house.settled(laptop).objects == 6, "a timeout after success is one object too"


@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_all_faults_at_once_before_the_intake(laptop, intake, seed, record_property):
    print(f"seed {seed}")
    dice = random.Random(seed)
    with FaultProxy(intake.url, seed, MIXED) as proxy:
        for n in range(60, 240, 20):
            laptop.append(house.jsonl(house.turn(m) for m in range(n, n + 20)), f"{dice.randrange(3)}.jsonl")
            laptop.once(proxy.url)
        house.until_delivered(laptop, proxy.url)
    found = house.settled(laptop)
    record_property("printed", f"delivery to an intake, seed {seed}, faults {dict(proxy.hits)}: {found}")
    assert sum(proxy.hits[fault] for fault in AFTER) > 0


@pytest.mark.parametrize("hide", [(), ("If-None-Match",)], ids=["conditional", "conditions ignored"])
@pytest.mark.parametrize("way", ["direct", "intake"])
def test_a_bucket_that_fails_behind_either_way_gets_every_segment_once(laptop, intake, s3, monkeypatch, way, hide):
    with FaultProxy(s3.server, SEED, {"503": 0.1, "500": 0.1, "drop_after": 0.2}, hide=hide) as proxy:
        s3.at(proxy.url)
        if way == "direct":
            house.until_delivered(laptop, s3.url)
        else:
            other = house.Intake(laptop.root / "home", s3.url)
            monkeypatch.setenv("METERHOUSE_TOKEN", other.token)
            house.until_delivered(laptop, other.url)
            other.close()
    s3.copy(laptop.to)
    assert proxy.hits["drop_after"] > 0
    assert house.settled(laptop).objects == 6


def test_a_bucket_that_is_away_makes_the_intake_say_503_and_nothing_is_lost(laptop, intake, s3, monkeypatch):
    with FaultProxy(s3.server, SEED, {"500": 1.0}, verbs=("GET", "PUT")) as proxy:
        s3.at(proxy.url)
        away = house.Intake(laptop.root / "away", s3.url)
        monkeypatch.setenv("METERHOUSE_TOKEN", away.token)
        client = intake_client.Intake(away.url, house.settings(laptop))
        with pytest.raises(ShipError, match="503") as raised:
            client.probe()
        assert (raised.value.passing, raised.value.retry_after) == (True, 30)
        assert laptop.once(away.url) == 1
        proxy.weights = {}
        assert laptop.once(away.url) == 0
        away.close()
    s3.copy(laptop.to)
    assert house.settled(laptop).objects == 6


def test_a_revoked_token_keeps_everything_until_it_is_back(laptop, intake, capsys):
    known = tokens.read(str(intake.tokens))
    tokens.write(str(intake.tokens), [])
    for _ in range(5):
        assert laptop.once(intake.url) == 1
    assert "401" in capsys.readouterr().err
    assert len(spool.list_waiting(str(laptop.spool))) == 6
    tokens.write(str(intake.tokens), list(known))
    assert laptop.once(intake.url) == 0
    assert house.settled(laptop).objects == 6


def test_a_token_that_was_changed_meanwhile_is_read_again_at_once(laptop, intake, monkeypatch):
    monkeypatch.delenv("METERHOUSE_TOKEN")
    file = laptop.spool.parent / "token"
    file.parent.mkdir()
    file.write_text("meterhouse_old\n")
    file.chmod(0o600)
    ask = intake_client.Intake._ask

    def renew(self, *arguments):
        answer = ask(self, *arguments)
        file.write_text(intake.token + "\n")
        return answer

    monkeypatch.setattr(intake_client.Intake, "_ask", renew)
    assert laptop.once(intake.url) == 0
    assert house.settled(laptop).objects == 6


def test_retry_after_is_honoured_and_an_outage_does_not_end_in_a_stampede(laptop, intake):
    with FaultProxy(intake.url, SEED, script=["429"] * 9) as proxy:
        client = intake_client.Intake(proxy.url, house.settings(laptop))
        with pytest.raises(ShipError) as raised:
            client.put("raw/x/0123456789abcdef-000000000001-0123456789abcdef.jsonl.gz", b"x")
    assert (raised.value.passing, raised.value.retry_after) == (True, 7)
    random.seed(SEED)
    returns = []
    for _ in range(10_000):
        backoff = ship.Backoff()
        for _ in range(12):
            backoff.failed(ShipError("", True), 0.0)
        assert backoff.allows(600)
        returns.append(backoff._not_before)
    busiest = max(sum(start <= at < start + 1 for at in returns) for start in range(600))
    assert busiest < 50, "10,000 laptops within ten minutes are 17 a second"
    backoff.failed(raised.value, 1000.0)
    assert not backoff.allows(1006)
