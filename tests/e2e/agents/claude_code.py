"""Claude Code: Anthropic's wire format, OTLP of its own, sub-agents, resume and fork."""

from pathlib import Path

from e2e.agents import Knows
from e2e.wire import Call

PACKAGE, VERSION, BINARY = "@anthropic-ai/claude-code", "2.1.332", "claude"
ACTIONS = {"read", "run", "edit", "write", "agent"}
KNOWS = {
    "transcript": Knows(roles=frozenset({"main", "sub"})),  # the call that names a session is not in its file
    # an edit that is refused before it begins is not exported
    "otlp": Knows(limits=False, fails=frozenset({"run"}), hides=frozenset({"edit"}), lines=False),
}
WAYS = {"start": [], "resume": ["--continue"], "fork": ["--continue", "--fork-session"]}
MODEL = "claude-opus-4-8"


def configure(home: Path, url: str, otlp: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "loopback",
        "ANTHROPIC_MODEL": MODEL,
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
        "OTEL_LOGS_EXPORT_INTERVAL": "500",
    }


def command(prompt: str, way: str) -> list[str]:
    tools = ["--allowedTools", "Write,Edit,Read,Bash,Task,Agent"]
    return ["-p", prompt, "--output-format", "json", *WAYS[way], *tools]


def speak(action: str, values: dict[str, str], tools: list[str]) -> Call:
    if action == "read":
        return Call("Read", {"file_path": values["path"]})
    if action == "write":
        return Call("Write", {"file_path": values["path"], "content": values["content"]})
    if action == "edit":
        return Call("Edit", {"file_path": values["path"], "old_string": values["old"], "new_string": values["new"]})
    if action == "agent":
        name = "Agent" if "Agent" in tools else "Task"
        return Call(name, {"description": "look", "prompt": values["prompt"], "subagent_type": "general-purpose"})
    return Call("Bash", {"command": values["command"], "description": "run"})
