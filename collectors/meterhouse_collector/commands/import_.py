"""`import KIND …`: events out of what others recorded, shipped at once. Importing the same again ships nothing."""

import importlib
import pkgutil
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import Any, Dict

from meterhouse_collector import importing
from meterhouse_collector.destination import open_destination
from meterhouse_collector.errors import SpoolFullError
from meterhouse_collector.inlet import Inlets
from meterhouse_collector.place import resolve
from meterhouse_collector.ship import ship_all
from meterhouse_collector.spool import Spool


def arguments(parser: ArgumentParser) -> None:
    """One word for each kind, and what that kind takes."""
    chosen = parser.add_subparsers(dest="what", required=True, metavar="KIND")
    for name, module in kinds().items():
        kind = chosen.add_parser(name, help=module.ABOUT, description=module.ABOUT)
        # said after the kind as well as before it; suppressed, or its absence there would undo what stands before
        kind.add_argument("--home", metavar="DIR", default=SUPPRESS, help="home folder (default: yours)")
        kind.add_argument("--spool", metavar="DIR", default=SUPPRESS, help="where events wait")
        kind.add_argument("--settings", metavar="FILE", default=SUPPRESS, help="settings")
        kind.add_argument("--to", metavar="DEST", default=SUPPRESS, help="folder, s3://, gs:// or az://")
        module.arguments(kind)


def kinds() -> Dict[str, Any]:
    """Every kind by name."""
    names = sorted(name for _, name, _ in pkgutil.iter_modules(importing.__path__) if not name.startswith("_"))
    return {name: importlib.import_module(f"{importing.__name__}.{name}") for name in names}


def main(options: Namespace) -> int:
    """Read, commit, seal, ship; what cannot be shipped waits in the spool."""
    place = resolve(options)
    destination = open_destination(place.to, place.settings)
    spool = place.open_spool()
    try:
        inlets = Inlets(spool, place.publisher(spool.sender))
        count = _load(options, inlets, spool, destination)
        spool.seal()
        ship_all(spool, destination)
    finally:
        spool.close()
    print(f"{count} events imported, shipped to {destination.url}", file=sys.stderr)
    return 0


def _load(options: Namespace, inlets: Inlets, spool: Spool, destination: Any) -> int:
    """What is new. A spool that fills up on the way is shipped and all is read again: known events are passed over."""
    while True:
        try:
            kinds()[options.what].load(options, inlets)
            inlets.commit()
            return inlets.taken
        except SpoolFullError:  # raised after what was taken is durable
            spool.seal()
            if not ship_all(spool, destination):
                raise
