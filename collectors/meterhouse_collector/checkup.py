"""What `doctor` says of the agents on a machine: where their data go, what of them is not collected, and what will soon be gone.

Only names, versions and states are said; no other value of any setting.
"""

import os
import socket
import time
from typing import Any, Dict, Iterator, List, Tuple
from urllib.parse import urlsplit

from . import agents
from .cursors import copy_cursors
from .inventory import found
from .inventory.found import Found
from .inventory.items import export_state
from .place import Place
from .reader import look
from .spool import DATABASE

OK, NOTE, BAD = "ok", "note", "bad"
SOON_DAYS = 10  # before an agent deletes a session file that still has something to read
SHORT_DAYS = 7  # a retention below it loses a week's holiday
CONNECT = 0.5  # seconds
EXPORT = {
    "ours": (OK, "exports to this collector"),
    "off": (NOTE, "export is off; calls that its files do not know, such as titles and routing, are unseen"),
    "elsewhere": (NOTE, "exports to another place; auxiliary calls are unseen here"),
    "unreadable": (BAD, "exports to this collector in an encoding that it does not read; set OTLP over HTTP with JSON"),
}


def agents_of(place: Place) -> List[Found]:
    """Agents of the machine; one whose files tell no version is asked for it, briefly."""
    installed = found.agents_on(place.host)
    return [
        one if one.version or not one.program else one._replace(version=found.ask_version(one.program))
        for one in installed
    ]


def rows(place: Place, installed: List[Found]) -> List[Dict[str, Any]]:
    """The agents as data."""
    readable = {source.name for source in agents.installed()}
    return [
        {
            "agent": one.agent.name,
            "version": one.version,
            "is_on_path": one.program is not None,
            "is_read": one.agent.name in readable,
            "export": export_state(one, place.host, place.settings.otlp_endpoint) if one.agent.export else None,
            "retention_days": one.agent.retention_days(place.host),
            "settings": one.agent.modes(place.host),
            "mcp_servers": len(one.agent.servers(place.host)),
        }
        for one in installed
    ]


def findings(place: Place, installed: List[Found]) -> Iterator[Tuple[str, str]]:
    """One line or more an agent."""
    sources = {source.name: source for source in agents.installed()}
    for one, row in zip(installed, rows(place, installed)):  # noqa: B905 - Python 3.9 knows no strict=
        label = one.agent.label
        where = "installed" if one.program else "not on PATH, its folder is there"
        yield OK, f"{label}: {where}, version {one.version or 'unknown'}, {row['mcp_servers']} MCP servers"
        if row["export"]:
            level, text = EXPORT[row["export"]]
            yield level, f"{label}: {text}"
        if not row["is_read"]:
            yield NOTE, f"{label}: is not collected; there is no source that reads its files"
        for text in one.agent.unseen if row["is_read"] else ():
            yield NOTE, f"{label}: {text}"
        if row["settings"].get("session_files") == "off":
            yield BAD, f"{label}: is set to write no session files; only its export can be seen"
        if row["settings"].get("permission_mode") == "bypass":
            yield NOTE, f"{label}: permissions are bypassed by its settings"
        if row["settings"].get("prompt_export") == "on" and row["export"] != "off":
            yield NOTE, f"{label}: exports prompt texts; they are dropped here, set logPrompts to false"
        if row["is_read"] and row["retention_days"] is not None:
            yield from _retention(place, label, sources[one.agent.name], row["retention_days"])


def _retention(place: Place, label: str, source: agents.Source, days: int) -> Iterator[Tuple[str, str]]:
    """Session files with something unread that the agent will delete soon."""
    if days < SHORT_DAYS:
        yield NOTE, f"{label}: deletes session files after {days} days; a machine that is off longer loses them"
    cursors = copy_cursors(os.path.join(place.spool, DATABASE))
    try:
        known = cursors.seen()
    finally:
        cursors.close()
    before = (time.time() - max(0, days - SOON_DAYS) * 86400) * 1e9
    at_risk = 0
    for path in source.find(place.home, place.environment):
        seen = look(os.fspath(path))
        if seen and seen.mtime_ns < before and known.get(os.fspath(path), (None, None))[0] != seen:
            at_risk += 1
    if at_risk:
        yield (
            BAD,
            f"{label}: {at_risk} session files are unread and will be deleted within {SOON_DAYS} days; run meterhouse-collector once",
        )


def receiver(place: Place, is_running: bool) -> Iterator[Tuple[str, str]]:
    """Whether something listens where agents export to, and whether that can be us."""
    endpoint = place.settings.otlp_endpoint
    address = urlsplit(endpoint)
    try:
        with socket.create_connection((address.hostname or "", address.port or 4318), timeout=CONNECT):
            listens = True
    except (OSError, ValueError):
        listens = False
    if listens and is_running:
        yield OK, f"{endpoint}: listens"
    elif listens:
        yield NOTE, f"{endpoint}: another program listens there, or a collector with another spool; stop it before run"
    elif is_running:
        yield NOTE, f"{endpoint}: run is there, but does not listen; agents' exports are lost meanwhile"
    else:
        yield NOTE, f"{endpoint}: nothing listens; meterhouse-collector install starts the collector in the background"
