"""`once`: read everything that is new, ship it, end. Doing it again ships nothing."""

import sys
from argparse import Namespace

from meterhouse_collector import journal
from meterhouse_collector.collect import collect
from meterhouse_collector.destination import open_destination
from meterhouse_collector.errors import ShipError, SpoolFullError
from meterhouse_collector.place import Place, resolve
from meterhouse_collector.reader import Reader
from meterhouse_collector.ship import ship_all
from meterhouse_collector.spool import Spool, list_waiting


def main(arguments: Namespace) -> int:
    """Read and ship until nothing is left; what cannot be shipped waits in the spool for the next time."""
    place = resolve(arguments)
    destination = open_destination(place.to, place.settings)
    spool = place.open_spool()
    try:
        reader = place.reader(spool, spool.sender)
        count, left = 0, True
        while left:
            left = _read(spool, reader, place)
            spool.seal()
            shipped = ship_all(spool, destination)
            count += shipped
            if left and not shipped:
                spool.check_room()
        unreadable = sum(map(len, spool.cursors.problems().values()))
    except ShipError as error:
        waiting = len(list_waiting(place.spool))
        print(f"{error}; {waiting} segments wait in {place.spool}", file=sys.stderr)
        return error.exit_code
    finally:
        spool.close()
    print(f"{count} events shipped to {destination.url}", file=sys.stderr)
    if unreadable:
        print(f"{unreadable} files could not be read; see meterhouse-collector doctor", file=sys.stderr)
    return 0


def _read(spool: Spool, reader: Reader, place: Place) -> bool:
    """Whether the spool became full before everything was read; what a killed `run` left comes first."""
    try:
        for path in journal.files(spool.folder):
            journal.move_file(spool, path)
        collect(reader, place)
    except SpoolFullError:
        return True
    return False
