"""`pull NAME`: fetch a vendor's reports, ship the windows that changed, end. Doing it again ships nothing."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import date
from typing import Any, List, Mapping

from meterhouse_collector import vendors
from meterhouse_collector.destination import open_destination
from meterhouse_collector.errors import CollectorError, SettingsError, ShipError, VendorError
from meterhouse_collector.events import fits
from meterhouse_collector.fields import FIELDS
from meterhouse_collector.inlet import Inlet
from meterhouse_collector.place import Place, resolve
from meterhouse_collector.privacy import Publisher
from meterhouse_collector.pull import Asked, Puller
from meterhouse_collector.ship import ship_all
from meterhouse_collector.spool import Spool, list_waiting
from meterhouse_collector.vendor_key import read_key, variable
from meterhouse_collector.vendors import Api, Report, Vendor
from meterhouse_collector.web import Clock, Web

CHANNEL = "vendor_api"


def arguments(parser: ArgumentParser) -> None:
    """What this command takes besides what all do."""
    parser.add_argument("vendor", metavar="NAME", choices=vendors.names(), help=", ".join(vendors.names()))
    parser.add_argument("--since", type=_day, metavar="DAY", help="first UTC day (default: what may have changed)")
    parser.add_argument("--until", type=_day, metavar="DAY", help="last UTC day (default: today)")
    parser.add_argument("--reports", metavar="A,B", help="only these reports of the vendor")


def main(arguments: Namespace) -> int:
    """Pull each report, ship after each; 1 when a report or a window did not come."""
    place = resolve(arguments)
    asked = Asked(arguments.since, arguments.until)
    if asked.since and asked.until and asked.since > asked.until:
        raise CollectorError("--since: lies after --until; exchange them")
    vendor = vendors.open_vendor(arguments.vendor)
    reports = _chosen(vendor, arguments.reports)
    clock = Clock()
    api = _api(vendor, place, os.environ, clock)
    destination = open_destination(place.to, place.settings)
    spool = place.open_spool()
    try:
        publisher = Publisher(place.settings.person_key(spool.sender), place.settings.privacy, place.settings.key)
        inlet = Inlet(spool, publisher, vendor.name, CHANNEL)
        puller = Puller(inlet, api, clock, lambda: _ship(spool, destination) > 0)
        count, problems = 0, 0
        for report in reports:
            problems += _pull(puller, report, asked)
            count += _ship(spool, destination)
    except ShipError as error:
        print(f"{error}; {len(list_waiting(place.spool))} segments wait in {place.spool}", file=sys.stderr)
        return error.exit_code
    finally:
        spool.close()
    if inlet.refused:
        print(f"{inlet.refused} rows broke the contract and were dropped; the segment says so", file=sys.stderr)
    print(f"{count} events shipped to {destination.url}", file=sys.stderr)
    return 1 if problems or inlet.refused else 0


def _pull(puller: Puller, report: Report, asked: Asked) -> int:
    """Pull one report and tell about it; how much of it did not come. A refused key ends everything."""
    try:
        pulled = puller.pull(report, asked)
    except VendorError as error:
        if error.status == 401:
            raise
        print(error, file=sys.stderr)
        return 1
    for problem in pulled.problems:
        print(problem, file=sys.stderr)
    absent = f", {pulled.absent} not reported yet" if pulled.absent else ""
    print(
        f"{report.name}: {pulled.changed} of {pulled.windows} windows changed, {pulled.rows} rows{absent}",
        file=sys.stderr,
    )
    return len(pulled.problems)


def _ship(spool: Spool, destination: Any) -> int:
    spool.seal()
    return ship_all(spool, destination)


def _api(vendor: Vendor, place: Place, environment: Mapping[str, str], clock: Clock) -> Api:
    account = environment.get(variable(vendor.name, "ACCOUNT")) or None
    if vendor.needs_account and not account:
        raise SettingsError(
            f"{variable(vendor.name, 'ACCOUNT')}: is not set; docs/deploy/vendors.md says what it names"
        )
    if account is not None and not fits(FIELDS["billing_account"], account):
        raise SettingsError(f"{variable(vendor.name, 'ACCOUNT')}: is no name; use up to 200 ASCII characters")
    base = environment.get(variable(vendor.name, "URL")) or vendor.base
    headers = vendor.headers(read_key(vendor.name, environment))
    return Api(Web(vendor.name, base, headers, vendor.per_minute, clock), account, place.settings.key)


def _chosen(vendor: Vendor, wanted: "str | None") -> List[Report]:
    known = {report.name: report for report in vendor.reports}
    names = wanted.split(",") if wanted else list(known)
    for name in names:
        if name not in known:
            raise CollectorError(f"--reports: {name!r} is no report of {vendor.name}; they are {', '.join(known)}")
    return [known[name] for name in names]


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError("must be a UTC day such as 2026-03-02") from None
