"""The shared lake: the lake's Delta tables on object storage, for engines on other machines; never read here.

It follows the tables of the data directory. Every file lies there before the one commit that names it, under a name that is
never used again, so readers see whole versions only, also while a lake that was rebuilt takes the place of another.
"""

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from meterhouse import asof, contract, delta
from meterhouse.durable import replace_text
from meterhouse.errors import StorageError
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.settings import Settings
from meterhouse.storage import RETRIES, is_plain_http, open_store, reason

PATIENCE = 600  # seconds that it waits for a run at work: after its own run, another may have begun
UPLOADS = 8  # files at once
LOOK_BACK = 10  # commits: a vacuum or new properties may follow ours
# what the commits say: which table and version of the data directory they repeat
TABLE, VERSION = "meterhouse.table", "meterhouse.version"
# Delta would forget versions and files of which it does not know that a report was read from them
PROPERTIES: Mapping[str, str] = dict.fromkeys(
    ("delta.logRetentionDuration", "delta.deletedFileRetentionDuration"), "interval 3650 days"
)


@dataclass(frozen=True)
class Shared:
    """What was brought to object storage."""

    tables: int = 0
    files: int = 0
    bytes: int = 0

    def summary(self) -> str:
        """One line for the user."""
        return f"shared lake: {self.tables} tables, {self.files} new files, {self.bytes} bytes"


@dataclass(frozen=True)
class _File:
    """One file of a local table, and the name that it has in the shared one."""

    path: Path
    name: str
    action: Mapping[str, Any]


def is_due(data: DataDir, destination: str) -> bool:
    """Whether any table is behind, as far as this machine knows: it asks no storage."""
    return bool(_behind(data, destination))


def share(data: DataDir, destination: str) -> Shared | None:
    """Bring the shared tables to the local ones if any is behind, under the run lock; None when none is."""
    if not is_due(data, destination):
        return None
    with run_lock(data, PATIENCE):
        return follow(data, destination)


def follow(data: DataDir, destination: str) -> Shared:
    """The same for who holds the run lock. Raises StorageError; what was sent stays for the next try."""
    place = _place(data, destination)
    store, behind, sent = open_store(place, is_new=True), _behind(data, destination), []
    for kind in behind:
        with _told(place, kind):
            sent += _follow(data, place, store, contract.kinds()[kind], _remembered(data, destination).get(kind))
        _remember(data, destination, kind)
    return Shared(len(behind), len(sent), sum(file.path.stat().st_size for file in sent))


def vacuum(data: DataDir, settings: Settings, is_dry: bool = False) -> list[str]:
    """Remove files that neither the days kept nor a kept report needs, and what a killed share left; gives their addresses."""
    place, removed = _place(data, settings.require("storage_lake")), []
    kept = asof.kept(data)
    for kind in contract.kinds():
        with _told(place, kind):
            table = _find(place, kind)
            if table is None:
                continue
            versions = _versions(table, [(row.built_at, row.lake[kind]) for row in kept if kind in row.lake])
            options: Any = {"retention_hours": 24 * settings.keep_days, "enforce_retention_duration": False,
                            "full": True, "keep_versions": versions or None}  # fmt: skip
            found = table.vacuum(dry_run=True, **options)
            if found and not is_dry:  # each vacuum is a commit
                table.vacuum(dry_run=False, **options)
            removed += [f"{place}/{kind}/{name}" for name in found]
    return removed


def _place(data: DataDir, destination: str) -> str:
    """Where the tables lie, a folder as its whole path. Raises StorageError for one that is ours already."""
    if "://" in destination:
        return destination.rstrip("/")
    folder = Path(destination).expanduser().resolve()
    if folder.is_relative_to(data.root.resolve()):
        raise StorageError(
            f"{destination}: lies in the data directory, whose own lake it would mix with; share it elsewhere"
        )
    return str(folder)


