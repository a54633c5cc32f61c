"""A machine as the inventory and `doctor` see it: a home folder, an environment, and the folders that administrators own.

Everything read here is small, regular and read once; nothing is followed into a FIFO, a device or a loop of links.
"""

import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

from .toml_subset import parse_toml

FILE_MAX = 16 << 20  # Claude Code keeps some megabytes of state beside its settings
PLATFORMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}
# what is not closed reaches to the end, so that no text takes more than one pass
_JSONC = re.compile(r'("(?:\\.|[^"\\])*(?:"|\Z))|//[^\n]*|/\*(?:.*?\*/|.*)', re.DOTALL)
_TRAILING = re.compile(r'("(?:\\.|[^"\\])*(?:"|\Z))|,(?=\s*[}\]])', re.DOTALL)


class Host:
    """`system` is the root of the file system, another folder in tests, or None when only the home is to be read."""

    def __init__(
        self,
        home: Path,
        environment: Optional[Mapping[str, str]] = None,
        system: Optional[Path] = None,
        platform: Optional[str] = None,
    ) -> None:
        self.home = home
        self.environment = {} if environment is None else environment
        self.system = system
        self.platform = platform or PLATFORMS.get(sys.platform, "linux")

    def folder(self, variable: str, default: str) -> Path:
        """An agent's folder: where its variable says, else below home."""
        moved = self.environment.get(variable)
        return Path(moved) if moved else self.home / default

    def managed(self, place: Optional[str]) -> Optional[Path]:
        """Where an administrator's file lies on this machine; None when it is not to be read."""
        if self.system is None or place is None:
            return None
        if self.platform == "windows":
            return Path(place) if os.name == "nt" else None
        return self.system / place.lstrip("/")

    def table(self, path: Optional[Path]) -> Dict[str, Any]:
        """A JSON or TOML file's top object; an empty one when it is absent or cannot be read."""
        text = read_text(path) if path else None
        if text is None:
            return {}
        value = parse_toml(text) if path and path.suffix == ".toml" else parse_json(text)
        return value if isinstance(value, dict) else {}

    def tables_below(self, folder: Optional[Path]) -> Iterator[Dict[str, Any]]:
        """The JSON files of a drop-in folder, in the order in which later ones win."""
        try:
            names = sorted(os.listdir(folder)) if folder else []
        except OSError:
            names = []
        for name in names:
            if folder and name.endswith(".json"):
                yield self.table(folder / name)


def read_text(path: Path) -> Optional[str]:
    """The text of a regular file of bounded size, or None."""
    data = read_bytes(path)
    return None if data is None else data.decode("utf-8-sig", "replace")


def read_bytes(path: Path, limit: int = FILE_MAX) -> Optional[bytes]:
    """The bytes of a regular file of bounded size, or None."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        with open(path, "rb") as file:
            return file.read(limit)
    except (OSError, ValueError):
        return None


def parse_json(text: str) -> Any:
    """JSON, or JSON with comments and trailing commas as agents allow; None when it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    bare = _TRAILING.sub(lambda found: found.group(1) or "", _JSONC.sub(lambda found: found.group(1) or " ", text))
    try:
        return json.loads(bare)
    except (ValueError, RecursionError):
        return None


def dig(value: Any, *names: str) -> Any:
    """What lies under a path of names, or None."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
