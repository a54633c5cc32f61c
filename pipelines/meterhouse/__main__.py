"""The command line. Each command is a thin call of a public function; stdout is data, stderr is narration."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from meterhouse import __version__, interrupts
from meterhouse.errors import MeterhouseError, is_interrupt
from meterhouse.paths import DataDir
from meterhouse.settings import Settings, read_settings

if TYPE_CHECKING:
    from meterhouse.run import Outcome


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit code: 0 done, 1 failed, 2 misused, 75 another run is at work."""
    options = _parser().parse_args(arguments)
    try:
        with interrupts.ends_at_second():
            return options.command(options, read_settings()) or 0
    except MeterhouseError as error:
        print(f"meterhouse: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 0
    except OSError as error:
        problem = f"{error.filename or 'disk'}: {error.strerror or error}; check path, rights and space"
        print(f"meterhouse: {problem}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, RuntimeError) as error:
        if not is_interrupt(error):
            raise
        print("meterhouse: interrupted; what was done is kept, run again to go on", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="meterhouse", description="What coding agents do and cost.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = _command(commands, "run", _run, "load, build, check and publish everything new, once")
    run.add_argument("--raw", metavar="DEST", help="folder, s3://, gs:// or az:// that collectors ship to")
    run.add_argument("--plain", action="store_true", help="without Dagster: faster start, no record in its UI")
    run.add_argument("--engine", choices=("duckdb", "spark"), default="duckdb",
                     help="what builds the models; spark rebuilds them all, plain, see docs/scale.md")  # fmt: skip

    again = _command(commands, "rebuild", _rebuild, "make everything derived anew, compare, and swap it in at once")
    again.add_argument("--from", choices=("raw",), required=True, dest="source", help="the raw objects")
    again.add_argument("--raw", metavar="DEST", help="where they lie")
    again.add_argument("--check", action="store_true", help="only compare; exits 1 when a table differs")
    again.add_argument("--accept-loss", action="store_true", help="go on without raw objects that are gone")

    sql = _command(commands, "sql", _sql, "run SQL on the published snapshot")
    sql.add_argument("statement")
    sql.add_argument("--as-of", metavar="REPORT|VERSION|INSTANT",
                     help="answer from what a week's report was read from, such as 2026-W46, or from an older snapshot")  # fmt: skip
    sql.add_argument("--format", choices=("table", "csv", "json"), default="table")

    _command(
        commands, "audit", _audit, "let Great Expectations check what was loaded against contract and model headers"
    )

    _upkeep_commands(commands)

    quarantine = commands.add_parser("quarantine", help="lines and objects that could not be loaded").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listed = _command(quarantine, "list", _quarantine_list, "place and reason of each, without its text")
    listed.add_argument("--format", choices=("table", "csv", "json"), default="table")
    show = _command(quarantine, "show", _quarantine_show, "the text of each quarantined line of one object")
    show.add_argument("object_key")
    show.add_argument("--raw", metavar="DEST", help="where the object lies")
    retry = _command(
        quarantine, "retry", _quarantine_retry, "load quarantined objects again, and forget those set aside"
    )
    retry.add_argument("object_key", nargs="?", help="one object; all when left out")
    retry.add_argument("--raw", metavar="DEST", help="where the objects lie")

    report = commands.add_parser("report", help="the weekly report").add_subparsers(required=True, metavar="COMMAND")
    build = _command(report, "build", _report_build, "write HTML, text and PDF of one week")
    build.add_argument("--week", required=True, help="ISO week such as 2026-W46")
    build.add_argument("--out", required=True, type=Path, metavar="DIR")
    send = _command(report, "send", _report_send, "mail one week's report to the executives, once")
    send.add_argument("--week", required=True, help="ISO week such as 2026-W46")
    send.add_argument("--raw", metavar="DEST", help="where governance.yaml lies")

    made = commands.add_parser("generate", help="write an organisation of any size as segments, to try Meterhouse out")
    made.set_defaults(command=_generate)
    made.add_argument("--engineers", type=int, required=True, metavar="N")
    made.add_argument("--days", type=int, required=True, metavar="N", help="from 2026-09-01 on")
    made.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes")
    made.add_argument("--events-per-day", type=float, default=100, metavar="N", help="mean an engineer and workday")
    made.add_argument(
        "--segment-days", type=int, default=1, metavar="N", help="days that a sender seals into one segment"
    )
    made.add_argument("--to", type=Path, required=True, metavar="DEST", help="folder that holds no segments yet")

    alerts = commands.add_parser("alerts", help="budgets passed, runaways").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = _command(alerts, "list", _alerts_list, "show all alerts and whether they were delivered")
    listing.add_argument("--format", choices=("table", "csv", "json"), default="table")
    deliver = _command(alerts, "send", _alerts_send, "find new alerts and deliver what is due")
    deliver.add_argument("--raw", metavar="DEST", help="where governance.yaml lies")
    return parser


def _upkeep_commands(commands) -> None:
    _command(commands, "compact", _compact, "rewrite days that lie in many files of the lake into one file each")
    vacuum = _command(commands, "vacuum", _vacuum, "remove files of the lake that no reader and no kept report needs")
    vacuum.add_argument("--dry-run", action="store_true", help="list them and remove nothing")


def _command(group, name, function, about):
    command = group.add_parser(name, help=about, description=about)
    command.set_defaults(command=function)
    command.add_argument("--data", metavar="DIR", help="data directory")
    return command


def _data(options: argparse.Namespace, settings: Settings) -> DataDir:
    return DataDir(Path(options.data or settings.require("storage_data")).expanduser())


def _raw(options: argparse.Namespace, settings: Settings) -> str:
    return options.raw or settings.require("storage_raw")


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from meterhouse.checks import alarms

    raw, data = _raw(options, settings), _data(options, settings)
    outcome = _materialise(raw, data, options.plain, options.engine)
    for problem in outcome.loaded.problems:
        print(f"warning: {problem}", file=sys.stderr)
    for alarm in alarms(data):
        print(f"alarm: {alarm}", file=sys.stderr)
    print(outcome.summary())
    _tell(data, raw, settings)
    _share(data, settings)
    return 0


def _share(data: DataDir, settings: Settings) -> None:
    """After all else: object storage that cannot be reached holds up no dashboard and no alert."""
    if settings.storage_lake:
        from meterhouse import shared_lake

        if done := shared_lake.share(data, settings.storage_lake):
            print(done.summary(), file=sys.stderr)


def _tell(data: DataDir, raw: str, settings: Settings) -> None:
    """Alerts are told after each run, also when nothing was built: what failed to be delivered is due."""
    from meterhouse.alerts import find_and_deliver

    for line in find_and_deliver(data, raw, settings):
        print(line, file=sys.stderr)


def _materialise(raw: str, data: DataDir, is_plain: bool, engine: str) -> "Outcome":
    """Dagster takes three seconds to import, so it is asked only when there is something to do."""
    from meterhouse import run

    if engine == "spark":
        from meterhouse.spark import engine as spark

        return run.run(raw, data, spark.build)
    if is_plain:
        return run.run(raw, data)
    if not run.has_news(raw, data):
        return run.Outcome.nothing()
    from meterhouse.orchestration import once

    return once.run(raw, data)


def _rebuild(options: argparse.Namespace, settings: Settings) -> int:
    from meterhouse import rebuild

    done = rebuild.rebuild(_raw(options, settings), _data(options, settings), options.check, options.accept_loss)
    for line in rebuild.told(done):
        print(line, file=sys.stderr)
    for row in done.tables:
        print(f"{row.table:32} {row.now.rows:>12} {row.now.digest}  {row.verdict}")
    return 1 if options.check and (done.differing or done.gone or done.overwritten) else 0


def _sql(options: argparse.Namespace, settings: Settings) -> None:
    from meterhouse.adhoc import sql

    sql(_data(options, settings), options.statement, options.format, as_of=options.as_of)


def _compact(options: argparse.Namespace, settings: Settings) -> None:
    from meterhouse import compaction
    from meterhouse.catalog import Catalog
    from meterhouse.lock import run_lock

    data = _data(options, settings)
    with run_lock(data), Catalog(data) as catalog:
        done = compaction.compact(catalog)
    print(compaction.summary(done))


def _vacuum(options: argparse.Namespace, settings: Settings) -> None:
    from meterhouse.catalog import Catalog
    from meterhouse.lock import run_lock
    from meterhouse.vacuum import vacuum

    data = _data(options, settings)
    with run_lock(data), Catalog(data) as catalog:
        done = vacuum(catalog, settings, options.dry_run)
    for path in [*done.paths, *done.shared]:
        print(path)
    verb = "could be removed" if options.dry_run else "removed"
    elsewhere = f" and {len(done.shared)} of the shared lake" if settings.storage_lake else ""
    print(f"{len(done.paths)} files{elsewhere}, {done.bytes} bytes {verb}", file=sys.stderr)


def _quarantine_list(options: argparse.Namespace, settings: Settings) -> None:
    from meterhouse import quarantine

    quarantine.print_list(_data(options, settings), options.format)


def _quarantine_show(options: argparse.Namespace, settings: Settings) -> None:
    from meterhouse import quarantine

    quarantine.show(_data(options, settings), _raw(options, settings), options.object_key, sys.stdout)


def _quarantine_retry(options: argparse.Namespace, settings: Settings) -> None:
    from meterhouse import quarantine

    done = quarantine.retry(_data(options, settings), _raw(options, settings), options.object_key)
    for problem in done.problems:
        print(f"warning: {problem}", file=sys.stderr)
    print(f"{done.objects} objects read again: {done.rows} events loaded, {done.quarantined} still in quarantine; "
          "`meterhouse run` builds what is new")  # fmt: skip


def _audit(options: argparse.Namespace, settings: Settings) -> int:
    from meterhouse.audit import audit

    data = _data(options, settings)
    done = audit(data)
    for row in done.tables:
        verdict = f"failed: {', '.join(row.failed)}" if row.failed else "as promised"
        print(f"{row.table}: {row.expectations} expectations on {row.rows} rows, {verdict}")
    print(f"{len(done.tables)} tables in {done.seconds} s; Data Docs: {data.audit_docs}", file=sys.stderr)
    return 1 if done.failed else 0


def _report_build(options: argparse.Namespace, settings: Settings) -> None:
    from meterhouse.report import build

    for path in build(_data(options, settings), options.week, options.out, settings.dashboard_url):
        print(path)


def _report_send(options: argparse.Namespace, settings: Settings) -> None:
    from meterhouse.report import send

    for line in send(_data(options, settings), options.week, _raw(options, settings), settings):
        print(line)


def _generate(options: argparse.Namespace, _: Settings) -> None:
    """The truth about what was written is the output: events, duplicates, malformed and parked lines, tokens."""
    import json

    from meterhouse.generate import Plan, generate

    plan = Plan(options.engineers, options.days, options.seed,
                events_per_day=options.events_per_day, segment_days=options.segment_days)  # fmt: skip
    print(json.dumps(generate(plan, options.to).as_dict(), indent=1))


def _alerts_list(options: argparse.Namespace, settings: Settings) -> None:
    from meterhouse.alerts import print_alerts

    print_alerts(_data(options, settings), options.format)


def _alerts_send(options: argparse.Namespace, settings: Settings) -> int:
    from meterhouse.alerts import find_and_deliver, undelivered

    data = _data(options, settings)
    for line in find_and_deliver(data, _raw(options, settings), settings):
        print(line)
    return 1 if undelivered(data) else 0


if __name__ == "__main__":
    sys.exit(main())
