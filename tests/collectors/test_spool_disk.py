"""The spool on a disk that fails, fills up or forgets: whatever call fails, the next start has everything once."""

import errno
import io
import json
import os
import sqlite3

import pytest

from collectors.laptop import Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import cursors, durable, spool
from meterhouse_collector.errors import SpoolFullError

LIMIT = 1 << 30


class FailingDisk:
    """Stands for the os module in durable.py: the n-th call that changes the disk fails, also every write."""

    def __init__(self, fail_at, number):
        self.fail_at, self.number, self.calls = fail_at, number, 0

    def __getattr__(self, name):
        return getattr(os, name)

    def _may_fail(self):
        self.calls += 1
        if self.calls == self.fail_at:
            raise OSError(self.number, os.strerror(self.number))

    def open(self, *arguments):
        self._may_fail()
        return os.open(*arguments)

    def fsync(self, descriptor):
        self._may_fail()
        os.fsync(descriptor)

    def replace(self, source, target):
        self._may_fail()
        os.replace(source, target)

    def unlink(self, path):
        self._may_fail()
        os.unlink(path)

    def fdopen(self, descriptor, mode, **options):
        file = os.fdopen(descriptor, mode, **options)
        return FailingFile(file, self) if mode == "wb" else file


class FailingFile(io.BytesIO):
    """A file whose writes may fail half-way, as on a full disk."""

    def __init__(self, file, disk):
        super().__init__()
        self.file, self.disk = file, disk

    def write(self, data):
        try:
            self.disk._may_fail()
        except OSError:
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            raise
        return self.file.write(data)

    def flush(self):
        if not self.file.closed:
            self.file.flush()

    def fileno(self):
        return self.file.fileno()

    def tell(self):
        return self.file.tell()

    def close(self):
        self.file.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_whichever_call_to_the_disk_fails_a_second_once_has_everything(tmp_path, monkeypatch, number):
    for fail_at in range(1, 100):
        laptop = Laptop(tmp_path / str(fail_at))
        laptop.append(jsonl(turn(n) for n in range(5)))
        laptop.once()
        laptop.append(jsonl(turn(n) for n in range(5, 9)))
        disk = FailingDisk(fail_at, number)
        with monkeypatch.context() as patch:
            patch.setattr(durable, "os", disk)
            first = laptop.once()
        assert laptop.once() == 0
        assert laptop.ids() == [f"turn-{n}" for n in range(9)], f"call {fail_at} failed"
        numbers = [header["seq"] for header, _ in laptop.segments()]
        assert numbers == list(range(1, len(numbers) + 1)), f"call {fail_at} failed"
        if disk.calls < fail_at:
            assert first == 0
            break
    assert fail_at > 10, "the test did not reach the disk"


def test_a_database_that_cannot_commit_loses_and_repeats_nothing(tmp_path, monkeypatch):
    laptop = Laptop(tmp_path)
    laptop.append(jsonl(turn(n) for n in range(5)))

    def refuse(self):
        raise sqlite3.OperationalError("database or disk is full")

    opened = spool.open_spool(str(laptop.spool), LIMIT)
    opened.close()
    with monkeypatch.context() as patch:
        patch.setattr(cursors.Cursors, "commit", refuse)
        assert laptop.once() == 1
    assert list(laptop.spool.glob("active-*")), "the events reached the disk before their cursors"
    assert laptop.once() == 0
    assert laptop.ids() == [f"turn-{n}" for n in range(5)]


def test_a_broken_database_is_put_aside_and_the_files_are_read_again(tmp_path, capsys):
    laptop = Laptop(tmp_path)
    laptop.append(jsonl([turn(1)]))
    laptop.once()
    (laptop.spool / spool.DATABASE).write_bytes(b"not a database" * 100)
    assert laptop.once() == 0
    assert "put aside" in capsys.readouterr().err
    first, second = laptop.segments()
    assert first[1] == second[1], "the same ids, so that the loader sees the duplicate"
    assert first[0]["sender"] == second[0]["sender"]
    assert first[0]["epoch"] != second[0]["epoch"]


def test_a_full_spool_stops_reading_and_goes_on_once_it_is_shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "SEAL_EVENTS", 10)
    monkeypatch.setattr("meterhouse_collector.outbox.BATCH", 10)
    opened = spool.open_spool(str(tmp_path / "spool"), 1)
    opened.check_room()
    for number in range(10):
        opened.add("x", number, json.dumps({"event_id": f"{number:032x}"}).encode())
    with pytest.raises(SpoolFullError, match="its limit"):
        opened.commit()
    opened.close()
    laptop = Laptop(tmp_path / "laptop")
    laptop.spool.parent.mkdir()
    (laptop.spool.parent / "collector.json").write_text('{"spool_limit_mb": 1}')
    monkeypatch.setattr("meterhouse_collector.place.Place.open_spool", lambda place: spool.open_spool(place.spool, 500))
    laptop.append(jsonl(turn(n) for n in range(200)))
    assert laptop.once() == 0
    assert laptop.ids() == [f"turn-{n}" for n in range(200)]


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path, monkeypatch, capsys):
    laptop = Laptop(tmp_path)
    laptop.append(jsonl([turn(1)]))
    monkeypatch.setattr(durable, "free_space", lambda folder: 10)
    assert laptop.once() == 1
    assert "less than 1 GiB free" in capsys.readouterr().err
    monkeypatch.undo()
    laptop.once()
    assert laptop.ids() == ["turn-1"]
