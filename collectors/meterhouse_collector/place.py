"""Where a command works: home folder, spool and settings, from arguments and environment."""

import os
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Mapping

from . import agents, settings
from .errors import CollectorError
from .host import Host
from .outbox import Outbox
from .privacy import Publisher
from .reader import Reader
from .spool import Spool, open_spool


@dataclass(frozen=True)
class Place:
    """A home folder and the spool that belongs to it."""

    home: Path
    spool: str
    environment: Mapping[str, str]
    settings: settings.Settings

    def reader(self, out: Outbox, sender: str) -> Reader:
        """A reader of every installed source for this home and person, into this outbox."""
        return Reader(out, self.publisher(sender), self.home, self.environment, agents.installed())

    def publisher(self, sender: str) -> Publisher:
        """What makes events of this person, at this level of privacy."""
        return Publisher(self.settings.person_key(sender), self.settings.privacy, self.settings.key)

    def open_spool(self) -> Spool:
        """The spool, opened alone."""
        return open_spool(self.spool, self.settings.spool_limit_mb << 20)

    @property
    def host(self) -> Host:
        """The machine; of another's home, or of a home that is only read, no more than what lies in it."""
        return Host(self.home, self.environment, Path(os.sep) if self.environment else None)

    @property
    def to(self) -> str:
        """The destination; it is an error to need one and have none."""
        if not self.settings.to:
            raise CollectorError(
                f'--to: no destination; pass --to DEST, set METERHOUSE_TO or "to" in {self.settings.path}'
            )
        return self.settings.to


def resolve(arguments: Namespace) -> Place:
    """The place that a command's arguments mean. For another home than the user's own, only variables that lead below it count."""
    home = Path(arguments.home or Path.home()).absolute()
    if not home.is_dir():
        raise CollectorError(f"{home}: no such folder; pass --home with an existing one")
    if not arguments.spool and not home.stat().st_mode & 0o222:  # an administrator could write there, and must not
        raise CollectorError(f"{home}: is read-only, so the spool cannot be below it; pass --spool with another folder")
    folder = os.path.abspath(arguments.spool or home / ".meterhouse" / "spool")
    variables = dict(os.environ)
    if getattr(arguments, "to", None):
        variables[settings.VARIABLES["to"]] = arguments.to
    path = os.path.abspath(arguments.settings) if arguments.settings else settings.default_path(folder)
    loaded = settings.load(path, variables, required=bool(arguments.settings))
    return Place(home, folder, _below(home) if arguments.home else os.environ, loaded)


def _below(home: Path) -> Dict[str, str]:
    """The variables that name nothing but folders below a home: others move the agents of whoever runs this."""
    top, found = Path(os.path.normpath(home)), {}
    for name, value in os.environ.items():
        roots = [Path(os.path.normpath(root.strip())) for root in value.split(",") if root.strip()]
        if roots and all(top == root or top in root.parents for root in roots):
            found[name] = value
    return found
