"""Claude Code: `env` in its settings switches export on; managed settings win over the person's, which win over the shell's."""

import re
import uuid
from typing import Any, Dict, Iterator, List, Optional, Tuple

from meterhouse_collector.agent_settings import Agent, ConfigFile, Export, Managed, Server, is_on, mcp_servers
from meterhouse_collector.host import Host, dig, parse_json, read_text

PLACES = {
    "linux": "/etc/claude-code/managed-settings.json",
    "darwin": "/Library/Application Support/ClaudeCode/managed-settings.json",
    "windows": r"C:\Program Files\ClaudeCode\managed-settings.json",
}
RETENTION_DAYS = 30  # what the agent does without cleanupPeriodDays
MANAGED_DAYS = 60  # twice as long: a laptop may be away for a month
# with one of these the agent goes on with a session, or starts none
_NO_NEW_SESSION = re.compile(
    r"^(--session-id|-r|--resume|-c|--continue|--fork-session|--from-pr|--teleport|--remote|-v|--version|-h|--help)(=|$)"
)
_SUBCOMMAND = re.compile(
    r"^[a-z][a-z-]*$"
)  # a prompt of one word looks the same; such a session is tied by its telemetry


def environment(endpoint: str) -> Dict[str, str]:
    """Logs are what is counted; metrics come along for whoever else reads them."""
    return {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
    }


def managed(endpoint: str) -> Dict[str, Any]:
    """The managed settings' content."""
    return {"env": environment(endpoint), "cleanupPeriodDays": MANAGED_DAYS}


def session(arguments: List[str], version: Optional[str]) -> Tuple[Tuple[str, ...], Optional[str]]:
    """Arguments to add so that a new session has an id that we know, and that id; also one that the arguments name."""
    for name, value in zip(arguments, arguments[1:]):  # noqa: B905, RUF007 - Python 3.9 knows neither strict= nor pairwise
        if name in ("--session-id", "--resume", "-r") and _is_uuid(value) and "--fork-session" not in arguments:
            return (), value
    is_new = not any(_NO_NEW_SESSION.match(word) for word in arguments)
    if is_new and not any(_SUBCOMMAND.match(word) for word in arguments[:1]) and _major(version) >= 2:
        made = str(uuid.uuid4())
        return ("--session-id", made), made
    return (), None


def _major(version: Optional[str]) -> int:
    first = (version or "").split(".")[0]
    return int(first) if first.isdecimal() else 0


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is not None


def _home(host: Host) -> Any:
    return host.folder("CLAUDE_CONFIG_DIR", ".claude")


def _settings(host: Host) -> Iterator[Dict[str, Any]]:
    """From the weakest to the strongest."""
    yield host.table(_home(host) / "settings.json")
    place = host.managed(PLACES.get(host.platform))
    if place:
        yield host.table(place)
        yield from host.tables_below(place.with_name("managed-settings.d"))


def _merged_environment(host: Host) -> Dict[str, Any]:
    merged: Dict[str, Any] = dict(host.environment)
    for table in _settings(host):
        values = table.get("env")
        merged.update(values if isinstance(values, dict) else {})
    return merged


def export(host: Host) -> Export:
    """What its settings and environment together say."""
    found = _merged_environment(host)
    endpoint = found.get("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT") or found.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    protocol = found.get("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL") or found.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    has_logs = "otlp" in str(found.get("OTEL_LOGS_EXPORTER", "")).split(",")
    return Export(
        is_on(found.get("CLAUDE_CODE_ENABLE_TELEMETRY")) and has_logs,
        endpoint if isinstance(endpoint, str) else None,
        protocol == "http/json",
    )


def servers(host: Host) -> List[Server]:
    """Those of the person, of the person's projects and of the organisation."""
    state = parse_json(read_text(_state_file(host)) or "")
    projects = dig(state, "projects")
    tables = [dig(state, "mcpServers")]
    tables += [dig(project, "mcpServers") for project in (projects.values() if isinstance(projects, dict) else ())]
    place = host.managed(PLACES.get(host.platform))
    if place:
        tables.append(host.table(place.with_name("managed-mcp.json")).get("mcpServers"))
    return mcp_servers(*tables)


def _state_file(host: Host) -> Any:
    return _home(host) / ".claude.json" if "CLAUDE_CONFIG_DIR" in host.environment else host.home / ".claude.json"


def modes(host: Host) -> Dict[str, str]:
    """Whether permissions may be bypassed, and whether sessions leave a transcript."""
    mode = "default"
    for table in _settings(host):
        permissions = table.get("permissions")
        if dig(permissions, "defaultMode") == "bypassPermissions":
            mode = "bypass"
        elif dig(permissions, "defaultMode") is not None:
            mode = "default"
        if dig(permissions, "disableBypassPermissionsMode") == "disable":
            return {"permission_mode": "bypass_disabled", **_persistence(host)}
    return {"permission_mode": mode, **_persistence(host)}


def _persistence(host: Host) -> Dict[str, str]:
    skips = is_on(_merged_environment(host).get("CLAUDE_CODE_SKIP_PROMPT_HISTORY"))
    return {"session_files": "off" if skips else "on"}


def retention_days(host: Host) -> Optional[int]:
    """Days after which it deletes transcripts."""
    days: Any = RETENTION_DAYS
    for table in _settings(host):
        days = table.get("cleanupPeriodDays", days)
    return days if isinstance(days, int) and not isinstance(days, bool) else RETENTION_DAYS


AGENTS = (
    Agent(
        name="claude_code",
        label="Claude Code",
        programs=("claude",),
        folders=(".claude",),
        folder_variable="CLAUDE_CONFIG_DIR",
        packages=("@anthropic-ai/claude-code",),
        environment=environment,
        gateway={"ANTHROPIC_BASE_URL": ""},
        session=session,
        managed=(Managed("managed-settings.json", PLACES, lambda endpoint: Managed.json(managed(endpoint))),),
        export=export,
        servers=servers,
        modes=modes,
        retention_days=retention_days,
        files=(
            ConfigFile("claude_state", ".claude.json"),
            ConfigFile("claude_settings", ".claude/settings*.json"),
            ConfigFile("claude_credentials", ".claude/.credentials.json", is_store=True),
            ConfigFile("claude_desktop_config", ".config/Claude/claude_desktop_config.json"),
            ConfigFile("claude_desktop_config", "Library/Application Support/Claude/claude_desktop_config.json"),
            ConfigFile("claude_desktop_config", "AppData/Roaming/Claude/claude_desktop_config.json"),
        ),
        notes=(
            "Set exporter, protocol and endpoint together: from 2.1.217 on, what is set here cannot be redirected by a person's own settings.",
            "macOS also takes the same keys as a profile of the domain `com.anthropic.claudecode`; Windows as the value `Settings` of `HKLM\\SOFTWARE\\Policies\\ClaudeCode`.",
            "`env` is merged by variable over all sources of the administrator; of everything else the first source found wins: server, MDM, file.",
            "The flags that add content (`OTEL_LOG_USER_PROMPTS`, `OTEL_LOG_TOOL_DETAILS`, `OTEL_LOG_RAW_API_BODIES` and their like) stay off; the receiver drops content all the same.",
            "`cleanupPeriodDays` keeps transcripts longer than the agent's own 30 days, so that a laptop that was away loses nothing.",
        ),
    ),
)
