"""`uninstall`: remove exactly what `install` made. The spool stays unless --purge, which ships first and never throws away."""

import os
import shutil
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from meterhouse_collector import durable, launches, service
from meterhouse_collector.commands import install, once
from meterhouse_collector.errors import CollectorError
from meterhouse_collector.place import Place, resolve
from meterhouse_collector.service import Job
from meterhouse_collector.spool import list_waiting


def arguments(parser: ArgumentParser) -> None:
    """What this command takes besides what all do."""
    parser.add_argument("--purge", action="store_true", help="ship what waits, then remove spool and settings, too")
    parser.add_argument(
        "--print", action="store_true", dest="shows", help="show what would be removed and run; do nothing"
    )


def main(arguments: Namespace) -> int:
    """Uninstall for this user."""
    place = resolve(arguments)
    job = Job([], Path(place.home), Path(place.settings.path).parent)
    plan = service.platform_of().plan(Job([sys.executable], *job[1:]), os.environ)
    if arguments.shows:
        print("\n".join(["$ " + " ".join(command) for command in plan.stop] + [f"remove {plan.path}"]))
        return 0
    if plan.path.exists():
        if shutil.which(plan.stop[0][0]):
            for command in plan.stop:
                install.run(command)
        durable.remove(str(plan.path))
        if shutil.which(plan.stop[0][0]) and plan.stop[-1][-1] == "daemon-reload":
            install.run(plan.stop[-1])  # it forgets a unit whose file is gone
        print(f"{plan.path}: removed", file=sys.stderr)
    else:
        print(f"{plan.path}: is not there; nothing was installed", file=sys.stderr)
    if arguments.purge:
        return _purge(place, arguments)
    print(
        f"{place.spool}: stays, with {len(list_waiting(place.spool))} segments that wait; --purge ships and removes it",
        file=sys.stderr,
    )
    return 0


def _purge(place: Place, arguments: Namespace) -> int:
    """Ship everything; only an empty spool is removed."""
    if os.path.isdir(place.spool):
        code = once.main(arguments)
        if code:
            print(f"{place.spool}: kept; not everything could be shipped", file=sys.stderr)
            return code
        if list_waiting(place.spool):
            raise CollectorError(f"{place.spool}: kept; segments wait, run uninstall --purge again")
        place.open_spool().close()  # nobody else has it open
        shutil.rmtree(place.spool)
    shutil.rmtree(launches.folder_of(place.spool), ignore_errors=True)
    durable.remove(place.settings.path)
    print(f"{place.spool} and {place.settings.path}: removed", file=sys.stderr)
    return 0
