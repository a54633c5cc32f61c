"""Gemini CLI: Google's wire format; its files hold no provider ids and no calls of its router."""

import json
from pathlib import Path

from e2e.agents import Knows
from e2e.wire import Call

PACKAGE, VERSION, BINARY = "@google/gemini-cli", "0.61.0", "gemini"
ACTIONS = {"read", "run", "edit", "write", "agent"}
KNOWS = {
    "transcript": Knows(roles=frozenset({"main", "sub"}), ids=False, limits=False),
    "otlp": Knows(ids=False, fails=frozenset({"edit"})),
}
WAYS = {"start": [], "resume": ["--resume", "latest"]}
SETTINGS = {
    "security": {"auth": {"selectedType": "gemini-api-key"}, "folderTrust": {"enabled": False}},
    "privacy": {"usageStatisticsEnabled": False},
    "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
}


def configure(home: Path, url: str, otlp: str) -> dict[str, str]:
    folder = home / ".gemini"
    folder.mkdir(exist_ok=True)
    telemetry = {"enabled": True, "target": "local", "otlpEndpoint": otlp, "otlpProtocol": "http", "logPrompts": False}
    (folder / "settings.json").write_text(json.dumps({**SETTINGS, "telemetry": telemetry}))
    return {"GEMINI_API_KEY": "loopback", "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_CLI_TRUST_WORKSPACE": "true"}


def command(prompt: str, way: str) -> list[str]:
    return ["--model", "gemini-3.8-flash", "--approval-mode", "yolo", *WAYS[way], "-p", prompt]


def speak(action: str, values: dict[str, str], tools: list[str]) -> Call:
    if action == "read":
        return Call("read_file", {"file_path": values["path"]})
    if action == "write":
        return Call("write_file", {"file_path": values["path"], "content": values["content"]})
    if action == "edit":
        names = {"old_string": values["old"], "new_string": values["new"], "instruction": "change it"}
        return Call("replace", {"file_path": values["path"], **names})
    if action == "agent":
        return Call("invoke_agent", {"agent_name": "generalist", "prompt": values["prompt"]})
    return Call("run_shell_command", {"command": values["command"], "description": "run"})
