"""Codex CLI: export is switched on in TOML only, so the wrapper passes the same keys as `-c` arguments."""

import json
from typing import Any, Dict, Iterator, List, Tuple

from meterhouse_collector.agent_settings import Agent, ConfigFile, Export, Managed, Server, mcp_servers
from meterhouse_collector.host import Host, dig

PLACES = {
    "linux": "/etc/codex/managed_config.toml",
    "darwin": "/etc/codex/managed_config.toml",
    "windows": r"C:\ProgramData\OpenAI\Codex\managed_config.toml",
}
HTTP, GRPC = "otlp-http", "otlp-grpc"


def _keys(endpoint: str) -> Dict[str, str]:
    """The keys of [otel] as TOML values."""
    exporter = '{ %s = { endpoint = %s, protocol = "json" } }'
    return {
        "log_user_prompt": "false",
        "exporter": exporter % (HTTP, json.dumps(f"{endpoint}/v1/logs")),
        "trace_exporter": '"none"',
    }


def arguments(endpoint: str) -> Tuple[str, ...]:
    """`-c` arguments, which stand before the agent's own."""
    return tuple(word for key, value in _keys(endpoint).items() for word in ("-c", f"otel.{key}={value}"))


def managed(endpoint: str) -> str:
    """The managed file's text."""
    return "[otel]\n" + "".join(f"{key} = {value}\n" for key, value in _keys(endpoint).items())


def _settings(host: Host) -> Iterator[Dict[str, Any]]:
    """From the weakest to the strongest."""
    place = host.managed(PLACES.get(host.platform))
    if place:
        yield host.table(place.with_name("config.toml"))
    yield host.table(host.folder("CODEX_HOME", ".codex") / "config.toml")
    if place:
        yield host.table(place)


def export(host: Host) -> Export:
    """The exporter of log events; metrics alone name no session and count for nothing."""
    exporter: Any = None
    for table in _settings(host):
        exporter = dig(table, "otel", "exporter") or exporter
    if not isinstance(exporter, dict):
        return Export(False)
    kind = HTTP if HTTP in exporter else GRPC
    endpoint, protocol = dig(exporter, kind, "endpoint"), dig(exporter, kind, "protocol")
    return Export(True, endpoint if isinstance(endpoint, str) else None, kind == HTTP and protocol == "json")


def servers(host: Host) -> List[Server]:
    """Those of `mcp_servers` in all files."""
    return mcp_servers(*(table.get("mcp_servers") for table in _settings(host)))


def modes(host: Host) -> Dict[str, str]:
    """Bypass is the pair of no approval and no sandbox, as `--yolo` sets it."""
    approval = sandbox = None
    for table in _settings(host):
        approval, sandbox = table.get("approval_policy", approval), table.get("sandbox_mode", sandbox)
    if approval == "never" and sandbox == "danger-full-access":
        return {"permission_mode": "bypass"}
    if sandbox == "danger-full-access":
        return {"permission_mode": "no_sandbox"}
    return {"permission_mode": "no_approval" if approval == "never" else "default"}


AGENTS = (
    Agent(
        name="codex",
        label="Codex CLI",
        programs=("codex",),
        folders=(".codex",),
        folder_variable="CODEX_HOME",
        packages=("@openai/codex",),
        arguments=arguments,
        gateway={"OPENAI_BASE_URL": "/v1"},
        gateway_arguments=lambda url: ("-c", f"openai_base_url={json.dumps(url + '/v1')}"),
        managed=(Managed("managed_config.toml", PLACES, managed),),
        export=export,
        servers=servers,
        modes=modes,
        files=(
            ConfigFile("codex_config", ".codex/config.toml"),
            ConfigFile("codex_auth", ".codex/auth.json", is_store=True),
        ),
        notes=(
            "Codex sends arguments and output of tools whatever `log_user_prompt` says; the receiver drops both.",
            "`metrics_exporter` is left alone: its metrics name neither session nor person. Without it they go to the vendor, unless `[analytics] enabled = false`.",
            "macOS also takes the file as a profile of the domain `com.openai.codex`.",
            "The managed file wins over the session's flags, the project and the person.",
        ),
    ),
)
