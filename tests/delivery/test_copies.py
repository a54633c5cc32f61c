"""Spools that are not alone or not of this version: cloned laptops, two collectors, upgrades and downgrades with unsent data."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from delivery import house
from meterhouse_collector import cursors, durable, resend, segment, spool
from meterhouse_collector.errors import CollectorError


def shelve(laptop):
    """Read everything into sealed segments while nobody can be reached."""
    assert laptop.once("http://127.0.0.1:1") == 1
    return spool.list_waiting(str(laptop.spool))


def clone(laptop, name="clone"):
    """A laptop made from an image of this one."""
    shutil.copytree(laptop.spool, laptop.root / name / "state" / "spool")
    made = house.Laptop(laptop.root / name)
    shutil.copytree(laptop.home, made.home, dirs_exist_ok=True)
    made.to = laptop.to
    return made


def merged(laptop, other):
    """Both laptops' files in one home, as one calm machine would read them."""
    for path in other.home.rglob("*.jsonl"):
        if path.name != "a.jsonl":
            shutil.copy(path, laptop.file(path.name))


def test_a_cloned_laptop_takes_a_new_epoch_and_nothing_counts_twice(laptop, intake, capsys):
    shelve(laptop)
    other = clone(laptop)
    other.append(house.jsonl(house.turn(n) for n in range(100, 125)), "other.jsonl")
    laptop.append(house.jsonl(house.turn(n) for n in range(200, 225)), "own.jsonl")
    assert laptop.once(intake.url) == 0
    assert other.once(intake.url) == 0
    assert "a copy of another" in capsys.readouterr().err
    assert other.once(intake.url) == laptop.once(intake.url) == 0
    merged(laptop, other)
    found = house.settled(laptop)
    assert (found.loaded, found.duplicate) == (110, 0), "what both had in the spool is the same objects"
    assert len({header["epoch"] for header in house.headers(laptop.to)}) == 2
    assert spool.list_waiting(str(other.spool)) == []


def test_a_clone_that_clashes_with_many_segments_waiting_numbers_them_anew_in_order(laptop, intake):
    other = clone(laptop) if laptop.once(intake.url) == 0 else None
    other.append(house.jsonl(house.turn(n) for n in range(100, 140)), "other.jsonl")
    laptop.append(house.jsonl(house.turn(n) for n in range(200, 240)), "own.jsonl")
    assert (laptop.once(intake.url), other.once(intake.url)) == (0, 0)
    merged(laptop, other)
    assert house.settled(laptop).loaded == 140
    again = [header for header in house.headers(laptop.to) if "replaces" in header]
    assert [header["seq"] for header in again] == [1, 2, 3, 4]


@pytest.mark.parametrize("what", ["renumber", "split", "bury"])
def test_a_crash_at_any_call_to_the_disk_while_segments_are_changed_loses_and_repeats_nothing(
    laptop, intake, monkeypatch, what
):
    """Whichever durable step fails, the next start carries the plan out."""
    house.small_segments(monkeypatch, 20)
    waiting = shelve(laptop)
    for fail_at in range(1, 60):
        root = laptop.root / str(fail_at)
        shutil.copytree(laptop.spool, root)
        disk = Failing(fail_at)
        with monkeypatch.context() as patch:
            patch.setattr(durable, "os", disk)
            opened = None
            try:
                opened = spool.open_spool(str(root), 1 << 30)
                _change(opened, what)
            except (OSError, CollectorError):
                pass
            finally:
                if opened:
                    opened.close()
        opened = spool.open_spool(str(root), 1 << 30)
        dropped, plans = (
            opened.cursors.dropped(),
            [name for name in opened.cursors.facts() if name.startswith(resend.PLAN)],
        )
        opened.close()
        left = [segment.unseal(Path(one.path).read_bytes()) for one in spool.list_waiting(str(root))]
        ids = sorted(segment.event_id(line) for _, lines in left for line in lines)
        assert len(ids) == len(set(ids)), f"call {fail_at}: an event is in two segments"
        assert len(ids) + dropped.get("dead_letter", 0) == 60, f"call {fail_at}"
        assert not plans
        if disk.calls < fail_at:
            break
    assert 3 < fail_at < 59
    assert len(waiting) == 3


def _change(opened, what):
    waiting = spool.list_waiting(opened.folder)
    if what == "renumber":
        resend.renumber(opened, waiting)
    elif what == "split":
        resend.split(opened, waiting[0], 20)
    else:
        resend.bury(opened, waiting[0], {"dropped": {}, "count": 20}, "dead_letter", "422")


class Failing:
    """Stands for the os module in durable.py: the n-th call that changes the disk fails."""

    def __init__(self, fail_at):
        self.fail_at, self.calls = fail_at, 0

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in ("open", "fsync", "replace", "unlink"):
            return real

        def call(*arguments, **options):
            self.calls += 1
            if self.calls == self.fail_at:
                raise OSError(5, "Input/output error")
            return real(*arguments, **options)

        return call


def test_a_collector_of_another_version_ships_what_the_one_before_sealed_and_left_unsealed(laptop, intake, monkeypatch):
    monkeypatch.setattr("meterhouse_collector.spool.__version__", "0.0.9")
    opened = spool.open_spool(str(laptop.spool), 1 << 30)
    opened.close()
    monkeypatch.setattr(spool.Spool, "seal", lambda self: None)  # killed before it sealed
    assert laptop.once("http://127.0.0.1:1") == 0, "nothing is sealed, so nothing is shipped"
    monkeypatch.undo()
    house.quick(monkeypatch, intake.token)
    assert list(laptop.spool.glob("active-*"))
    assert laptop.once(intake.url) == 0
    assert house.settled(laptop).loaded == 60


def test_a_spool_of_a_newer_version_is_left_untouched_with_a_clear_message(laptop, intake, capsys):
    shelve(laptop)
    database = sqlite3.connect(laptop.spool / spool.DATABASE)
    database.execute(f"PRAGMA user_version = {cursors.FORMAT + 1}")
    database.close()
    before = {path: path.read_bytes() for path in laptop.spool.rglob("*") if path.is_file() and path.name != "lock"}
    assert laptop.once(intake.url) == 1
    assert "newer collector" in capsys.readouterr().err
    assert {
        path: path.read_bytes() for path in laptop.spool.rglob("*") if path.is_file() and path.name != "lock"
    } == before
    database = sqlite3.connect(laptop.spool / spool.DATABASE)
    database.execute(f"PRAGMA user_version = {cursors.FORMAT}")
    database.close()
    assert laptop.once(intake.url) == 0
    assert house.settled(laptop).loaded == 60


def test_a_second_collector_on_one_spool_exits_75_also_after_the_first_was_killed(laptop, intake):
    first = laptop.start("run", SMALL_BATCHES="1")
    try:
        first.stderr.readline()
        assert laptop.once(intake.url) == 75
    finally:
        first.kill()
        first.communicate()
    assert laptop.once(intake.url) == 0
    assert sum(len(lines) for _, lines in laptop.segments()) >= 60
