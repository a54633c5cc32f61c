"""Qwen Code: a fork of Gemini CLI with its own folder, variables and retention."""

from typing import Dict

from meterhouse_collector.agent_settings import Agent, ConfigFile, Managed
from meterhouse_collector.agent_settings._gemini_like import Family
from meterhouse_collector.host import Host

PLACES = {
    "linux": "/etc/qwen-code/settings.json",
    "darwin": "/Library/Application Support/QwenCode/settings.json",
    "windows": r"C:\ProgramData\qwen-code\settings.json",
}
FAMILY = Family("QWEN", lambda host: host.folder("QWEN_HOME", ".qwen"), PLACES)


def modes(host: Host) -> Dict[str, str]:
    """Whether every action may be approved unseen, and whether prompts are exported."""
    mode = "bypass" if FAMILY.setting(host, "tools", "approvalMode") == "yolo" else "default"
    return {"permission_mode": mode, "prompt_export": FAMILY.prompts(host)}


AGENTS = (
    Agent(
        name="qwen_code",
        label="Qwen Code",
        programs=("qwen",),
        folders=(".qwen",),
        folder_variable="QWEN_HOME",
        packages=("@qwen-code/qwen-code",),
        environment=FAMILY.environment,
        gateway={"OPENAI_BASE_URL": "/v1"},
        managed=(Managed("settings.json", PLACES, lambda endpoint: Managed.json(FAMILY.managed(endpoint))),),
        export=FAMILY.export,
        servers=FAMILY.servers,
        modes=modes,
        files=(
            ConfigFile("qwen_settings", ".qwen/settings.json"),
            ConfigFile("qwen_env", ".qwen/.env"),
            ConfigFile("qwen_oauth", ".qwen/oauth_creds.json", is_store=True),
        ),
        notes=(
            "Arguments of tools are exported in full whatever `logPrompts` says; the receiver drops them.",
            "Older versions read the variables of Gemini CLI (`GEMINI_TELEMETRY_…`) instead of `QWEN_TELEMETRY_…`.",
        ),
    ),
)
