"""`preview` shows the very bytes that are shipped next, of every source, at every level of privacy, and of all together."""

import json

import pytest

from collectors import homes, planted_home  # noqa: TID251 - tests/collectors
from collectors.laptop import Laptop, jsonl, turn  # noqa: TID251
from collectors.test_git_source import Repository  # noqa: TID251
from meterhouse_collector import launches
from meterhouse_collector.__main__ import main


@pytest.fixture
def laptop(tmp_path):
    return Laptop(tmp_path)


def previewed_and_shipped(laptop, capfdbinary):
    """What `preview` prints, and the lines that `once` then ships as text."""
    capfdbinary.readouterr()
    main(laptop.arguments("preview"))
    shown, before = capfdbinary.readouterr().out, len(laptop.lines())
    laptop.once()
    return shown, b"".join(line + b"\n" for line in laptop.lines()[before:])


def sources(text):
    return {json.loads(line)["source"] for line in text.splitlines()}


@pytest.mark.parametrize("privacy", ["names", "counts"])
@pytest.mark.parametrize("agent", homes.names())
def test_of_one_agent(laptop, capfdbinary, agent, privacy):
    homes.furnish(agent, laptop.home)
    laptop.write_settings(privacy=privacy, pseudonym_key="a key of the organisation", inventory=False)
    shown, shipped = previewed_and_shipped(laptop, capfdbinary)
    assert shown == shipped
    assert sources(shown) == {agent}


def test_of_all_agents_commits_inventory_and_starts_at_once_and_of_what_grew_since(laptop, capfdbinary, monkeypatch):
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    for agent in homes.names():
        homes.furnish(agent, laptop.home)
    planted = planted_home.Home(laptop.root / "unused")
    planted.path = laptop.home
    planted_home.plant(planted)
    tree = Repository(laptop.root / "shop")
    tree.commit("first")
    laptop.append(jsonl([turn(1, cwd=str(tree.path))]))
    launches.write(launches.folder_of(str(laptop.spool)), "a" * 32, "2026-10-01T12:00:00Z", {"agent": "claude_code"})
    shown, shipped = previewed_and_shipped(laptop, capfdbinary)
    assert shown == shipped
    assert sources(shown) == {*homes.names(), "diary", "git", "inventory", "launch"}
    tree.commit("second", at="2026-10-02T12:00:00Z")
    laptop.append(jsonl([turn(2)]))
    shown, shipped = previewed_and_shipped(laptop, capfdbinary)
    assert shown == shipped
    assert sources(shown) == {"diary", "git"}
