"""The lake as Delta tables, one a kind, for engines other than ours; it follows the catalog and is never read here.

Each table is brought to the catalog's list of files in one commit, so a reader sees a whole load or the one before, and a
commit that a crash prevented is made by the next run.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from meterhouse import contract
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir

PARTITION = ["day"]
# `meterhouse vacuum` trims the log: it knows which versions a kept snapshot names, other writers do not
PROPERTIES = {"delta.enableExpiredLogCleanup": "false"}


def follow(catalog: Catalog) -> dict[str, int]:
    """Commit what the tables lack; gives the version of each kind's table."""
    versions = {}
    for kind in contract.kinds().values():
        rows = catalog.db.execute(
            "SELECT day, path, row_count FROM lake_files WHERE kind = ? ORDER BY path", [kind.name]
        ).fetchall()
        if rows:
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
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    folder = data.lake / kind
    try:
        names = _names(DeltaTable(folder, version=version))
    except DeltaError:
        if version is None and DeltaTable.is_deltatable(str(folder)):
            raise
        return []
    return [
        LakeFile(str(folder / name), date.fromisoformat(_day_of(name)), int(name.partition("/")[2].partition(".")[0]))
        for name in sorted(names)
    ]


def _names(table: Any) -> set[str]:
    """Its files, as `day=2026-03-01/00000012.parquet`."""
    return {"/".join(uri.rsplit("/", 2)[-2:]) for uri in table.file_uris()}


def _day_of(name: str) -> str:
    return name.partition("/")[0].partition("=")[2]


def _commit(catalog: Catalog, kind: contract.Kind, rows: list[tuple[Any, str, int]]) -> int:
    from deltalake import DeltaTable

    folder = catalog.data.lake / kind.name
    schema = pl.DataFrame(schema=kind.columns).to_arrow().schema
    if not DeltaTable.is_deltatable(str(folder)):
        DeltaTable.create(
            folder, schema, partition_by=PARTITION, name=kind.name, description=kind.about, configuration=PROPERTIES
        )
    table = DeltaTable(folder)
    _agree(table, schema)
    known = _names(table)
    wanted = {path.partition("/")[2]: (day, row_count) for day, path, row_count in rows}
    compacted = _replacing(catalog, kind)
    actions: list[Any] = [_add(catalog, kind, name, *wanted[name], is_news=name not in compacted)
                          for name in wanted if name not in known]  # fmt: skip
    actions += _removes(known - wanted.keys())
    if actions:
        table.create_write_transaction(actions, "append", schema, PARTITION)
    return table.version()


def _agree(table: Any, schema: Any) -> None:
    """Columns that the contract has learnt since; older files stay as they are and read as NULL."""
    from deltalake import Schema

    if PROPERTIES.items() - table.metadata().configuration.items():
        table.alter.set_table_properties(PROPERTIES)
    known = {field.name for field in table.schema().fields}
    if new := [field for field in Schema.from_arrow(schema).fields if field.name not in known]:
        table.alter.add_columns(new)


def _replacing(catalog: Catalog, kind: contract.Kind) -> set[str]:
    """Files that hold the rows of older ones: to who streams the table, they are no news."""
    rows = catalog.db.execute("SELECT DISTINCT replaced_by FROM lake_retired WHERE kind = ?", [kind.name]).fetchall()
    return {path.partition("/")[2] for (path,) in rows}


def _add(catalog: Catalog, kind: contract.Kind, name: str, day: date, row_count: int, is_news: bool) -> Any:
    from deltalake.transaction import AddAction

    file = (catalog.data.lake / kind.name / name).stat()
    return AddAction(
        name, file.st_size, {"day": day.isoformat()}, int(file.st_mtime * 1000), is_news,
        json.dumps({"numRecords": row_count}),
    )  # fmt: skip


def _removes(names: Iterable[str]) -> list[Any]:
    from deltalake.transaction import RemoveAction

    now = int(datetime.now(UTC).timestamp() * 1000)
    return [RemoveAction(name, False, now, partition_values={"day": _day_of(name)}) for name in sorted(names)]


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
    from deltalake import DeltaTable

    made = {number for path, number in _log(data, kind).items() if ".checkpoint" in path.name}
    missing = sorted(set(versions) - made)
    for version in missing:
        DeltaTable(data.lake / kind, version=version).create_checkpoint()
    if missing:  # readers begin at the last one that was written: it must not lie before a gap
        DeltaTable(data.lake / kind).create_checkpoint()


def _log(data: DataDir, kind: str) -> dict[Path, int]:
    """Commits and checkpoints of one kind's table, by version."""
    entries = sorted((data.lake / kind / "_delta_log").glob("[0-9]*"))
    return {path: int(path.name[:20]) for path in entries if path.name[:20].isdecimal()}
