"""How each known agent is found, switched on and read: one module per agent, the only place of its names, variables and paths.

`exec`, `doctor`, the inventory and docs/deploy all read this. A value of a setting that is not named here is never looked at.
"""

import importlib
import json
import pkgutil
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from meterhouse_collector.host import Host

ON = ("1", "true", "yes", "on")


class Export(NamedTuple):
    """What an agent's settings say of its OTLP export; `is_json` because a laptop's receiver reads no other encoding."""

    is_on: bool
    endpoint: Optional[str] = None
    is_json: bool = True


class Server(NamedTuple):
    """One MCP server in an agent's settings; the name is a person's own and must not leave as it is."""

    name: str
    transport: str


@dataclass(frozen=True)
class ConfigFile:
    """A file that may hold credentials: its kind, where it is below the agent's folder or home, whether it is there for them."""

    kind: str
    pattern: str
    is_store: bool = False


@dataclass(frozen=True)
class Managed:
    """One file that an organisation installs to switch export on: where, by platform, and its text for an endpoint."""

    name: str
    places: Mapping[str, str]
    text: Callable[[str], str]

    @staticmethod
    def json(content: Any) -> str:
        """A JSON file's text as people write it."""
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _nothing(*_: Any) -> Any:
    return {}


def _none(*_: Any) -> Any:
    return ()


@dataclass(frozen=True)
class Agent:
    """One agent. Everything but name and label is optional; what an agent cannot be asked is left out."""

    name: str
    label: str
    programs: Tuple[str, ...] = ()
    folders: Tuple[str, ...] = ()  # below home; one of them there means that the agent was used
    folder_variable: str = ""  # moves the first of them
    packages: Tuple[str, ...] = ()  # of npm; their package.json tells the version
    environment: Callable[[str], Dict[str, str]] = _nothing  # what switches export on, for an endpoint
    arguments: Callable[[str], Tuple[str, ...]] = _none  # likewise, for an agent without such variables
    gateway: Mapping[str, str] = field(
        default_factory=dict
    )  # variable of the model API's address to the path below the gateway's
    gateway_arguments: Callable[[str], Tuple[str, ...]] = _none
    session: Callable[[List[str], Optional[str]], Tuple[Tuple[str, ...], Optional[str]]] = lambda *_: ((), None)
    managed: Tuple[Managed, ...] = ()
    export: Optional[Callable[[Host], Export]] = None
    servers: Callable[[Host], List[Server]] = _none
    modes: Callable[[Host], Dict[str, str]] = _nothing  # setting to state, both from closed lists
    retention_days: Callable[[Host], Optional[int]] = lambda _: None
    files: Tuple[ConfigFile, ...] = ()
    unseen: Tuple[str, ...] = ()  # for doctor: what its files do not tell, and why
    notes: Tuple[str, ...] = ()  # for docs/deploy: what one should know before switching on


def known() -> List[Agent]:
    """Every agent of this package's modules, by name."""
    found: List[Agent] = []
    for _, name, _ in pkgutil.iter_modules(__path__):
        if not name.startswith("_"):
            found += importlib.import_module(f"{__name__}.{name}").AGENTS
    return sorted(found, key=lambda agent: agent.name)


def by_program(program: str) -> Optional[Agent]:
    """The agent that a program of this file name starts."""
    name = program.rsplit("/", 1)[-1].rsplit("\\", 1)[-1].lower()
    for suffix in (".exe", ".cmd", ".bat", ".ps1"):
        name = name[: -len(suffix)] if name.endswith(suffix) else name
    return next((agent for agent in known() if name in agent.programs), None)


def standard_environment(endpoint: str) -> Dict[str, str]:
    """OpenTelemetry's own variables, which an agent that follows its conventions reads."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}


def is_on(value: Any) -> bool:
    """Whether a setting or variable says yes."""
    return value is True or (isinstance(value, str) and value.strip().lower() in ON) or value == 1


def mcp_servers(*tables: Any) -> List[Server]:
    """The servers of `mcpServers` tables in any agent's dialect."""
    return [
        Server(name, _transport(spec))
        for table in tables
        if isinstance(table, dict)
        for name, spec in table.items()
        if isinstance(spec, dict)
    ]


def _transport(spec: Dict[str, Any]) -> str:
    kind = str(spec.get("type") or spec.get("transport") or "").lower()
    if kind in ("stdio", "local") or (not kind and "command" in spec):
        return "stdio"
    if kind == "sse":
        return "sse"
    is_http = kind in ("http", "streamable-http", "streamable_http", "remote") or "httpUrl" in spec or "url" in spec
    return "http" if is_http else "unknown"
