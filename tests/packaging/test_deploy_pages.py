"""The pages and files of docs/deploy are what the agents' modules say today, and an agent so set exports to us."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from meterhouse_collector import deploy_pages as pages
from meterhouse_collector import settings
from meterhouse_collector.agent_settings import known
from meterhouse_collector.host import Host
from meterhouse_collector.settings import ENDPOINT

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "deploy"
MANAGED = {agent.name: agent for agent in known() if agent.managed}


@pytest.mark.parametrize("name", sorted(pages.pages()))
def test_the_page_is_current(name):
    told = "is stale; run `python -m meterhouse_collector.deploy_pages docs/deploy`"
    assert (FOLDER / name).read_text(encoding="utf-8") == pages.pages()[name], f"docs/deploy/{name} {told}"


BY_HAND = {"intake.md", "litellm.md", "vendors.md"}  # about servers, not agents


def test_no_page_is_left_over():
    found = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert found == set(pages.pages()) | BY_HAND


def test_the_agents_of_an_organisation_have_a_page():
    assert set(MANAGED) >= {"claude_code", "codex", "gemini_cli", "qwen_code", "copilot_cli", "opencode"}


@pytest.mark.parametrize("name", sorted(set(MANAGED) - {"opencode"}))
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_machine_with_the_managed_file_exports_to_us_whatever_its_person_set(tmp_path, name, platform):
    agent = MANAGED[name]
    (tmp_path / "home").mkdir()
    for file in agent.managed:
        path = tmp_path / "root" / file.places[platform].lstrip("/")
        path.parent.mkdir(parents=True)
        path.write_text(file.text(ENDPOINT))
    export = agent.export(Host(tmp_path / "home", {}, tmp_path / "root", platform))
    assert export.is_on
    assert export.is_json
    assert export.endpoint.startswith(ENDPOINT)
    assert not agent.export(Host(tmp_path / "home", {}, tmp_path / "elsewhere", platform)).is_on


@pytest.mark.parametrize("name", sorted(MANAGED))
def test_the_environment_of_exec_switches_on_what_the_settings_reader_sees(tmp_path, name):
    agent = MANAGED[name]
    if agent.environment(ENDPOINT):
        assert agent.export(Host(tmp_path, agent.environment(ENDPOINT))).is_on


def test_every_file_parses_in_its_own_format():
    for agent in MANAGED.values():
        for file in agent.managed:
            assert (
                tomllib.loads(file.text(ENDPOINT)) if file.name.endswith(".toml") else json.loads(file.text(ENDPOINT))
            )
            assert set(file.places) == {"linux", "darwin", "windows"}


def test_the_collectors_readme_lists_every_setting():
    text = (FOLDER.parents[1] / "collectors" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(settings.KEYS)
