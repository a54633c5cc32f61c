"""What Gemini CLI and Qwen Code, its fork, have in common: `telemetry` in settings.json, variables that win over all files."""

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional

from meterhouse_collector.agent_settings import Export, Server, is_on, mcp_servers
from meterhouse_collector.host import Host, dig


class Family(NamedTuple):
    """One of the two: prefix of its variables, its folder below home, where administrators put its files."""

    prefix: str
    folder: Callable[[Host], Path]
    places: Mapping[str, str]

    def environment(self, endpoint: str) -> Dict[str, str]:
        """What the wrapper sets; `LOG_PROMPTS` is on unless somebody says no."""
        return {
            f"{self.prefix}_TELEMETRY_ENABLED": "true",
            f"{self.prefix}_TELEMETRY_TARGET": "local",
            f"{self.prefix}_TELEMETRY_OTLP_ENDPOINT": endpoint,
            f"{self.prefix}_TELEMETRY_OTLP_PROTOCOL": "http",
            f"{self.prefix}_TELEMETRY_LOG_PROMPTS": "false",
        }

    def managed(self, endpoint: str) -> Dict[str, Any]:
        """The system settings' content."""
        telemetry = {
            "enabled": True,
            "target": "local",
            "otlpEndpoint": endpoint,
            "otlpProtocol": "http",
            "logPrompts": False,
        }
        return {"telemetry": telemetry}

    def settings(self, host: Host) -> Iterator[Dict[str, Any]]:
        """From the weakest to the strongest."""
        place = host.managed(self.places.get(host.platform))
        if place:
            yield host.table(place.with_name("system-defaults.json"))
        yield host.table(self.folder(host) / "settings.json")
        if place:
            yield host.table(place)

    def setting(self, host: Host, *names: str) -> Any:
        """The value in force under a path of names."""
        value = None
        for table in self.settings(host):
            found = dig(table, *names)
            value = value if found is None else found
        return value

    def export(self, host: Host) -> Export:
        """Variables first, then the files."""

        def one(variable: str, key: str) -> Any:
            return host.environment.get(f"{self.prefix}_TELEMETRY_{variable}") or self.setting(host, "telemetry", key)

        endpoint = one("OTLP_ENDPOINT", "otlpEndpoint")
        is_file = bool(one("OUTFILE", "outfile"))
        return Export(
            is_on(one("ENABLED", "enabled")) and not is_file,
            endpoint if isinstance(endpoint, str) else None,
            one("OTLP_PROTOCOL", "otlpProtocol") == "http",
        )

    def servers(self, host: Host) -> List[Server]:
        """Those of all files."""
        return mcp_servers(*(table.get("mcpServers") for table in self.settings(host)))

    def prompts(self, host: Host) -> str:
        """Whether prompt texts are exported: both agents do it unless told not to."""
        variable = host.environment.get(f"{self.prefix}_TELEMETRY_LOG_PROMPTS")
        value = variable if variable is not None else self.setting(host, "telemetry", "logPrompts")
        return "on" if value is None or is_on(value) else "off"

    def retention_days(self, host: Host, otherwise: int) -> Optional[int]:
        """Days of `general.sessionRetention.maxAge`, such as 30d or 4w."""
        retention = self.setting(host, "general", "sessionRetention")
        if dig(retention, "enabled") is False:
            return None
        age = str(dig(retention, "maxAge") or "")
        unit = {"d": 1, "w": 7, "m": 30}.get(age[-1:])
        return int(age[:-1]) * unit if unit and age[:-1].isdecimal() and len(age) < 6 else otherwise
