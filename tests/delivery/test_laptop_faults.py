"""Laptops that are offline for weeks, full, asleep or wrong about the time: everything arrives once, oldest first.

Not tested here: macOS's F_FULLFSYNC, Windows locks, real NFS, a lid that closes; their code paths are in durable.py.
"""

import gzip
import json
import time

import polars as pl
import pytest

from collectors.test_ship import Stop, _namespace  # noqa: TID251 - tests/collectors
from delivery import house
from delivery.fault_proxy import FaultProxy
from meterhouse_collector import durable, intake_client, ship, spool
from meterhouse_collector.commands import run
from meterhouse_collector.errors import ShipError


def test_fourteen_days_offline_arrive_oldest_first_at_no_more_than_two_requests_a_second(laptop, intake, monkeypatch):
    for day in range(1, 15):
        laptop.append(house.jsonl(house.turn(86400 * day + n) for n in range(10)), f"day-{day}.jsonl")
        assert laptop.once("http://127.0.0.1:1") == 1
    clock = Clock(monkeypatch)
    monkeypatch.setattr(intake_client, "PACE", 0.5)
    begin = clock.now
    with FaultProxy(intake.url) as proxy:
        assert laptop.once(proxy.url) == 0
        numbers = [int(path.rpartition("/")[2].split("-")[1]) for _, path in proxy.asked]
    assert numbers == list(range(1, 21))
    assert clock.now - begin >= 0.5 * 19
    assert house.settled(laptop).loaded == 200


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(intake_client, "time", self)

    def monotonic(self):
        return self.now

    def time(self):
        return time.time()

    def sleep(self, seconds):
        self.now += seconds


def test_a_full_disk_stops_reading_and_goes_on_alone_once_there_is_room(laptop, intake, monkeypatch):
    shelved = laptop.once("http://127.0.0.1:1")
    with monkeypatch.context() as patch:
        patch.setattr(durable, "free_space", lambda folder: 0)
        laptop.append(house.jsonl(house.turn(n) for n in range(100, 130)))
        assert laptop.once(intake.url) == 1, "what waits is shipped, what is new stays in the agent's file"
    assert shelved == 1
    assert laptop.once(intake.url) == 0
    assert house.settled(laptop).loaded == 90


@pytest.mark.parametrize("days", [400, -2, -400])
def test_a_clock_that_jumps_moves_no_key_and_no_order(laptop, intake, monkeypatch, days):
    assert laptop.once("http://127.0.0.1:1") == 1
    real = time.time
    monkeypatch.setattr(spool.time, "gmtime", lambda *seconds: time.localtime(real() + 86400 * days))
    laptop.append(house.jsonl(house.turn(n) for n in range(100, 120)))
    assert laptop.once("http://127.0.0.1:1") == 1
    for one in spool.list_waiting(str(laptop.spool))[-2:]:
        import os

        os.utime(one.path, (real() + 86400 * days,) * 2)
    names = [one.name for one in spool.list_waiting(str(laptop.spool))]
    assert [int(name.split("-")[1]) for name in names] == list(range(1, 9))
    assert laptop.once(intake.url) == 0
    assert house.settled(laptop).objects == 8
    assert {path.name for path in laptop.to.rglob("*.gz")} == set(names)


def test_events_of_a_clock_far_ahead_are_loaded_under_the_day_they_came_and_marked(laptop, intake):
    laptop.append(house.jsonl([house.turn(7_000, at="2089-01-01T00:00:00Z")]))
    assert laptop.once(intake.url) == 0
    found = house.account(laptop.to, laptop.root / "data", house.undisturbed(laptop)[0])
    house.clean(found)
    rows = pl.read_parquet(laptop.root / "data/lake/model_request/*/*.parquet").filter(pl.col("is_clock_suspect"))
    assert rows.height == 1
    assert rows["day"][0].year < 2089


