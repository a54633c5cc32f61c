"""Pi: session files; any provider by its own list of models, here in Anthropic's format. It has no sub-agents."""

import json
from pathlib import Path

from e2e.agents import SESSION, Knows
from e2e.wire import Call

PACKAGE, VERSION, BINARY = "@mariozechner/pi-coding-agent", "0.73.1", "pi"
ACTIONS = {"read", "run", "edit", "write"}
KNOWS = {"transcript": Knows(limits=False)}
WAYS = {"start": [], "resume": ["--continue"], "fork": ["--fork", SESSION]}
MODEL = "claude-sonnet-4-6"


def configure(home: Path, url: str, otlp: str) -> dict[str, str]:
    folder = home / ".pi" / "agent"
    folder.mkdir(parents=True, exist_ok=True)
    provider = {
        "baseUrl": url,
        "api": "anthropic-messages",
        "apiKey": "loopback",
        "models": [{"id": MODEL, "contextWindow": 200000, "maxTokens": 32000}],
    }
    (folder / "models.json").write_text(json.dumps({"providers": {"loopback": provider}}))
    return {"PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1", "PI_TELEMETRY": "0"}


def command(prompt: str, way: str) -> list[str]:
    return ["--provider", "loopback", "--model", MODEL, *WAYS[way], "-p", prompt]


def speak(action: str, values: dict[str, str], tools: list[str]) -> Call:
    if action == "read":
        return Call("read", {"path": values["path"]})
    if action == "write":
        return Call("write", {"path": values["path"], "content": values["content"]})
    if action == "edit":
        return Call("edit", {"path": values["path"], "edits": [{"oldText": values["old"], "newText": values["new"]}]})
    return Call("bash", {"command": values["command"]})
