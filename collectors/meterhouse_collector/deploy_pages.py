"""Writes docs/deploy from the agents' own modules: `python -m meterhouse_collector.deploy_pages DIR`. Never edit those pages."""

import sys
from pathlib import Path
from typing import Dict, List

from .agent_settings import Agent, known
from .settings import ENDPOINT

MADE = (
    "<!-- written by `python -m meterhouse_collector.deploy_pages docs/deploy`; edit the agent's module instead -->\n\n"
)
PLATFORMS = {"linux": "Linux", "darwin": "macOS", "windows": "Windows"}
INTRO = """\
# Switching on export for an organisation

Device management installs two things and no developer does anything: the collector (`meterhouse-collector install --to … --person …`), which
receives on `{endpoint}`, and one file an agent that points it there. Without the file the collector still reads the agent's own session files;
export adds what those do not know, such as auxiliary calls, refusals and exact times. Where the collector is down, agents lose what they
export; the session files make up for it.

`meterhouse-collector doctor` says on each machine whether an agent's export is on, comes to us, and can be read. For machines without
managed files, `meterhouse-collector exec -- AGENT …` sets the same for one start.

| Agent | File | Page |
|---|---|---|
"""


def pages() -> Dict[str, str]:
    """File name to text: an index, a page an agent, and each managed file as it is to be installed."""
    agents = [agent for agent in known() if agent.managed]
    found = {"README.md": MADE + INTRO.format(endpoint=ENDPOINT)}
    for agent in agents:
        page = agent.name.replace("_", "-")
        found["README.md"] += f"| {agent.label} | `{agent.managed[0].name}` | [{page}.md]({page}.md) |\n"
        found[f"{page}.md"] = _page(agent, page)
        for file in agent.managed:
            found[f"{page}/{file.name}"] = file.text(ENDPOINT)
    return found


def _page(agent: Agent, page: str) -> str:
    lines: List[str] = [f"# {agent.label}", ""]
    for file in agent.managed:
        lines += [f"[{file.name}]({page}/{file.name}) goes to:", "", "| Platform | Path |", "|---|---|"]
        lines += [f"| {PLATFORMS[name]} | `{path}` |" for name, path in file.places.items()]
        kind = "toml" if file.name.endswith(".toml") else "json"
        lines += ["", f"```{kind}", file.text(ENDPOINT).rstrip("\n"), "```", ""]
    variables, words = agent.environment(ENDPOINT), agent.arguments(ENDPOINT)
    if variables:
        lines += ["The same for one shell or one job:", "", "```sh"]
        lines += [f"export {name}={value}" for name, value in variables.items()] + ["```", ""]
    if words:
        lines += [
            "The same for one start:",
            "",
            "```sh",
            " ".join([agent.programs[0], *(_quoted(word) for word in words)]),
        ]
        lines += ["```", ""]
    if agent.gateway:
        paths = ", ".join(f"`{name}`" for name in agent.gateway)
        lines += [f"`exec` points the agent to `gateway_url` of collector.json through {paths}.", ""]
    return MADE + "\n".join(lines + [f"- {note}" for note in agent.notes]) + "\n"


def _quoted(word: str) -> str:
    return word if word.startswith("-") or not set(word) & set(" \"'{}") else f"'{word}'"


def main(folder: str) -> None:
    """Write all pages."""
    for name, text in pages().items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
