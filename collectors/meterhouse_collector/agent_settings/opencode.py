"""OpenCode: its store names every request, so nothing needs to be switched on; its export carries content and stays off."""

from typing import Any, Dict, Iterator, List

from meterhouse_collector.agent_settings import Agent, ConfigFile, Export, Managed, Server, mcp_servers
from meterhouse_collector.host import Host

PLACES = {
    "linux": "/etc/opencode/opencode.json",
    "darwin": "/Library/Application Support/opencode/opencode.json",
    "windows": r"C:\ProgramData\opencode\opencode.json",
}


def managed(_: str) -> Dict[str, Any]:
    """Spans of the model calls hold prompts and answers: this keeps them off."""
    return {"$schema": "https://opencode.ai/config.json", "experimental": {"openTelemetry": False}}


def _settings(host: Host) -> Iterator[Dict[str, Any]]:
    folder = host.folder("XDG_CONFIG_HOME", ".config") / "opencode"
    yield host.table(folder / "opencode.json")
    yield host.table(folder / "opencode.jsonc")
    yield host.table(host.managed(PLACES.get(host.platform)))


def export(host: Host) -> Export:
    """Its own variables are OpenTelemetry's."""
    endpoint = host.environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return Export(bool(endpoint), endpoint)


def servers(host: Host) -> List[Server]:
    """Those of `mcp`."""
    return mcp_servers(*(table.get("mcp") for table in _settings(host)))


def modes(host: Host) -> Dict[str, str]:
    """`permission` may be one word for everything, or one by tool."""
    permission: Any = None
    for table in _settings(host):
        permission = table.get("permission", permission)
    allows = permission == "allow" or (isinstance(permission, dict) and permission.get("*") == "allow")
    return {"permission_mode": "bypass" if allows else "default"}


AGENTS = (
    Agent(
        name="opencode",
        label="OpenCode",
        programs=("opencode",),
        folders=(".local/share/opencode", ".config/opencode"),
        packages=("opencode-ai",),
        managed=(Managed("opencode.json", PLACES, lambda endpoint: Managed.json(managed(endpoint))),),
        export=export,
        servers=servers,
        modes=modes,
        files=(
            ConfigFile("opencode_config", ".config/opencode/opencode.json*"),
            ConfigFile("opencode_auth", ".local/share/opencode/auth.json", is_store=True),
        ),
        notes=(
            "The collector reads the agent's own store, which names every request with its tokens; no export is needed to count.",
            "With `experimental.openTelemetry` the agent's spans hold prompts and answers. The file keeps that off.",
            "macOS also takes the file as a profile of the domain `ai.opencode.managed`.",
        ),
    ),
)
