"""GitHub Copilot CLI, offline with a provider of its own: OpenAI's Responses format. It exports spans, and sums in metrics."""

from pathlib import Path

from e2e.agents import Knows
from e2e.agents.codex import speak as _codex
from e2e.wire import Call

PACKAGE, VERSION, BINARY = "@github/copilot", "1.0.102", "copilot"
ACTIONS = {"read", "run", "edit", "write", "agent"}
KNOWS = {"transcript": Knows(limits=False), "otlp": Knows(limits=False, lines=False, subs=False)}
WAYS = {"start": [], "resume": ["--continue"]}


def configure(home: Path, url: str, otlp: str) -> dict[str, str]:
    return {
        "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_WIRE_API": "responses",
        "COPILOT_PROVIDER_API_KEY": "loopback",
        "COPILOT_MODEL": "gpt-5.4",
        "COPILOT_AUTO_UPDATE": "false",
        "COPILOT_OTEL_ENABLED": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
    }


def command(prompt: str, way: str) -> list[str]:
    return ["--allow-all-tools", "--allow-all-paths", "--no-color", *WAYS[way], "-p", prompt]


def speak(action: str, values: dict[str, str], tools: list[str]) -> Call:
    if action == "read":
        return Call("view", {"path": values["path"]})
    if action in ("write", "edit"):
        return _codex(action, values, tools)
    if action == "agent":
        return Call("task", {"description": "look", "prompt": values["prompt"], "agent_type": "general-purpose", "name": "look", "mode": "sync"})  # fmt: skip
    return Call("bash", {"command": values["command"], "description": "run"})
