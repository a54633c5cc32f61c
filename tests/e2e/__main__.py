"""`make e2e-agents`: real coding agents against a provider on the loopback, through the real collector into the tables, exact or not.

Not part of `make test`: it installs the agents from npm (their versions are in `agents/`), which wants node, npm and a network; the runs
themselves reach nothing but the loopback. Prints one table; 1 when a row differs or an agent could not run, 2 when node is missing.
Agents and scenarios may be named to run only those: `python -m e2e claude_code codex/edit`.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from e2e.agents import agents
from e2e.ledger import Row, judge
from e2e.scenarios import SCENARIOS, Scenario
from e2e.stage import Stage, StageError

HEAD = f"{'agent':<20}{'version':<10}{'scenario':<15}{'channels':<30}{'found/billed':>12}{'tokens':>10}{'list USD':>12}  verdict"


def install(agent: ModuleType, where: Path) -> Path:
    """The agent's program, installed below `where` unless it is there."""
    folder = where / f"{agent.PACKAGE.replace('/', '-')}-{agent.VERSION}"
    binary = folder / "node_modules" / ".bin" / agent.BINARY
    if not binary.exists():
        folder.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder)]
        done = subprocess.run([*words, f"{agent.PACKAGE}@{agent.VERSION}"], capture_output=True, text=True, check=False)
        if done.returncode or not binary.exists():
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or [""]
            raise StageError(f"npm install {agent.PACKAGE}@{agent.VERSION}: {last[0][:200]}")
    return binary


def can(agent: ModuleType, scenario: Scenario) -> str:
    """Empty, or why this agent cannot do the scenario."""
    told: dict[str, str] = getattr(agent, "CANNOT", {})
    for launch in scenario.launches:
        if launch.way not in agent.WAYS:
            return told.get(launch.way, f"has no {launch.way} without its own screen")
        for name in (name for step in launch.main if not isinstance(step, str) for name, _ in step):
            if name not in agent.ACTIONS:
                return told.get(name, f"has no tool for {name}")
    return ""


def play(agent: ModuleType, scenarios: list[Scenario], where: Path, work: Path) -> list[str]:
    """Run one agent and print its rows; gives what went wrong."""
    name, wrong, played = _name(agent), [], []
    try:
        with Stage(agent, install(agent, where), work / name) as stage:
            for scenario in scenarios:
                if reason := can(agent, scenario):
                    print(f"{name:<20}{agent.VERSION:<10}{scenario.name:<15}not run: it {reason}", flush=True)
                    continue
                print(f"{name}: {scenario.name} …", file=sys.stderr)
                try:
                    stage.play(scenario)
                    played.append(scenario)
                except StageError as error:
                    wrong.append(f"{name} {scenario.name}: {error}")
                    print(f"{name:<20}{agent.VERSION:<10}{scenario.name:<15}could not run: {error}", flush=True)
            stage.finish()
            rows = sorted(judge(stage, played), key=_order)
            for host in sorted(set(stage.provider.strangers)):
                print(f"{name}: asked for {host}, which it did not get", file=sys.stderr)
    except (StageError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"{name:<20}{agent.VERSION:<10}could not run: {error}", flush=True)
        return [*wrong, f"{name}: {error}"]
    for row in rows:
        print(row.line(), flush=True)
    return [*wrong, *(row.line() for row in rows if row.differences)]


def _order(row: Row) -> tuple[int, int]:
    names = [scenario.name for scenario in SCENARIOS]
    return names.index(row.scenario) if row.scenario in names else len(names), len(row.channels)


def main(chosen: list[str]) -> int:
    """Run what was chosen, or everything."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    if not shutil.which("node") or not shutil.which("npm"):
        print("make e2e-agents: node or npm is missing; install Node.js 20 or newer, with npm", file=sys.stderr)
        return 2
    where = Path(tempfile.gettempdir()) / "meterhouse-e2e-agents"
    wanted = [(agent, [row for row in SCENARIOS if _is_chosen(agent, row, chosen)]) for agent in agents()]
    known = {name for agent in agents() for row in SCENARIOS for name in (_name(agent), f"{_name(agent)}/{row.name}")}
    if strange := sorted(set(chosen) - known):
        print(
            f"{strange[0]}: no such agent or scenario; the agents are {', '.join(map(_name, agents()))}",
            file=sys.stderr,
        )
        return 2
    print(HEAD, flush=True)
    wrong: list[str] = []
    work = Path(tempfile.mkdtemp(prefix="meterhouse-e2e-"))
    for agent, scenarios in wanted:
        if scenarios:
            wrong += play(agent, scenarios, where, work)
    if wrong:
        print(f"{len(wrong)} rows differ; homes, logs, buckets and tables are in {work}")
        return 1
    shutil.rmtree(work)
    print("every row is exact for what its channels can know")
    return 0


def _is_chosen(agent: ModuleType, scenario: Scenario, chosen: list[str]) -> bool:
    return not chosen or _name(agent) in chosen or f"{_name(agent)}/{scenario.name}" in chosen


def _name(agent: ModuleType) -> str:
    return agent.__name__.rpartition(".")[2]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
