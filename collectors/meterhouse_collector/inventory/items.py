"""The inventory as events: once a day and only when something changed, all items at once, so that the latest day is the state.

Names come from closed lists. A server of a person's own making is `other`; what nobody lists here is not told.
"""

import hashlib
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List

from meterhouse_collector.events import Draft
from meterhouse_collector.host import Host
from meterhouse_collector.inlet import Inlet
from meterhouse_collector.inventory import credentials
from meterhouse_collector.inventory.found import Found, agents_on

SERVERS = frozenset((
    "airtable", "asana", "atlassian", "aws", "azure", "bigquery", "brave-search", "chrome-devtools", "clickhouse",
    "cloudflare", "confluence", "context7", "databricks", "datadog", "docker", "elasticsearch", "everything", "exa",
    "fetch", "figma", "filesystem", "firecrawl", "git", "github", "gitlab", "google-drive", "google-maps", "grafana",
    "hubspot", "huggingface", "intercom", "jira", "kubernetes", "linear", "memory", "mongodb", "neon", "notion",
    "paypal", "perplexity", "playwright", "postgres", "puppeteer", "redis", "sentry", "sequential-thinking", "serena",
    "slack", "snowflake", "sqlite", "stripe", "supabase", "terraform", "time", "vercel", "zapier",
))  # fmt: skip
_STATE = ("item_kind", "item_name", "item_version", "item_state", "item_count", "age_days", "agent")


def report(inlet: Inlet, host: Host, sender: Callable[[], str], endpoint: str, projects: Iterable[str]) -> None:
    """Emit today's inventory when it is not the one that was told last; looks at the machine once a day."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    state = inlet.state
    if state.get("day") == day:
        return
    items = list(items_of(host, endpoint, projects))
    told = hashlib.sha256(repr([[item.get(name) for name in _STATE] for item in items]).encode()).hexdigest()[:16]
    if told != state.get("told") and (items or "told" in state):
        summary = {"item_kind": "setting", "item_name": "inventory", "item_state": "on", "item_count": len(items)}
        name = sender()
        for item in [summary, *items]:
            key = (name, day, *(item.get(part) for part in _STATE))
            inlet.take(Draft("inventory", key, f"{day}T00:00:00Z", {**item, "platform": host.platform}))
        state["told"] = told
    state["day"] = day
    inlet.commit()


def items_of(host: Host, endpoint: str, projects: Iterable[str]) -> Iterator[Dict[str, Any]]:
    """Every item of this machine, in a fixed order."""
    for one in agents_on(host):
        yield _item("agent", one.agent.name, agent=one.agent.name, item_version=one.version,
                    item_state="installed" if one.program else "files_only")  # fmt: skip
        yield from _settings(one, host, endpoint)
        yield from _servers(one, host)
    findings = credentials.find(host, projects)
    for finding in sorted(findings):
        state = f"{finding.rule}.{finding.key_class}.{finding.mode}"
        yield _item(
            "credential", finding.kind, item_state=state, item_count=findings[finding], age_days=finding.age_days
        )


def _settings(one: Found, host: Host, endpoint: str) -> Iterator[Dict[str, Any]]:
    name = one.agent.name
    if one.agent.export:
        yield _item("setting", "telemetry", agent=name, item_state=export_state(one, host, endpoint))
    for setting, state in sorted(one.agent.modes(host).items()):
        yield _item("setting", setting, agent=name, item_state=state)


def export_state(one: Found, host: Host, endpoint: str) -> str:
    """off, ours, elsewhere, or unreadable when it comes to us in an encoding that the receiver does not read."""
    found = one.agent.export(host) if one.agent.export else None
    if found is None or not found.is_on:
        return "off"
    if (found.endpoint or "").rstrip("/").split("/v1/")[0] != endpoint.rstrip("/"):
        return "elsewhere"
    return "ours" if found.is_json else "unreadable"


def _servers(one: Found, host: Host) -> Iterator[Dict[str, Any]]:
    counts: Dict[Any, int] = {}
    for server in one.agent.servers(host):
        name = server.name.lower() if server.name.lower() in SERVERS else "other"
        counts[name, server.transport] = counts.get((name, server.transport), 0) + 1
    for (name, transport), count in sorted(counts.items()):
        yield _item("mcp_server", name, agent=one.agent.name, item_state=transport, item_count=count)


def _item(kind: str, name: str, **more: Any) -> Dict[str, Any]:
    return {"item_kind": kind, "item_name": name, **{key: value for key, value in more.items() if value is not None}}


def names(host: Host) -> List[str]:
    """Names of the agents of this machine, for the heartbeat."""
    return [one.agent.name for one in agents_on(host)]
