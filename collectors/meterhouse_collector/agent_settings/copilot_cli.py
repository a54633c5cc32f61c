"""GitHub Copilot CLI: OpenTelemetry's variables switch export on; enterprise-managed settings win over them."""

from typing import Any, Dict, List

from meterhouse_collector.agent_settings import Agent, ConfigFile, Export, Managed, Server, is_on, mcp_servers
from meterhouse_collector.host import Host, dig

PLACES = {
    "linux": "/etc/github-copilot/managed-settings.json",
    "darwin": "/Library/Application Support/GitHubCopilot/managed-settings.json",
    "windows": r"C:\Program Files\GitHubCopilot\managed-settings.json",
}


def environment(endpoint: str) -> Dict[str, str]:
    """It speaks HTTP with JSON and nothing else."""
    return {"COPILOT_OTEL_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


def managed(endpoint: str) -> Dict[str, Any]:
    """The managed settings' content. No headers: one of them and the agent exports nothing."""
    telemetry = {
        "enabled": True,
        "endpoint": endpoint,
        "protocol": "otlp-http",
        "captureContent": False,
        "lockCaptureContent": True,
    }
    return {"telemetry": telemetry}


def _managed(host: Host) -> Dict[str, Any]:
    return host.table(host.managed(PLACES.get(host.platform)))


def export(host: Host) -> Export:
    """The organisation's file, else the environment."""
    telemetry = _managed(host).get("telemetry")
    if dig(telemetry, "enabled") is not None:
        endpoint = dig(telemetry, "endpoint")
        is_http = dig(telemetry, "protocol") in (None, "otlp-http")
        return Export(is_on(dig(telemetry, "enabled")), endpoint if isinstance(endpoint, str) else None, is_http)
    found = host.environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    is_file = bool(host.environment.get("COPILOT_OTEL_FILE_EXPORTER_PATH"))
    return Export(not is_file and (bool(found) or is_on(host.environment.get("COPILOT_OTEL_ENABLED"))), found)


def servers(host: Host) -> List[Server]:
    """Those of its own file."""
    return mcp_servers(host.table(host.folder("COPILOT_HOME", ".copilot") / "mcp-config.json").get("mcpServers"))


def modes(host: Host) -> Dict[str, str]:
    """Its allow-all mode is an argument, never a setting; an organisation may forbid it."""
    forbids = dig(_managed(host), "permissions", "disableBypassPermissionsMode") == "disable"
    return {"permission_mode": "bypass_disabled" if forbids else "default"}


AGENTS = (
    Agent(
        name="copilot_cli",
        label="GitHub Copilot CLI",
        programs=("copilot",),
        folders=(".copilot",),
        folder_variable="COPILOT_HOME",
        packages=("@github/copilot",),
        environment=environment,
        managed=(Managed("managed-settings.json", PLACES, lambda endpoint: Managed.json(managed(endpoint))),),
        export=export,
        servers=servers,
        modes=modes,
        files=(
            ConfigFile("copilot_mcp", ".copilot/mcp-config.json"),
            ConfigFile("copilot_config", ".copilot/config.json"),
            ConfigFile("copilot_mcp_oauth", ".copilot/mcp-oauth-config/*.tokens.json", is_store=True),
        ),
        notes=(
            "On Linux and macOS the file must be a regular one, owned by root and writable by nobody else; a link is refused.",
            "Its own store names every request, so export adds times and tools. Neither names the person: set `OTEL_RESOURCE_ATTRIBUTES` or let the laptop's collector do it.",
            "An organisation with GitHub Enterprise can set the same keys for all its members on the server.",
        ),
    ),
)
