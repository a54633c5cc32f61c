"""Vacuum: removes files that compaction replaced, once nobody can need them. It never breaks a reader.

Needed is what a version of the last days names, or one that a kept snapshot was built from, the reports' included. The
log of each Delta table is trimmed to the same versions, because loads add thousands of entries a day.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meterhouse import asof, contract, delta, shared_lake
from meterhouse.catalog import Catalog
from meterhouse.settings import Settings


@dataclass(frozen=True)
class Vacuumed:
    """What was removed, or would be, and its bytes; of the shared lake, the addresses."""

    paths: list[Path]
    bytes: int
    shared: list[str] = field(default_factory=list)


def vacuum(catalog: Catalog, settings: Settings, is_dry: bool = False, now: datetime | None = None) -> Vacuumed:
    """Remove what neither the last `keep_days` days nor kept snapshots need; only list it when `is_dry`.

    A day is the least: an export or a Spark job that began before the last compaction may run for hours. Reports older
    than the newest `keep_reports` weeks lose their snapshot first.
    """
    delta.follow(catalog)
    cutoff = (now or datetime.now(UTC)) - timedelta(days=settings.keep_days)
    kept = asof.kept(catalog.data)
    expired = _expired_reports(kept, settings.keep_reports)
    pinned = _pinned([row for row in kept if row not in expired])
    paths, retired = [row.path for row in expired], []
    for kind in contract.kinds():
        first = delta.version_at(catalog.data, kind, cutoff)
        if first is None:  # every version is younger: all that is there is needed
            continue
        versions = {version for version in pinned.get(kind, ()) if version < first} | {first}
        retired += _unneeded(catalog, kind, cutoff, versions)
        versions = {version for version in versions if delta.files(catalog.data, kind, version)}
        log = delta.unneeded_log(catalog.data, kind, first, versions)
        if log and not is_dry:
            delta.keep_readable(catalog.data, kind, versions)
        paths += log
    paths += [catalog.data.lake / path for path in retired]
    size = sum(path.stat().st_size for path in paths if path.exists())
    if not is_dry:
        _remove(catalog, paths, retired)
    return Vacuumed(paths, size, shared_lake.vacuum(catalog.data, settings, is_dry) if settings.storage_lake else [])


def _expired_reports(kept: list[asof.Kept], keep_reports: int) -> list[asof.Kept]:
    weeks = sorted({asof.week_of(row) for row in kept if row.report})
    old = set(weeks[: max(len(weeks) - keep_reports, 0)])
    return [row for row in kept if row.report and asof.week_of(row) in old]


def _pinned(kept: list[asof.Kept]) -> dict[str, set[int]]:
    """Versions that must stay readable, by kind."""
    pinned: dict[str, set[int]] = {}
    for row in kept:
        for kind, version in row.lake.items():
            pinned.setdefault(kind, set()).add(version)
    return pinned


def _unneeded(catalog: Catalog, kind: str, cutoff: datetime, versions: set[int]) -> list[str]:
    """Files, relative to the lake, that were replaced before the cutoff and that none of the versions names."""
    rows = catalog.db.execute(
        "SELECT path FROM lake_retired WHERE kind = ? AND retired_at <= ? ORDER BY path", [kind, cutoff]
    ).fetchall()
    if not rows:
        return []
    needed = {row.path for version in versions for row in delta.files(catalog.data, kind, version)}
    return [path for (path,) in rows if str(catalog.data.lake / path) not in needed]


def _remove(catalog: Catalog, paths: list[Path], retired: list[str]) -> None:
    """Files first, then the rows that name them: what a kill leaves is removed by the next vacuum."""
    for path in paths:
        path.unlink(missing_ok=True)
    catalog.db.execute("DELETE FROM lake_retired WHERE path IN (SELECT unnest(?::VARCHAR[]))", [retired])
