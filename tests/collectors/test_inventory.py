"""The inventory: agents, servers and switches of a home from closed lists, told once a day when it changed."""

import subprocess
import sys
import time

import pytest

from collectors.laptop import LAUNCH, Laptop  # noqa: TID251 - tests/collectors
from collectors.planted_home import plant  # noqa: TID251
from collectors.test_hygiene import python39  # noqa: TID251
from meterhouse_collector.__main__ import main


def test_agents_servers_and_switches_are_named_from_closed_lists(home):
    plant(home)
    home.laptop.once()
    agents = {event["item_name"]: event["item_state"] for event in home.items("agent")}
    assert agents == dict.fromkeys(("claude_code", "codex", "gemini_cli", "cursor"), "files_only")
    servers = {
        (event["agent"], event["item_name"], event["item_state"]): event["item_count"]
        for event in home.items("mcp_server")
    }
    assert servers == {
        ("claude_code", "github", "stdio"): 1, ("claude_code", "other", "http"): 1, ("claude_code", "other", "sse"): 1,
        ("codex", "linear", "stdio"): 1, ("codex", "other", "http"): 1, ("gemini_cli", "other", "http"): 1,
        ("cursor", "other", "stdio"): 1,
    }  # fmt: skip
    modes = {
        event["agent"]: event["item_state"]
        for event in home.items("setting")
        if event["item_name"] == "permission_mode"
    }
    assert modes == {"claude_code": "bypass", "codex": "bypass", "gemini_cli": "default"}


def test_the_inventory_is_told_once_a_day_when_it_changed_and_whole(home, monkeypatch):
    home.write(".claude/settings.json", {})
    day = [1795168939]
    monkeypatch.setattr(time, "gmtime", lambda *_: time.struct_time((2026, 11, 20 + day[0] % 7, 9, 0, 0, 4, 324, 0)))
    day[0] = 0
    home.laptop.once()
    told = len(home.items())
    assert told >= 3
    home.write(".codex/auth.json", {"a": home.secret()})
    home.laptop.once()
    assert len(home.items()) == told
    day[0] = 1
    home.laptop.once()
    assert len(home.items()) == 2 * told + 4
    summary = [event for event in home.items("setting") if event["item_name"] == "inventory"][-1]
    assert (
        summary["item_count"] == len([event for event in home.items() if event["occurred_at"][:10] == "2026-11-21"]) - 1
    )
    day[0] = 2
    home.laptop.once()
    assert len(home.items()) == 2 * told + 4


def test_preview_shows_the_inventory_and_a_switch_keeps_it_back(home, capfdbinary):
    plant(home)
    main(home.laptop.arguments("preview"))
    shown = capfdbinary.readouterr().out
    home.laptop.once()
    assert shown == b"".join(line + b"\n" for line in home.laptop.lines())
    assert b'"item_kind":"credential"' in shown
    other = Laptop(home.laptop.root / "other")
    other.home = home.path
    other.spool.parent.mkdir()
    (other.spool.parent / "collector.json").write_text('{"inventory": false}')
    other.once()
    assert not any(event["kind"] == "inventory" for event in other.events())


def test_two_machines_of_one_person_do_not_share_an_event(home, tmp_path, monkeypatch):
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    home.write(".claude/settings.json", {})
    home.laptop.once()
    second = Laptop(tmp_path / "second")
    second.home = home.path
    second.once()
    ids = [event["event_id"] for event in home.laptop.events() + second.events()]
    assert len(ids) == len(set(ids)) > 0


def test_python_3_9_tells_the_same_inventory(home, monkeypatch):
    old = python39()
    if old is None:
        pytest.skip("no python3.9 that starts is installed")
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    plant(home)
    outputs = [
        subprocess.run([python, LAUNCH[1], *home.laptop.arguments("preview")], capture_output=True, check=True).stdout
        for python in (sys.executable, old)
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") > 20
