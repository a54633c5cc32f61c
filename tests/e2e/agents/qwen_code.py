"""Qwen Code: OpenAI's Chat format; its chats hold every call, helpers included."""

import json
from pathlib import Path

from e2e.agents import Knows
from e2e.wire import Call

PACKAGE, VERSION, BINARY = "@qwen-code/qwen-code", "0.15.10", "qwen"
ACTIONS = {"read", "run", "edit", "write", "agent"}
# this version tells neither a 429 that it tried again nor the exit code of a command
KNOWS = dict.fromkeys(("transcript", "otlp"), Knows(limits=False, fails=frozenset({"edit"})))
WAYS = {"start": [], "resume": ["--continue"]}
MODEL = "qwen3-coder-plus"


def configure(home: Path, url: str, otlp: str) -> dict[str, str]:
    folder = home / ".qwen"
    folder.mkdir(exist_ok=True)
    settings = {
        "security": {"auth": {"selectedType": "openai"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"disableAutoUpdate": True, "enableAutoUpdate": False},
        "telemetry": {
            "enabled": True,
            "target": "local",
            "otlpEndpoint": otlp,
            "otlpProtocol": "http",
            "logPrompts": False,
        },
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return {"OPENAI_API_KEY": "loopback", "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_MODEL": MODEL}


def command(prompt: str, way: str) -> list[str]:
    return ["--approval-mode", "yolo", *WAYS[way], "-p", prompt]


def speak(action: str, values: dict[str, str], tools: list[str]) -> Call:
    if action == "read":
        return Call("read_file", {"file_path": values["path"]})
    if action == "write":
        return Call("write_file", {"file_path": values["path"], "content": values["content"]})
    if action == "edit":
        return Call("edit", {"file_path": values["path"], "old_string": values["old"], "new_string": values["new"]})
    if action == "agent":
        name = "agent" if "agent" in tools else "task"
        return Call(name, {"description": "look", "prompt": values["prompt"], "subagent_type": "general-purpose"})
    return Call("run_shell_command", {"command": values["command"], "is_background": False})
