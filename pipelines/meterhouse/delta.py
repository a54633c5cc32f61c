"""The lake as Delta tables, one a kind, for engines other than ours; it follows the catalog and is never read here.

Each table is brought to the catalog's list of files in one commit, so a reader sees a whole load or the one before, and a
commit that a crash prevented is made by the next run.
"""

import functools
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from meterhouse import contract
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir

Options = Mapping[str, str] | None  # of the client of an object storage
PARTITION = ["day"]
# `meterhouse vacuum` trims the log: it knows which versions a kept snapshot names, other writers do not
PROPERTIES = {"delta.enableExpiredLogCleanup": "false"}


def follow(catalog: Catalog) -> dict[str, int]:
    """Commit what the tables lack; gives the version of each kind's table."""
    held = {name for (name,) in catalog.db.execute("SELECT DISTINCT kind FROM lake_files").fetchall()}
    versions = {}
    for kind in (kind for kind in contract.kinds().values() if kind.name in held):
        rows = catalog.db.execute(
            "SELECT day, path, row_count FROM lake_files WHERE kind = ? ORDER BY path", [kind.name]
        ).fetchall()
        versions[kind.name] = _commit(catalog, kind, rows)
    return versions


@dataclass(frozen=True)
class LakeFile:
    """One file of a table's last commit."""

    path: str
    day: date
    load_seq: int


def files(data: DataDir, kind: str, version: int | None = None) -> list[LakeFile]:
    """Files of one kind as any reader sees them, now or at a version, without the catalog and its lock.

    Nothing when there is no such table or version: a lake that was rebuilt counts its versions anew.
    """
    from deltalake.exceptions import DeltaError

    folder = data.lake / kind
    try:
        found = names(open_table(folder, version=version))
    except DeltaError:
        if version is None and find_table(folder) is not None:
            raise
        return []
    return [
        LakeFile(str(folder / name), date.fromisoformat(_day_of(name)), int(name.partition("/")[2].partition(".")[0]))
        for name in sorted(found)
    ]


def identity(data: DataDir, kind: str) -> list[Any] | None:
    """Id and version of one kind's table; a rebuilt lake has another id. None when there is none."""
    table = find_table(data.lake / kind)
    return None if table is None else [table.metadata().id, table.version()]


def open_table(place: Path | str, options: Options = None, version: int | None = None) -> Any:
    """The Delta table in a folder or at an address."""
    from deltalake import DeltaTable

    return DeltaTable(place, version=version, storage_options=dict(options or {}))


def find_table(place: Path | str, options: Options = None) -> Any:
    """The same, or None when there is none."""
    from deltalake.exceptions import TableNotFoundError

    try:
        return open_table(place, options)
    except TableNotFoundError:
        return None


def create(place: Path | str, kind: contract.Kind, properties: Mapping[str, str], options: Options = None) -> Any:
    """An empty table of a kind, described by the contract."""
    from deltalake import DeltaTable

    return DeltaTable.create(
        place, _schema(kind), partition_by=PARTITION, name=kind.name, description=kind.about,
        configuration=properties, storage_options=dict(options or {}),
    )  # fmt: skip


def agree(table: Any, kind: contract.Kind, properties: Mapping[str, str]) -> None:
    """Set properties, and add columns that the contract has learnt since; older files stay as they are and read as NULL."""
    from deltalake import Schema

    if properties.items() - table.metadata().configuration.items():
        table.alter.set_table_properties(dict(properties))
    known = {field.name for field in table.schema().fields}
    if new := [field for field in Schema.from_arrow(_schema(kind)).fields if field.name not in known]:
        table.alter.add_columns(new)


def names(table: Any) -> set[str]:
    """Its files, as `day=2026-03-01/00000012.parquet`."""
    return {"/".join(uri.rsplit("/", 2)[-2:]) for uri in table.file_uris()}


@dataclass(frozen=True)
class Added:
    """One file of a table, as the table's log describes it."""

    name: str
    size: int
    modified_ms: int
    row_count: int


def added(table: Any) -> list[Added]:
    """Its files, by name."""
    rows = pl.DataFrame(table.get_add_actions(flatten=True)).select(
        "path", "size_bytes", pl.col("modification_time").dt.epoch("ms"), "num_records"
    )
    return [Added(*row) for row in sorted(rows.iter_rows())]


