"""The collector as a background service: one module a platform makes its files' texts; only `install` and `uninstall` act.

No secret goes into a file of the system: a service gets paths, and reads collector.json, which is the user's alone.
"""

import importlib
import sys
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Tuple

NAME = "meterhouse-collector"
ABOUT = "Meterhouse collector: content-free usage of coding agents"


class Plan(NamedTuple):
    """What installing means on one platform: one file, commands that switch it on and off, and a word on logs."""

    path: Path
    text: str
    encoding: str
    start: Tuple[Tuple[str, ...], ...]
    stop: Tuple[Tuple[str, ...], ...]
    logs: str


class Job(NamedTuple):
    """What the service runs, and for whom."""

    command: List[str]  # absolute
    home: Path
    state: Path  # folder of spool, settings and, where the platform keeps none, the log


def platform_of(system: Optional[str] = None) -> Any:
    """The module of a platform."""
    name = {"darwin": "launchd", "win32": "windows"}.get(system or sys.platform, "systemd")
    return importlib.import_module(f"{__name__}.{name}")


def command_of(settings: str, spool: str, home: Optional[str]) -> List[str]:
    """The command line of `run` under this very Python, wherever the collector is installed.

    -I keeps the user's variables and the working folder, which is home, out of the module path; it closes the user's own
    site-packages as well, so the collector's folder is named.
    """
    folder = str(Path(__file__).resolve().parents[2])
    code = f"import sys; sys.path.append({folder!r}); from meterhouse_collector.__main__ import main; sys.exit(main())"
    words = [sys.executable, "-I", "-c", code, "run", "--settings", settings, "--spool", spool]
    return words + (["--home", home] if home else [])
