"""`python -m meterhouse_dashboards`: serves the pages on this host only, without telemetry and without developer tools."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from meterhouse.errors import MeterhouseError
from meterhouse.settings import read_settings

FOLDER = Path(__file__).parent
HOST = "127.0.0.1"
OPTIONS = {
    "server.address": HOST,
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.allowedHosts": "localhost",  # a page that rebinds its DNS name to this host gets no data
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",  # the trace goes to the log: it names paths
    "client.showErrorLinks": "false",
    "client.toolbarMode": "minimal",
    "client.disableDataExport": "true",  # its CSV does not guard formulas; `meterhouse sql --format csv` does
    "runner.magicEnabled": "false",
    "logger.hideWelcomeMessage": "true",
    "theme.base": str(FOLDER / "theme.toml"),
}


def command(port: int) -> list[str]:
    """The command that serves the pages."""
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    flags = [*options, f"--server.allowedHosts={HOST}", f"--server.port={port}"]
    return [sys.executable, "-m", "streamlit", "run", str(FOLDER / "server.py"), *flags]


def serve(data: Path, port: int) -> NoReturn:
    """Become the server: signals reach it directly."""
    os.execve(sys.executable, command(port), {**os.environ, "METERHOUSE_STORAGE_DATA": str(data)})  # noqa: S606


def main(arguments: list[str] | None = None) -> int:
    """Print the address and serve; gives an exit code only when that is impossible."""
    parser = argparse.ArgumentParser(prog="python -m meterhouse_dashboards", description="Dashboards of the snapshot.")
    parser.add_argument("--data", metavar="DIR", help="data directory; default: the setting [storage] data")
    parser.add_argument("--port", type=int, default=8501)
    given = parser.parse_args(arguments)
    try:
        data = Path(given.data or read_settings().require("storage_data")).expanduser().resolve()
    except MeterhouseError as error:
        print(f"meterhouse_dashboards: {error}", file=sys.stderr)
        return error.exit_code
    print(f"http://{HOST}:{given.port}", flush=True)
    serve(data, given.port)


if __name__ == "__main__":
    sys.exit(main())
