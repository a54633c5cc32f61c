"""What a disk may hold that nobody expects: names that are no UTF-8, pipes, damaged files of our own."""

import os
import subprocess

import pytest

from collectors.laptop import LAUNCH, Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import agents, folders, spool, watch
from meterhouse_collector.__main__ import main


@pytest.fixture
def laptop(tmp_path):
    made = Laptop(tmp_path)
    made.append(jsonl(turn(n) for n in range(3)))
    return made


def test_names_that_are_not_utf_8_are_read_once_like_any_other(laptop, capsys):
    folder = os.fsencode(laptop.file()).replace(b"a.jsonl", b"-bad-\xff")
    os.mkdir(folder)
    path = os.path.join(folder, b"b.jsonl")
    with open(path, "wb") as file:
        file.write(jsonl([turn(5)]).encode())
    os.mkfifo(os.path.join(folder, b"\xfe.jsonl"))
    for _ in range(2):
        assert laptop.once() == 0
    assert sorted(laptop.ids()) == ["turn-0", "turn-1", "turn-2", "turn-5"]
    os.rename(path, os.path.join(folder, b"\xff.json"))  # a document that cannot be read, so that its name is shown
    with open(os.path.join(folder, b"\xff.jsonl.zst"), "wb") as file:
        file.write(b"no archive")
    assert laptop.once() == 0
    main(laptop.arguments("doctor"))
    assert "-bad-" in capsys.readouterr().out


def test_damage_inside_the_database_is_told_in_one_line_and_mended_by_the_next_once(laptop, capsys):
    laptop.once()
    database = laptop.spool / spool.DATABASE
    for count in (1, 2):
        data = bytearray(database.read_bytes())
        data[4096:] = b"\xa5" * (len(data) - 4096)
        database.write_bytes(data)
        for command in ("status", "preview"):
            capsys.readouterr()
            assert main(laptop.arguments(command)) == 1
            error = capsys.readouterr().err
            assert (error.count("\n"), "cursors.db: cannot be read" in error) == (1, True)
        assert laptop.once() == 0
        assert capsys.readouterr().err.count("put aside as") == 1
        assert len(list(laptop.spool.glob("cursors.db.damaged-*"))) == count
    assert laptop.once() == 0
    assert len(set(laptop.ids())) == 3


def test_doctor_tells_of_a_damaged_database_that_another_collector_holds(laptop, capsys):
    opened = spool.open_spool(str(laptop.spool), 1 << 30)
    (laptop.spool / spool.DATABASE).write_bytes(b"not a database" * 100)
    assert main(laptop.arguments("doctor")) == 1
    assert "cursors.db: cannot be read" in capsys.readouterr().out
    opened.close()


@pytest.mark.parametrize("command", ["once", "status", "doctor"])
def test_a_device_id_of_stray_bytes_is_one_line(laptop, capsys, command):
    laptop.once()
    (laptop.spool / "sender").write_bytes(b"\xff\xfe\x00")
    capsys.readouterr()
    assert main(laptop.arguments(command)) == 1
    shown = "".join(capsys.readouterr())
    assert shown.count("sender: is damaged; remove it") == 1


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(laptop):
    tree = laptop.root / "tree"
    tree.mkdir()
    os.mkfifo(tree / ".git")
    os.mkfifo(laptop.file("pipe.jsonl"))
    laptop.append(jsonl([turn(7, cwd=str(tree))]))
    for command in ("once", "doctor"):
        done = subprocess.run([*LAUNCH, *laptop.arguments(command)], timeout=30, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert "turn-7" in laptop.ids()


def test_a_folder_that_cannot_be_listed_is_told_by_once_and_named_by_doctor(laptop, monkeypatch, capsys):
    closed, scandir = str(laptop.file("closed")), os.scandir
    os.mkdir(closed)

    def refuse(path="."):
        if os.fspath(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert laptop.once() == 0
    assert capsys.readouterr().err.count("diary: 1 folders cannot be listed; see meterhouse-collector doctor\n") == 1
    assert main(laptop.arguments("doctor")) == 1
    assert f"{closed}: cannot be listed (Permission denied)" in capsys.readouterr().out


AGENTS_FOLDERS = {
    "claude_code": {".claude/projects", ".config/claude/projects"},
    "codex": {".codex/sessions", ".codex/archived_sessions"},
    "gemini_cli": {".gemini/tmp"},
}


@pytest.mark.parametrize(("name", "expected"), AGENTS_FOLDERS.items(), ids=AGENTS_FOLDERS)
def test_an_agents_folders_are_known_before_the_agent_makes_them(tmp_path, name, expected):
    (source,) = [source for source in agents.installed() if source.name == name]
    assert set(folders.roots(source, tmp_path, {})) == {str(tmp_path / folder) for folder in expected}


def test_every_new_folder_down_to_a_sub_agents_first_asks_for_a_search_at_once(tmp_path):
    (source,) = [source for source in agents.installed() if source.name == "claude_code"]
    watched, now, folder = watch.Watch(), 1000.0, tmp_path
    for made in (".claude/projects", "p1", "session", "subagents", "workflow"):
        looked = folders.survey(source, tmp_path, {}).changed
        watched.searched({}, {}, looked, now, 0.01)
        now += watch.HURRY
        assert not watched.search_due(now), f"before {made}"
        time_ns = folder.stat().st_mtime_ns
        folder = folder / made
        folder.mkdir(parents=True)
        os.utime(folder.parent, ns=(time_ns + 1, time_ns + 1))  # as after a tick of the disk's clock
        assert watched.search_due(now), f"after {made}"
