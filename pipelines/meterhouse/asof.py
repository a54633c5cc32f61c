"""As-of: the snapshots of the past that still answer. What a report was read from is kept under the report's name.

A kept snapshot is a hard link: it costs nothing while the snapshot is among the newest, and no publication can take it away.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from meterhouse.durable import clone
from meterhouse.errors import MeterhouseError
from meterhouse.paths import DataDir
from meterhouse.snapshot import no_snapshot, open_snapshot

SENT = "-sent"  # what was mailed is what people quote: a later build of the same week does not replace it
_numbers = itertools.count()


@dataclass(frozen=True)
class Kept:
    """One snapshot that is there: `report` is None for the newest ones; `lake` has the Delta version of each kind's table."""

    path: Path
    report: str | None
    version: int
    built_at: datetime
    load_seq: int
    lake: dict[str, int]


@contextlib.contextmanager
def held(data: DataDir, report: str) -> Iterator[Path]:
    """The current snapshot under a name of its own, to read a report from; kept under the report's name unless that fails."""
    data.kept.mkdir(parents=True, exist_ok=True)
    own = data.kept / f"{report}.{os.getpid()}-{next(_numbers)}.tmp"
    _link_current(data, own)
    try:
        yield own
        own.replace(data.kept / f"{report}.duckdb")
    finally:
        own.unlink(missing_ok=True)


def week_of(row: Kept) -> str:
    """The ISO week, such as 2026-W46, of the report that a snapshot is kept for."""
    return (row.report or "").removeprefix("report-")[:8]


def mark_sent(data: DataDir, report: str, key: str) -> None:
    """Keep what a report was read from under the key of its mail, once and for good."""
    sent = data.kept / f"{key}{SENT}.duckdb"
    if not sent.exists():
        _link(data.kept / f"{report}.duckdb", sent)


def unmark_sent(data: DataDir, key: str) -> None:
    """No mail left after all."""
    (data.kept / f"{key}{SENT}.duckdb").unlink(missing_ok=True)


def _link_current(data: DataDir, own: Path) -> None:
    while True:
        if not data.current.exists():
            raise no_snapshot(data)
        with contextlib.suppress(FileNotFoundError):  # replaced and removed since we looked: look again
            return _link(data.current.resolve(), own)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)  # a killed process of the same number left it
    try:
        os.link(source, target)
    except (FileNotFoundError, FileExistsError):
        raise
    except OSError:  # a file system without hard links
        clone(source, target)


def kept(data: DataDir) -> list[Kept]:
    """All snapshots that are there, oldest first."""
    found = []
    for path in [*data.snapshots.glob("warehouse-*.duckdb"), *data.kept.glob("*.duckdb")]:
        with contextlib.closing(open_snapshot(path)) as db:
            version, built_at, load_seq = db.execute(
                "SELECT version, built_at, load_seq FROM snapshot_info"
            ).fetchall()[0]
            columns = [row[0] for row in db.execute("DESCRIBE snapshot_info").fetchall()]
            lake = db.execute("SELECT lake FROM snapshot_info").fetchall()[0][0] if "lake" in columns else {}
        report = path.stem if path.parent == data.kept else None
        found.append(Kept(path, report, version, built_at, load_seq, lake))
    return sorted(found, key=lambda row: (row.version, row.report is not None, row.path.name))


def snapshot_as_of(data: DataDir, as_of: str) -> Path:
    """The snapshot that a report was read from, of a version, or the newest one built by a moment.

    Takes a week such as 2026-W46 (as it was mailed, else as it was last built), the number of a snapshot, or an ISO 8601 instant
    in UTC. Raises MeterhouseError that names what is kept.
    """
    for name in (f"report-{as_of}{SENT}", f"report-{as_of}", as_of):
        if "/" not in name and (path := data.kept / f"{name}.duckdb").exists():
            return path
    rows = kept(data)
    if as_of.isdecimal():
        rows = [row for row in rows if row.version == int(as_of)]
    elif (moment := _moment(as_of)) is not None:
        rows = [row for row in rows if row.built_at <= moment]
    else:
        rows = []
    if not rows:
        raise MeterhouseError(f"as-of '{as_of}': no snapshot of it is kept; there are {_listed(kept(data))}")
    return rows[-1].path


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _listed(rows: list[Kept]) -> str:
    named = [f"{row.report or row.version} ({row.built_at.isoformat(timespec='seconds')})" for row in rows]
    return ", ".join(named) or "none yet"
