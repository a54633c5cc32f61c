"""Gemini CLI: `telemetry` in settings.json; its variables win over every file, also over the organisation's."""

from typing import Dict, Optional

from meterhouse_collector.agent_settings import Agent, ConfigFile, Managed, is_on
from meterhouse_collector.agent_settings._gemini_like import Family
from meterhouse_collector.host import Host

PLACES = {
    "linux": "/etc/gemini-cli/settings.json",
    "darwin": "/Library/Application Support/GeminiCli/settings.json",
    "windows": r"C:\ProgramData\gemini-cli\settings.json",
}
FAMILY = Family("GEMINI", lambda host: host.folder("GEMINI_CLI_HOME", ".") / ".gemini", PLACES)
RETENTION_DAYS = 30


def modes(host: Host) -> Dict[str, str]:
    """Whether every action may be approved unseen, and whether prompts are exported."""
    if is_on(FAMILY.setting(host, "security", "disableYoloMode")):
        mode = "bypass_disabled"
    else:
        mode = "bypass" if FAMILY.setting(host, "general", "defaultApprovalMode") == "yolo" else "default"
    return {"permission_mode": mode, "prompt_export": FAMILY.prompts(host)}


def retention_days(host: Host) -> Optional[int]:
    """Days after which it deletes sessions."""
    return FAMILY.retention_days(host, RETENTION_DAYS)


AGENTS = (
    Agent(
        name="gemini_cli",
        label="Gemini CLI",
        programs=("gemini",),
        folders=(".gemini",),
        packages=("@google/gemini-cli",),
        environment=FAMILY.environment,
        gateway={"GOOGLE_GEMINI_BASE_URL": ""},
        managed=(Managed("settings.json", PLACES, lambda endpoint: Managed.json(FAMILY.managed(endpoint))),),
        export=FAMILY.export,
        servers=FAMILY.servers,
        modes=modes,
        retention_days=retention_days,
        files=(
            ConfigFile("gemini_settings", ".gemini/settings.json"),
            ConfigFile("gemini_env", ".gemini/.env"),
            ConfigFile("gemini_oauth", ".gemini/oauth_creds.json", is_store=True),
            ConfigFile("gemini_mcp_oauth", ".gemini/mcp-oauth-tokens.json", is_store=True),
            ConfigFile("gemini_credentials", ".gemini/gemini-credentials.json", is_store=True),
        ),
        notes=(
            "`logPrompts` is on unless it is set to false, and then prompts and answers are exported; the receiver drops them all the same.",
            "Variables (`GEMINI_TELEMETRY_…`) win over this file. Where people may set them, start the agent through `meterhouse-collector exec`.",
            "There is no MDM channel; a wrapper or `GEMINI_CLI_SYSTEM_SETTINGS_PATH` moves the file.",
        ),
    ),
)
