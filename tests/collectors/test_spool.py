"""The spool under torn tails, flipped bytes, failing disks, full disks and a second collector: nothing lost, nothing twice."""

import json
import os
import subprocess

import pytest

from collectors.laptop import Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import durable, segment, spool
from meterhouse_collector.__main__ import main
from meterhouse_collector.errors import CollectorError, LockedError, SpoolError
from meterhouse_collector.segment import Entry

LIMIT = 1 << 30


def event(number):
    return json.dumps(
        {"event_id": f"{number:032x}", "text": 'é,"event":{"at":[', "n": number}, ensure_ascii=False
    ).encode()


def entries(count):
    return [Entry(f'/sessions/{n % 2},"event":.jsonl', 100 * (n + 1), event(n)) for n in range(count)]


def active_bytes(count):
    return b"".join(map(segment.encode, entries(count)))


def left_by_a_crash(folder, data):
    """A spool whose collector died with this active file; its folder."""
    opened = spool.open_spool(str(folder), LIMIT)
    opened.close()
    (folder / f"active-{opened.epoch}-000000000001.log").write_bytes(data)
    return folder


def sealed(folder):
    """Header and lines of the only sealed segment."""
    (waiting,) = spool.list_waiting(str(folder))
    with open(waiting.path, "rb") as file:
        return segment.unseal(file.read())


def test_an_active_line_holds_the_event_byte_for_byte():
    assert segment.decode(active_bytes(5)) == (entries(5), [])


def test_a_torn_tail_is_cut_at_every_byte_of_the_last_two_lines(tmp_path):
    whole = active_bytes(4)
    ends = [len(active_bytes(n)) for n in range(5)]
    for cut in range(ends[2], ends[4] + 1):
        kept = sum(cut >= end for end in ends[1:])
        assert segment.decode(whole[:cut]) == (entries(kept), []), f"cut at byte {cut}"
    for cut in (ends[2], ends[2] + 1, ends[3] - 1, ends[3], ends[4] - 1):
        folder = left_by_a_crash(tmp_path / str(cut), whole[:cut])
        spool.open_spool(str(folder), LIMIT).close()
        kept = sum(cut >= end for end in ends[1:])
        header, lines = sealed(folder)
        assert lines == [event(n) for n in range(kept)], f"cut at byte {cut}"
        assert (header["count"], header["dropped"]) == (kept, {})
        assert not (folder / "aside").exists()


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_anywhere_costs_at_most_its_own_line(flip):
    data = active_bytes(3)
    ends = [len(active_bytes(n)) for n in range(4)]
    for place in range(len(data)):
        hit = next(n for n in range(3) if place < ends[n + 1])
        broken = data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]
        good, damages = segment.decode(broken)
        others = [entry for n, entry in enumerate(entries(3)) if n != hit]
        if place == ends[hit + 1] - 1:  # the line feed: the line itself is whole
            assert (good, damages) == (entries(3), []), f"byte {place}"
        else:
            assert (good, damages) == (others, [(ends[hit], ends[hit + 1])]), f"byte {place}"


def test_a_damaged_line_is_set_aside_with_its_byte_range_and_counted(tmp_path):
    data = bytearray(active_bytes(3))
    start, end = len(active_bytes(1)), len(active_bytes(2))
    data[start + 30] ^= 1
    folder = left_by_a_crash(tmp_path / "spool", bytes(data))
    spool.open_spool(str(folder), LIMIT).close()
    header, lines = sealed(folder)
    assert lines == [event(0), event(2)]
    assert header["dropped"] == {"spool_damaged": 1}
    (aside,) = (folder / "aside").iterdir()
    assert aside.name.endswith(f"-{start}-{end}.bin")
    assert aside.read_bytes() == bytes(data[start:end])


def test_a_recovered_segment_is_sealed_as_found_and_numbers_go_on(tmp_path):
    folder = left_by_a_crash(tmp_path / "spool", active_bytes(3))
    opened = spool.open_spool(str(folder), LIMIT)
    opened.add("x", 1, event(9))
    opened.commit()
    opened.seal()
    opened.close()
    found = [segment.unseal((folder / "segments" / item.name).read_bytes()) for item in spool.list_waiting(str(folder))]
    assert sorted((header["seq"], header["count"]) for header, _ in found) == [(1, 3), (2, 1)]


