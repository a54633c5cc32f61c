"""OpenCode: an SQLite store with a log; any provider by its own configuration, here OpenAI's Chat format."""

import json
from pathlib import Path

from e2e.agents import Knows
from e2e.wire import Call

PACKAGE, VERSION, BINARY = "opencode-ai", "1.18.33", "opencode"
ACTIONS = {"read", "run", "edit", "write", "agent"}
KNOWS = {"transcript": Knows(roles=frozenset({"main", "sub"}), ids=False, limits=False)}
WAYS = {"start": [], "resume": ["--continue"], "fork": ["--continue", "--fork"]}


def configure(home: Path, url: str, otlp: str) -> dict[str, str]:
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True, exist_ok=True)
    model = {"name": "glm-4.7", "tool_call": True, "limit": {"context": 200000, "output": 32000}}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "loopback",
        "options": {"baseURL": f"{url}/v1", "apiKey": "loopback"},
        "models": {"glm-4.7": model},
    }
    settings = {
        "provider": {"loopback": provider},
        "model": "loopback/glm-4.7",
        "small_model": "loopback/glm-4.7",
        "autoupdate": False,
        "share": "disabled",
        "permission": {"edit": "allow", "bash": "allow", "external_directory": "allow"},
    }
    (folder / "opencode.json").write_text(json.dumps(settings))
    return {
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    }


def command(prompt: str, way: str) -> list[str]:
    return ["run", *WAYS[way], prompt]


def speak(action: str, values: dict[str, str], tools: list[str]) -> Call:
    if action == "read":
        return Call("read", {"filePath": values["path"]})
    if action == "write":
        return Call("write", {"filePath": values["path"], "content": values["content"]})
    if action == "edit":
        return Call("edit", {"filePath": values["path"], "oldString": values["old"], "newString": values["new"]})
    if action == "agent":
        return Call("task", {"description": "look", "prompt": values["prompt"], "subagent_type": "general"})
    return Call("bash", {"command": values["command"], "description": "run"})
