"""Agents that are found and counted from their files, or only found; they have no export that we switch on."""

from meterhouse_collector.agent_settings import Agent, ConfigFile, Server, mcp_servers
from meterhouse_collector.host import Host


def _cursor_servers(host: Host) -> "list[Server]":
    return mcp_servers(host.table(host.home / ".cursor" / "mcp.json").get("mcpServers"))


AGENTS = (
    Agent(
        "amp",
        "Amp",
        ("amp",),
        (".local/share/amp", ".config/amp"),
        packages=("@sourcegraph/amp",),
        unseen=("its threads hold no cost, no changed lines and nothing of what its own sub-agents spend",),
    ),
    Agent(
        "cline",
        "Cline",
        ("cline",),
        (".cline",),
        folder_variable="CLINE_DIR",
        packages=("cline",),
        unseen=("only sessions of its CLI are read; the tasks of its editor extension are another format",),
    ),
    Agent(
        "cursor",
        "Cursor",
        ("cursor-agent", "cursor"),
        (".cursor",),
        servers=_cursor_servers,
        files=(ConfigFile("cursor_mcp", ".cursor/mcp.json"),),
    ),
    Agent(
        "droid",
        "Droid",
        ("droid",),
        (".factory",),
        unseen=(
            "its files hold one total of tokens a session and no single requests; its exported metrics are not read",
        ),
    ),
    Agent("goose", "Goose", ("goose",), (".local/share/goose", ".config/goose")),
    Agent("kilo", "Kilo", ("kilo", "kilocode"), (".local/share/kilo", ".config/kilo"), packages=("@kilocode/cli",)),
    Agent(
        "omnigent",
        "Omnigent",
        ("omnigent",),
        (".omnigent",),
        folder_variable="OMNIGENT_DATA_DIR",
        unseen=(
            "its store holds running totals and no single requests; verdicts of its policies are only in the traces it exports",
            "a store in Postgres or another server's database is not read from a laptop",
        ),
    ),
    Agent(
        "pi",
        "Pi",
        ("pi",),
        (".pi",),
        packages=("@mariozechner/pi-coding-agent", "@earendil-works/pi-coding-agent"),
    ),
)
