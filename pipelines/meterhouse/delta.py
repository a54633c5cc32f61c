"""The lake as Delta tables, one a kind, for engines other than ours; it follows the catalog and is never read here.

Each table is brought to the catalog's list of files in one commit, so a reader sees a whole load or the one before, and a
commit that a crash prevented is made by the next run.
"""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from meterhouse import contract
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir

PARTITION = ["day"]


def follow(catalog: Catalog) -> dict[str, int]:
    """Commit what the tables lack; gives the number of files added to each kind's table."""
    added = {}
    for kind in contract.kinds().values():
        rows = catalog.db.execute(
            "SELECT day, path, row_count FROM lake_files WHERE kind = ? ORDER BY path", [kind.name]
        ).fetchall()
        if rows and (count := _commit(catalog, kind, rows)):
            added[kind.name] = count
    return added


@dataclass(frozen=True)
class LakeFile:
    """One file of a table's last commit."""

    path: str
    day: date
    load_seq: int


def files(data: DataDir, kind: str) -> list[LakeFile]:
    """Files of one kind as any reader sees them, without the catalog and its lock."""
    from deltalake import DeltaTable

    folder = data.lake / kind
    if not DeltaTable.is_deltatable(str(folder)):
        return []
    names = [uri.rsplit("/", 2)[-2:] for uri in DeltaTable(folder).file_uris()]
    return [
        LakeFile(str(folder / day / name), date.fromisoformat(day.partition("=")[2]), int(name.partition(".")[0]))
        for day, name in sorted(names)
    ]


def _commit(catalog: Catalog, kind: contract.Kind, rows: list[tuple[Any, str, int]]) -> int:
    from deltalake import DeltaTable

    folder = catalog.data.lake / kind.name
    schema = pl.DataFrame(schema=kind.columns).to_arrow().schema
    if not DeltaTable.is_deltatable(str(folder)):
        DeltaTable.create(folder, schema, partition_by=PARTITION, name=kind.name, description=kind.about)
    table = DeltaTable(folder)
    known = {uri.rsplit("/", 2)[-2] + "/" + uri.rsplit("/", 1)[-1] for uri in table.file_uris()}
    actions: list[Any] = [_add(catalog, kind, row) for row in rows if row[1].partition("/")[2] not in known]
    if actions:
        table.create_write_transaction(actions, "append", schema, PARTITION)
    return len(actions)


def _add(catalog: Catalog, kind: contract.Kind, row: tuple[Any, str, int]) -> Any:
    from deltalake.transaction import AddAction

    day, path, row_count = row
    size = (catalog.data.lake / path).stat()
    return AddAction(
        path.partition("/")[2], size.st_size, {"day": day.isoformat()}, int(size.st_mtime * 1000), True,
        json.dumps({"numRecords": row_count}),
    )  # fmt: skip