def test_an_active_file_that_was_sealed_already_is_not_sealed_again(tmp_path, monkeypatch):
    folder = left_by_a_crash(tmp_path / "spool", active_bytes(3))
    data = next(folder.glob("active-*")).read_bytes()
    name = next(folder.glob("active-*")).name
    spool.open_spool(str(folder), LIMIT).close()
    monkeypatch.setattr(spool.time, "strftime", lambda *_: "2030-01-01T00:00:00Z")  # a second seal would be other bytes
    for shipped in (False, True):
        (folder / name).write_bytes(data)  # the crash came between the seal and the removal
        for waiting in spool.list_waiting(str(folder)) if shipped else ():
            os.unlink(waiting.path)
        spool.open_spool(str(folder), LIMIT).close()
        assert len(spool.list_waiting(str(folder))) == (0 if shipped else 1)
        assert not list(folder.glob("active-*"))


def test_a_seal_is_the_same_bytes_whenever_it_is_done():
    header = {"epoch": "0" * 16, "seq": 1, "count": 1}
    name, data = segment.seal(header, [event(1)])
    assert segment.seal(header, [event(1)]) == (name, data)
    assert segment.NAME.match(name)
    assert data[4:8] == b"\0\0\0\0"  # gzip's time of modification
    assert segment.unseal(data) == ({"meterhouse_segment": 1, **header}, [event(1)])


def test_a_second_collector_exits_75_and_says_who_holds_the_spool(tmp_path, capsys):
    laptop = Laptop(tmp_path)
    opened = spool.open_spool(str(laptop.spool), LIMIT)
    assert laptop.once() == 75
    assert f"process {os.getpid()}" in capsys.readouterr().err
    with pytest.raises(LockedError):
        spool.open_spool(str(laptop.spool), LIMIT)
    opened.close()
    assert laptop.once() == 0


def test_a_killed_collector_leaves_no_stale_lock(tmp_path):
    laptop = Laptop(tmp_path)
    process = laptop.start("run")
    assert b"following" in process.stderr.readline()
    second = subprocess.run(
        [*process.args], env={**os.environ, "METERHOUSE_PERSON": "p-1"}, capture_output=True, check=False
    )
    assert second.returncode == 75
    process.kill()
    process.communicate()
    assert laptop.once() == 0


def test_spool_and_files_are_for_this_user_alone_whatever_the_umask(tmp_path):
    for umask in (0o000, 0o077):
        laptop = Laptop(tmp_path / oct(umask))
        laptop.append(jsonl([turn(1)]))
        previous = os.umask(umask)
        try:
            opened = spool.open_spool(str(laptop.spool), LIMIT)
            opened.add("x", 1, event(1))
            opened.commit()
            opened.seal()
            opened.add("x", 2, event(2))
            opened.commit()
        finally:
            os.umask(previous)
        for path in [laptop.spool, *laptop.spool.rglob("*")]:
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
        opened.close()


@pytest.mark.parametrize("name", ["OneDrive - Acme", "Dropbox", "Mobile Documents"])
def test_a_spool_in_a_synced_folder_is_refused(tmp_path, name):
    with pytest.raises(SpoolError, match="synced folder; pass --spool"):
        spool.open_spool(str(tmp_path / name / "spool"), LIMIT)


def test_a_spool_on_a_network_file_system_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(durable, "file_system", lambda folder: "nfs4")
    with pytest.raises(SpoolError, match="network file system"):
        spool.open_spool(str(tmp_path / "spool"), LIMIT)


def test_a_folder_that_holds_other_things_is_refused_and_keeps_its_rights(tmp_path):
    (tmp_path / "notes.txt").write_text("somebody's")
    tmp_path.chmod(0o755)
    with pytest.raises(SpoolError, match="is not empty and no spool"):
        spool.open_spool(str(tmp_path), LIMIT)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_read_only_home_gives_one_line_that_names_the_way_out_also_for_an_administrator(tmp_path, capsys):
    laptop = Laptop(tmp_path)
    laptop.append(jsonl([turn(1)]))
    laptop.home.chmod(0o555)
    assert main(["once", "--home", str(laptop.home), "--to", str(laptop.to)]) == 1
    error = capsys.readouterr().err
    assert (error.count("\n"), "read-only" in error, "pass --spool" in error) == (1, True, True)
    assert laptop.once() == 0
    assert laptop.ids() == ["turn-1"]
    laptop.home.chmod(0o755)


def test_a_home_that_cannot_be_written_gives_one_line_that_names_the_way_out(tmp_path, capsys):
    laptop = Laptop(tmp_path)
    (laptop.home / ".meterhouse").write_text("a file where the folder should be")
    assert main(["once", "--home", str(laptop.home), "--to", str(laptop.to)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "pass --spool" in error


def test_a_damaged_device_id_is_an_error_not_a_new_device(tmp_path):
    spool.open_spool(str(tmp_path / "spool"), LIMIT).close()
    (tmp_path / "spool" / "sender").write_text("")
    with pytest.raises(CollectorError, match="damaged"):
        spool.open_spool(str(tmp_path / "spool"), LIMIT)