@contextlib.contextmanager
def _told(place: str, kind: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise StorageError(
            f"{place}/{kind}: the shared lake cannot be read or written ({_cause(error)}); "
            "check its name and credentials, then run again"
        ) from error


def _behind(data: DataDir, destination: str) -> list[str]:
    """Kinds whose local table is not the one that was shared last."""
    known = _remembered(data, destination)
    now = {kind: delta.identity(data, kind) for kind in contract.kinds()}
    return [kind for kind, state in now.items() if state is not None and state != known.get(kind)]


def _remembered(data: DataDir, destination: str) -> dict[str, list]:
    """What was sent; nothing when that is not known: then storage is asked."""
    try:
        said = json.loads(data.shared.read_text())
        return dict(said["tables"]) if said["destination"] == destination else {}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def _remember(data: DataDir, destination: str, kind: str) -> None:
    tables = _remembered(data, destination) | {kind: delta.identity(data, kind)}
    replace_text(data.shared, json.dumps({"destination": destination, "tables": tables}))


def _follow(data: DataDir, place: str, store: Any, kind: contract.Kind, before: list | None) -> list[_File]:
    """Send what the shared table lacks, then commit the difference; gives the files sent. `before` was shared last from here."""
    local = delta.open_table(data.lake / kind.name)
    id_, version = local.metadata().id, local.version()
    table = _find(place, kind.name) or delta.create(f"{place}/{kind.name}", kind, PROPERTIES, _options())
    _require_ours(table, {id_, before[0]} if before else None)
    delta.agree(table, kind, PROPERTIES)
    known, wanted = delta.names(table), {file.name: file for file in _files(data, kind.name, local, id_)}
    missing = [file for name, file in wanted.items() if name not in known]
    _send(store, kind.name, missing)
    adds = [delta.add_action(file.name, **file.action) for file in missing]
    delta.commit(
        table, kind, [*adds, *delta.remove_actions(known - wanted.keys())], {TABLE: id_, VERSION: str(version)}
    )
    return missing


def _require_ours(table: Any, ids: set[str] | None) -> None:
    """Two data directories that share to one place would replace each other's rows without a word."""
    last = next((row[TABLE] for row in table.history(LOOK_BACK) if TABLE in row), None)
    if ids and last and last not in ids:
        raise StorageError("another data directory shares its lake there; give each a place of its own")


def _files(data: DataDir, kind: str, local: Any, id_: str) -> Iterable[_File]:
    for row in delta.added(local):
        day, _, name = row.name.partition("/")
        # a data directory that was put back from a copy counts its loads again: the time of the file tells them apart
        own = f"{day}/{name.removesuffix('.parquet')}-{id_[:8]}-{row.modified_ms:x}.parquet"
        action = {"size": row.size, "modified_ms": row.modified_ms, "row_count": row.row_count,
                  "is_news": ".compacted" not in name}  # fmt: skip
        yield _File(data.lake / kind / row.name, own, action)


def _send(store: Any, kind: str, files: list[_File]) -> None:
    import obstore

    def send(file: _File) -> None:
        obstore.put(store, f"{kind}/{file.name}", file.path)

    with ThreadPoolExecutor(UPLOADS) as senders:
        for number, _ in enumerate(senders.map(send, files), 1):
            if number % 100 == 0 or number == len(files):
                print(f"shared {number} of {len(files)} files of {kind}", file=sys.stderr)


def _versions(table: Any, wanted: list[tuple[datetime, int]]) -> list[int]:
    """Versions of the shared table that repeat those of a local one which snapshots of some times were read from.

    Snapshots do not say which local table that was: the one that was shared then, or, right after a rebuild, the next. Of a
    version that was never shared, the one before it stands in.
    """
    eras: dict[str, dict[int, int]] = {}
    begun: dict[str, int] = {}
    for row in reversed(table.history()):
        if TABLE in row:
            eras.setdefault(row[TABLE], {})[int(row[VERSION])] = row["version"]
            begun.setdefault(row[TABLE], row["timestamp"])
    found: set[int] = set()
    for built_at, version in wanted:
        before = [id_ for id_ in begun if begun[id_] <= built_at.timestamp() * 1000]
        later = [id_ for id_ in begun if id_ not in before]
        for id_ in [*before[-1:], *later[:1]]:
            if owns := [own for own in eras[id_] if own <= version]:
                found.add(eras[id_][max(owns)])
    return sorted(found)


def _cause(error: Exception) -> str:
    """Delta's client tells causes as a tree, the deepest last; what a server answered, which may name keys, comes after a `<`."""
    deepest = str(error).rpartition("\u21b3\x1b[0m ")[2].partition("<")[0].strip()
    return reason(StorageError(deepest)) if deepest else reason(error)


def _find(place: str, kind: str) -> Any:
    return delta.find_table(f"{place}/{kind}", _options())


def _options() -> dict[str, str]:
    """What Delta's client does not read from the environment; the credentials it does. It gives up when the raw objects' does."""
    patience = {"max_retries": str(RETRIES["max_retries"]), "retry_timeout": f"{RETRIES['retry_timeout'].seconds}s"}
    return patience | ({"allow_http": "true"} if is_plain_http() else {})
