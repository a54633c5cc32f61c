"""Privacy end to end: every string of every source that is no fact of the contract becomes a canary, and none comes out.

What is covered is what is installed: a source, dialect, vendor or kind of import that nobody planted canaries for fails by name.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors import conformance, homes  # noqa: TID251 - tests/collectors
from conformance.canaries import leaks
from conformance.ends import FIXTURES, needs_fixtures
from conformance.stage import ROWS, Stage, bodies_of
from meterhouse_collector import agents, vendors
from meterhouse_collector.commands import import_
from meterhouse_collector.otlp import dialects

OWN = conformance.FIXTURES
RECORDED = {  # sessions beside this checkout that are no whole home: where below a home they would lie
    "kilo/cli-7.7.9-A": ".local/share/kilo", "opencode/upstream/opencode-sqlite": ".local/share/opencode",
    "pi/cli-0.74.2-A/sessions": ".pi/agent/sessions", "claude/projects": ".claude/projects", "cline/cli-3.0.65-A/data": ".cline/data",
    "amp": ".local/share/amp/threads", "droid": ".factory/sessions", "omnigent/chat-0.19.1.db": ".omnigent/chat.db", "gemini/generated": ".gemini",
    "codex/generated": ".codex", "qwen/generated": ".qwen", "copilot/cli-1.0.102-A": ".copilot",
}  # fmt: skip
IMPORTS = {"litellm": ("payloads.jsonl", "spend_logs.jsonl"), "otlp": ()}  # own files; otlp has a folder a dialect


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Our own fixtures of everything, through every door."""
    stage = Stage(tmp_path_factory.mktemp("own"))
    for agent in homes.names():
        home = homes.furnish(agent, stage.given / agent)
        stage.canaries.origin = agent
        stage.canaries.fill(home)
        shutil.copytree(home, stage.home, dirs_exist_ok=True)
    stage.work_tree()
    stage.inventory()
    stage.launch()
    laptop(stage)
    bodies = []
    for dialect in dialects.installed():
        folder = OWN / "otlp" / dialect.name
        path = stage.planted(f"{dialect.name}-otlp", bodies_of(folder / "bodies.jsonl"))
        bodies += path.read_bytes().splitlines()
        before = len(stage.lines())
        stage.collector("import", "otlp", str(path))
        assert len(stage.lines()) > before, f"{dialect.name}: no event came of its bodies with canaries"
    stage.push(bodies)
    for name in IMPORTS["litellm"]:
        path = stage.planted("litellm", [row for row in conformance.lines_of(OWN / "litellm" / name) if row], name)
        stage.collector("import", "litellm", str(path))
        if name == "payloads.jsonl":
            stage.callback(path)
    for vendor in ROWS:
        stage.pull(vendor)
    tables(stage)
    return stage


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Real agents' files, SQLite stores included, OTLP and a gateway's log, as they were recorded."""
    stage = Stage(tmp_path_factory.mktemp("recorded"))
    for name, source, target in recorded_folders():
        stage.canaries.origin = name
        copy = stage.given / name
        put(source, copy / target)
        assert any(True for agent in agents.installed() for _ in agent.find(copy, {})), f"{source}: no agent finds it"
        stage.canaries.fill(copy)
        shutil.copytree(copy, stage.home, dirs_exist_ok=True)
    laptop(stage)
    for path in sorted((FIXTURES / "captures").glob("*/otlp-logs.jsonl")):
        stage.collector("import", "otlp", str(stage.planted(path.parent.name, bodies_of(path))))
    log = sorted((FIXTURES / "captures").glob("*/gateway/**/*.json"))
    stage.collector("import", "litellm", str(stage.planted("gateway", [json.loads(path.read_text()) for path in log])))
    tables(stage)
    return stage


def put(source: Path, target: Path) -> None:
    """A copy of a folder, or of one store."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.parent.mkdir(parents=True)
        shutil.copyfile(source, target)


def recorded_folders() -> Iterator[tuple[str, Path, str]]:
    """Name, folder or store, and place below a home of everything that was recorded."""
    for path in sorted((FIXTURES / "captures").glob("*/home")):
        yield path.parent.name, path, "."
    for name, place in RECORDED.items():
        if (FIXTURES / name).exists():
            yield name.replace("/", "-"), FIXTURES / name, place


def laptop(stage: Stage) -> None:
    """All that a person would run on a laptop; what is shown first is what is shipped then."""
    shown = stage.collector("preview")
    stage.collector("once")
    assert shown.encode() == b"".join(line + b"\n" for line in stage.lines())
    for command in (["status"], ["doctor"], ["doctor", "--json"]):
        stage.collector(*command, codes=(0, 1))  # what doctor finds is not asked here


def tables(stage: Stage) -> None:
    """The pipeline over everything that was shipped, its report, and a question."""
    for more in sorted(stage.work.glob("*-raw")):
        shutil.copytree(more, stage.work / "raw", dirs_exist_ok=True)
    stage.run(["-m", "meterhouse", "run", "--plain", "--raw", "raw", "--data", "data"])
    stage.run(["-m", "meterhouse", "report", "build", "--data", "data", "--week", "2026-W47", "--out", "report"])


def test_every_source_was_planted_and_came_through(own: Stage) -> None:
    wanted = {*homes.names(), "git", "inventory", "otlp", "otlp_gateway", "litellm", *vendors.names()}
    assert sorted(wanted - set(own.told())) == [], "no event came of these with canaries in them"
    assert sorted(import_.kinds()) == sorted(IMPORTS), "each kind of import has a file with canaries"
    used = {
        event["source"] for event in map(json.loads, own.lines()) if event["kind"] in ("model_request", "usage_delta")
    }
    assert sorted(set(homes.names()) - used) == [], "these told no use"
    assert {"launch", "tool_call", "code_change"} <= {json.loads(line)["kind"] for line in own.lines()}


def test_no_canary_of_our_own_fixtures_comes_out(own: Stage) -> None:
    assert own.canaries.count > 1000
    assert leaks(own.work) == []
    assert "canary" not in own.words.lower()


@needs_fixtures
def test_no_canary_of_recorded_sessions_comes_out(recorded: Stage) -> None:
    assert recorded.canaries.count > 5000
    assert sorted(set(homes.names()) - set(recorded.told())) == [], "no event came of these"
    assert leaks(recorded.work) == []
    assert "canary" not in recorded.words.lower()
