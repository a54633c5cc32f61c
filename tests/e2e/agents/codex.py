"""Codex CLI: OpenAI's Responses format; apply_patch for files. A 429 that it tried again is only in its OTLP."""

from pathlib import Path

from e2e.agents import SESSION, Knows
from e2e.wire import Call

PACKAGE, VERSION, BINARY = "@openai/codex", "0.169.0", "codex"
ACTIONS = {"read", "run", "edit", "write"}
# in OTLP a command that ran is a success, whatever its exit code
KNOWS = {"transcript": Knows(limits=False), "otlp": Knows(ids=False, lines=False, fails=frozenset({"edit"}))}
WAYS = {"start": ["exec"], "resume": ["exec", "resume", "--last"], "fork": ["exec", "fork", SESSION]}
CANNOT = {"agent": "waits for a sub-agent only by an id that a script cannot know"}
SETTINGS = """
model = "gpt-5.5"
model_provider = "loopback"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[analytics]
enabled = false

[model_providers.loopback]
name = "loopback"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "LOOPBACK_KEY"

[otel]
log_user_prompt = false
exporter = {{ otlp-http = {{ endpoint = "{otlp}/v1/logs", protocol = "json" }} }}
metrics_exporter = {{ otlp-http = {{ endpoint = "{otlp}/v1/metrics", protocol = "json" }} }}
trace_exporter = "none"
"""


def configure(home: Path, url: str, otlp: str) -> dict[str, str]:
    folder = home / ".codex"
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(SETTINGS.format(url=url, otlp=otlp))
    return {"LOOPBACK_KEY": "loopback"}


def command(prompt: str, way: str) -> list[str]:
    return [*WAYS[way], "--skip-git-repo-check", prompt]


def speak(action: str, values: dict[str, str], tools: list[str]) -> Call:
    if action == "read":
        return Call("exec_command", {"cmd": f"cat {values['path']}"})
    if action == "write":
        lines = "".join(f"+{line}\n" for line in values["content"].splitlines())
        return _patch(f"*** Add File: {values['path']}\n{lines}")
    if action == "edit":
        old, new = ("".join(f"{sign}{line}\n" for line in values[key].splitlines()) for sign, key in (("-", "old"), ("+", "new")))  # fmt: skip
        return _patch(f"*** Update File: {values['path']}\n@@\n{old}{new}")
    return Call("exec_command", {"cmd": values["command"]})


def _patch(text: str) -> Call:
    return Call("apply_patch", f"*** Begin Patch\n{text}*** End Patch\n", is_freeform=True)