def test_a_machine_that_wakes_tries_again_within_half_a_minute_whatever_the_wait_was(laptop, monkeypatch):
    clock = [1_000_000.0]
    monkeypatch.setattr(run.time, "time", lambda: clock[0])
    monkeypatch.setattr(run, "POLL", 0)
    monkeypatch.setattr(run, "SEAL_AFTER", 0)
    monkeypatch.setattr(ship, "AWAKE_SPREAD", 0)
    tries, place = [], run.resolve(_namespace(laptop))

    class Away:
        url = "lake"

        def put(self, key, data):
            tries.append(stop.polls)
            raise ShipError("lake: denied", False)

    class Sleeper(Stop):
        def wait(self, seconds):
            super().wait(seconds)
            clock[0] += 8 * 3600 if self.polls == 10 else -2 * 86400 if self.polls == 5 else 0

    stop = Sleeper(20)
    run.follow(place, Away(), stop)
    assert tries[0] > 10, "the first attempt fails, the next is an hour away"
    assert tries[1:] == [10, 5], "but for the jumps of the clock"
    assert place.open_spool().close() is None


def test_a_collector_stopped_in_the_middle_of_an_upload_goes_on_where_it_was(laptop, intake):
    import signal

    with FaultProxy(intake.url, script=["hang_after"]) as proxy:
        laptop.to.mkdir()
        process = laptop.start("run", proxy.url, SMALL_BATCHES="1")
        try:
            house.wait_for(lambda: proxy.hits["hang_after"] == 1)
            process.send_signal(signal.SIGSTOP)
            laptop.append(house.jsonl(house.turn(n) for n in range(100, 120)))
            proxy.closed.set()  # the sockets are gone when it wakes
            process.send_signal(signal.SIGCONT)
            house.wait_for(lambda: len(set(laptop.native_ids())) == 80)
            process.terminate()
            assert process.wait() == 0
        finally:
            process.kill()
            process.communicate()
    assert laptop.once(intake.url) == 0
    assert house.settled(laptop).twice == 0


def test_a_segment_too_large_for_the_intake_is_split_and_a_single_event_becomes_a_dead_letter(
    laptop, intake, monkeypatch
):
    laptop.append(house.jsonl([house.turn(500)]), "big.jsonl")
    monkeypatch.setattr("meterhouse_collector.intake.segments.EVENTS_MAX", 4)
    monkeypatch.setattr("meterhouse_collector.spool.SEAL_EVENTS", 20)
    assert laptop.once(intake.url) == 0
    assert all(header["count"] <= 4 for header in house.headers(laptop.to))
    assert house.settled(laptop).loaded == 61
    monkeypatch.setattr("meterhouse_collector.intake.segments.EVENTS_MAX", 0)
    laptop.append(house.jsonl([house.turn(501)]), "big.jsonl")
    assert laptop.once(intake.url) == 0
    (letter,) = (laptop.spool / "dead").glob("*.gz")
    assert json.loads(gzip.decompress(letter.read_bytes()).splitlines()[1])["native_id"] == "turn-501"
    assert "more than 0 events" in (laptop.spool / "dead" / f"{letter.name}.answer.txt").read_text()


def test_what_the_intake_refuses_for_good_is_kept_with_the_answer_and_told_in_the_next_segment(
    laptop, intake, monkeypatch
):
    refused = []

    def refuse(self, token, name, data):
        monkeypatch.undo_take()
        refused.extend(gzip.decompress(data).splitlines()[1:])
        raise intake_errors.HttpError(422, "line 2: is no event")

    from meterhouse_collector.intake import errors as intake_errors
    from meterhouse_collector.intake.segments import Receiver

    take = Receiver.take
    monkeypatch.undo_take = lambda: setattr(Receiver, "take", take)
    monkeypatch.setattr(Receiver, "take", refuse)
    assert laptop.once(intake.url) == 0
    laptop.append(house.jsonl([house.turn(600)]))
    assert laptop.once(intake.url) == 0
    missing = {spool.segment.event_id(line) for line in refused}
    assert len(missing) == 10
    found = house.settled(laptop, missing=missing, dead_letter=10)
    assert found.loaded + found.dropped["dead_letter"] == 61
