"""`doctor`: what there is to read, which agents are here and how they are set, what is not collected and why, whether shipping works."""

import json
import os
from argparse import ArgumentParser, Namespace
from typing import Dict, Iterator, List, Tuple

from meterhouse_collector import agents, checkup, git, stream
from meterhouse_collector.agents import Source
from meterhouse_collector.checkup import BAD, NOTE, OK
from meterhouse_collector.cursors import copy_cursors
from meterhouse_collector.destination import open_destination
from meterhouse_collector.errors import CollectorError
from meterhouse_collector.folders import survey
from meterhouse_collector.place import Place, resolve
from meterhouse_collector.reader import look
from meterhouse_collector.spool import DATABASE
from meterhouse_collector.stream import ZSTD_SUFFIX


def arguments(parser: ArgumentParser) -> None:
    """What this command takes besides what all do."""
    parser.add_argument("--json", action="store_true", help="findings and agents, as JSON")


def main(arguments: Namespace) -> int:
    """One line per finding; exit code 1 when one is bad."""
    place = resolve(arguments)
    installed = checkup.agents_of(place)
    spool = list(_spool(place))
    is_running = any(level == NOTE for level, _ in spool)  # another collector holds it
    findings = [
        *_sources(place),
        *checkup.findings(place, installed),
        *checkup.receiver(place, is_running),
        *_programs(),
        *spool,
        *_destination(place),
    ]
    if arguments.json:
        rows = [{"level": level, "text": text} for level, text in findings]
        print(json.dumps({"agents": checkup.rows(place, installed), "findings": rows}, indent=1, ensure_ascii=False))
    else:
        for level, text in findings:
            print(f"{level:4}  {text}")
    return 1 if any(level == BAD for level, _ in findings) else 0


def _sources(place: Place) -> Iterator[Tuple[str, str]]:
    for source in agents.installed():
        try:
            files = sorted(os.fspath(path) for path in source.find(place.home, place.environment))
        except OSError as error:
            yield BAD, f"{source.name}: folders cannot be listed ({error.strerror}); check their rights"
            continue
        for error in survey(source, place.home, place.environment).refused:
            yield BAD, f"{error.filename}: cannot be listed ({error.strerror}); check its rights"
        if not files:
            yield NOTE, f"{source.name}: no session files below {place.home}"
            continue
        yield (
            OK,
            f"{source.name}: {len(files)} session files below {os.path.commonpath([os.path.dirname(path) for path in files])}",
        )
        yield from _unreadable(source, files)


def _unreadable(source: Source, files: List[str]) -> Iterator[Tuple[str, str]]:
    archives = [path for path in files if path.endswith(ZSTD_SUFFIX)]
    if archives and stream.decoder() is None:
        yield (
            BAD,
            f"{source.name}: {len(archives)} zstd archives and no decoder; install the zstd program or Python's zstandard package",
        )
    for path in files:
        if look(path) is None:  # what the reader passes over; opening a FIFO would wait for its writer
            continue
        try:
            with open(path, "rb") as file:
                file.read(1)
        except OSError as error:
            yield BAD, f"{path}: cannot be read ({error.strerror}); check its rights"


def _programs() -> Iterator[Tuple[str, str]]:
    yield (OK, "git: found") if git.present() else (NOTE, "git: not found on PATH; commits are not read")
    decoder = stream.decoder()
    yield (
        (OK, f"zstd: read through {decoder}") if decoder else (NOTE, "zstd: no decoder; only needed for Codex archives")
    )


def _spool(place: Place) -> Iterator[Tuple[str, str]]:
    try:
        place.open_spool().close()
        yield OK, f"{place.spool}: spool is writable"
    except CollectorError as error:
        yield (NOTE if error.exit_code == 75 else BAD), str(error)
    try:
        problems = _problems(place)
    except CollectorError as error:
        yield BAD, str(error)
        return
    for reason, paths in problems.items():
        yield BAD, f"{len(paths)} files could not be read: {reason}; the first is {paths[0]}"


def _problems(place: Place) -> Dict[str, List[str]]:
    cursors = copy_cursors(os.path.join(place.spool, DATABASE))
    try:
        return cursors.problems()
    finally:
        cursors.close()


def _destination(place: Place) -> Iterator[Tuple[str, str]]:
    if not place.settings.to:
        yield NOTE, "destination: not set; pass --to or set METERHOUSE_TO"
        return
    try:
        destination = open_destination(place.settings.to, place.settings)
        destination.probe()
        yield OK, f"{destination.url}: writable"
    except CollectorError as error:
        yield BAD, str(error)