def add_action(name: str, size: int, modified_ms: int, row_count: int, is_news: bool) -> Any:
    """That a file belongs to a table from now on; `is_news` is false for rows that other files held before."""
    from deltalake.transaction import AddAction

    stats = json.dumps({"numRecords": row_count})
    return AddAction(name, size, {"day": _day_of(name)}, modified_ms, is_news, stats)


def remove_actions(gone: Iterable[str]) -> list[Any]:
    """That files do not belong to it any more."""
    from deltalake.transaction import RemoveAction

    now = int(datetime.now(UTC).timestamp() * 1000)
    return [RemoveAction(name, False, now, partition_values={"day": _day_of(name)}) for name in sorted(gone)]


def commit(table: Any, kind: contract.Kind, actions: list[Any], says: Mapping[str, str] | None = None) -> None:
    """All of it or nothing, for every reader; `says` is kept with the commit."""
    from deltalake import CommitProperties

    if actions:
        properties = CommitProperties(custom_metadata=dict(says)) if says else None
        table.create_write_transaction(actions, "append", _schema(kind), PARTITION, commit_properties=properties)


@functools.cache
def _schema(kind: contract.Kind) -> Any:
    return pl.DataFrame(schema=kind.columns).to_arrow().schema


def _day_of(name: str) -> str:
    return name.partition("/")[0].partition("=")[2]


def _commit(catalog: Catalog, kind: contract.Kind, rows: list[tuple[Any, str, int]]) -> int:
    folder = catalog.data.lake / kind.name
    table = find_table(folder) or create(folder, kind, PROPERTIES)
    agree(table, kind, PROPERTIES)
    known = names(table)
    wanted = {path.partition("/")[2]: row_count for _, path, row_count in rows}
    compacted = _replacing(catalog, kind)
    actions = [_add(folder / name, name, wanted[name], name not in compacted) for name in wanted if name not in known]
    commit(table, kind, [*actions, *remove_actions(known - wanted.keys())])
    return table.version()


def _add(path: Path, name: str, row_count: int, is_news: bool) -> Any:
    file = path.stat()
    return add_action(name, file.st_size, int(file.st_mtime * 1000), row_count, is_news)


def _replacing(catalog: Catalog, kind: contract.Kind) -> set[str]:
    """Files that hold the rows of older ones: to who streams the table, they are no news."""
    rows = catalog.db.execute("SELECT DISTINCT replaced_by FROM lake_retired WHERE kind = ?", [kind.name]).fetchall()
    return {path.partition("/")[2] for (path,) in rows}


def version_at(data: DataDir, kind: str, moment: datetime) -> int | None:
    """The version that readers saw at a moment, by the times of the log's files; None when there was none yet."""
    log = _log(data, kind)
    return max((number for path, number in log.items()
                if path.suffix == ".json" and path.stat().st_mtime <= moment.timestamp()), default=None)  # fmt: skip


def unneeded_log(data: DataDir, kind: str, first: int, pinned: Collection[int]) -> list[Path]:
    """Entries of the log that no version from `first` on needs, nor a pinned one, once those have checkpoints."""
    return [path for path, number in _log(data, kind).items()
            if number < first and not (number in pinned and ".checkpoint" in path.name)]  # fmt: skip


def keep_readable(data: DataDir, kind: str, versions: Collection[int]) -> None:
    """Write what versions say into checkpoints, so that they can be read without the log before them."""
    made = {number for path, number in _log(data, kind).items() if ".checkpoint" in path.name}
    missing = sorted(set(versions) - made)
    for version in missing:
        open_table(data.lake / kind, version=version).create_checkpoint()
    if missing:  # readers begin at the last one that was written: it must not lie before a gap
        open_table(data.lake / kind).create_checkpoint()


def _log(data: DataDir, kind: str) -> dict[Path, int]:
    """Commits and checkpoints of one kind's table, by version."""
    entries = sorted((data.lake / kind / "_delta_log").glob("[0-9]*"))
    return {path: int(path.name[:20]) for path in entries if path.name[:20].isdecimal()}
