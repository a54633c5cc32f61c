"""Snapshots: what every reader sees. A whole database under a new name, then one rename of the link that names it.

A reader has the old file or the new one, never a mixture, also when the writer dies half way or the disk is full.
"""

import contextlib
import hashlib
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from meterhouse import __version__, delta
from meterhouse.build import Builder
from meterhouse.catalog import LEDGER_TABLES
from meterhouse.durable import clone, fsync
from meterhouse.errors import MeterhouseError
from meterhouse.models import Model
from meterhouse.paths import DataDir

KEEP = 3
ALL_ANEW = 24  # each so many publications write all tables again, for copies of copies grow
_opening = threading.Lock()  # settings belong to the file: its first connection in a process makes them for all
_NAME = re.compile(r"warehouse-(\d{8})\.duckdb\Z")


def publish(builder: Builder) -> Path:
    """Write all public tables to a new file, make it durable, then swap the link and renew the copy; gives the file."""
    data = builder.catalog.data
    data.snapshots.mkdir(parents=True, exist_ok=True)
    for leftover in data.snapshots.glob("*.tmp*"):
        leftover.unlink()
    version = max((number for number, _ in _versions(data)), default=0) + 1
    final = data.snapshots / f"warehouse-{version:08d}.duckdb"
    # the lake as it was read: a commit that a crash prevented is made up for here
    _write(builder, final.with_suffix(".tmp"), version, delta.follow(builder.catalog))
    fsync(final.with_suffix(".tmp"))
    final.with_suffix(".tmp").rename(final)
    _swap_link(data.current, final)
    _copy(final, data.warehouse)
    builder.mark_published(final)
    for _, old in sorted(_versions(data))[:-KEEP]:
        old.unlink()
    return final


def _versions(data: DataDir) -> Iterator[tuple[int, Path]]:
    for path in data.snapshots.glob("warehouse-*.duckdb"):
        if found := _NAME.search(path.name):
            yield int(found[1]), path


def _write(builder: Builder, path: Path, version: int, lake: Mapping[str, int]) -> None:
    """A copy of the last snapshot with what is new, or all tables anew."""
    public = [model for model in builder.models.values() if model.is_public]
    words = hashlib.sha256(repr([_words(model) for model in public]).encode()).hexdigest()[:16]
    base = _base(builder, version, words)
    news = builder.news() if base else dict.fromkeys([*builder.models, *LEDGER_TABLES])
    if base:
        clone(base, path)
    db = builder.db
    db.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS snapshot")
    try:
        anew = [model for model in public if news.get(model.name, "") is None]
        for model in anew:
            order = "" if model.kind == "daily" else f"ORDER BY {', '.join(model.grain)}"
            db.execute(f"CREATE OR REPLACE TABLE snapshot.{model.name} AS SELECT * FROM {model.name} {order}")
        for table in (table for table in LEDGER_TABLES if news.get(table, "") is None):
            db.execute(f"CREATE OR REPLACE TABLE snapshot.{table} AS SELECT * FROM {table} ORDER BY ALL")
        for table in [*(model.name for model in public), *LEDGER_TABLES]:
            if where := news.get(table):
                _replace(db, table, where)
        db.execute(
            "CREATE OR REPLACE TABLE snapshot.snapshot_info (version BIGINT, built_at TIMESTAMPTZ, load_seq BIGINT, "
            "meterhouse VARCHAR, lake MAP(VARCHAR, BIGINT), words VARCHAR)"
        )
        db.execute("INSERT INTO snapshot.snapshot_info VALUES (?, ?, ?, ?, map(?::VARCHAR[], ?::BIGINT[]), ?)",
                   [version, datetime.now(UTC), builder.catalog.load_seq, __version__, [*lake], [*lake.values()], words])  # fmt: skip
        _comment(db, anew)
        db.execute("CHECKPOINT snapshot")
    finally:
        db.execute("DETACH snapshot")


def _base(builder: Builder, version: int, words: str) -> Path | None:
    """The last snapshot, when what is new can be put into a copy of it: it is ours, of this code, and not worn out."""
    base = builder.catalog.data.current.resolve()
    if version % ALL_ANEW == 0 or builder.state.published_file != base.name or not base.is_file():
        return None
    try:
        with open_snapshot(base) as db:
            made_by = db.execute("SELECT meterhouse, words FROM snapshot_info").fetchall()
    except duckdb.Error:  # damaged, or of an older form
        return None
    return base if made_by == [(__version__, words)] else None


def _replace(db: duckdb.DuckDBPyConnection, table: str, where: str) -> None:
    """Put some rows in place of those of the last snapshot, in one transaction."""
    with db.cursor() as writer:
        writer.execute("BEGIN")
        writer.execute(f"DELETE FROM snapshot.{table} WHERE {where}")
        writer.execute(f"INSERT INTO snapshot.{table} BY NAME FROM {table} WHERE {where}")
        writer.execute("COMMIT")


def _words(model: Model) -> dict[str, str]:
    """The comments that the table and its columns get."""
    columns = {f"COLUMN snapshot.{model.name}.{name}": column.about for name, column in model.columns.items()}
    return {f"TABLE snapshot.{model.name}": model.description, **columns}


def _comment(db: duckdb.DuckDBPyConnection, models: Iterable[Model]) -> None:
    """The headers' words travel with the tables, so that any SQL client shows them.

    In one transaction: hundreds of commits would cost more than the tables.
    """
    words = {"COLUMN snapshot.snapshot_info.lake": "version of each Delta table that was read",
             "COLUMN snapshot.snapshot_info.words": "digest of all descriptions"}  # fmt: skip
    for model in models:
        words |= _words(model)
    with db.cursor() as writer:  # of its own: a failure leaves no transaction open where the file is detached
        writer.execute("BEGIN")
        for target, about in words.items():
            writer.execute(f"COMMENT ON {target} IS '{about.replace(chr(39), chr(39) * 2)}'")
        writer.execute("COMMIT")


def _swap_link(link: Path, target: Path) -> None:
    temporary = link.with_suffix(".link")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.relative_to(link.parent))
    temporary.replace(link)
    fsync(link.parent)


def _copy(snapshot: Path, target: Path) -> None:
    """People open this one with `duckdb`, which locks the file for everybody else; so our readers use another."""
    temporary = target.with_suffix(".copy")
    clone(snapshot, temporary)
    fsync(temporary)
    temporary.replace(target)


def connect(data: DataDir) -> duckdb.DuckDBPyConnection:
    """The current snapshot, read-only and shut off from files and network.

    Raises MeterhouseError when nothing was published yet.
    """
    if not data.current.exists():
        raise no_snapshot(data)
    # the real name: a second connect() to one path in one process would give the database that is already open
    return open_snapshot(data.current.resolve())


def no_snapshot(data: DataDir) -> MeterhouseError:
    """What to say when nothing was published yet."""
    return MeterhouseError(
        f"{data.root}: holds no published snapshot; run `meterhouse run --raw DEST --data {data.root}`"
    )


def open_snapshot(path: Path) -> duckdb.DuckDBPyConnection:
    """One snapshot by its file, read-only and shut off from files and network."""
    with _opening:
        db = duckdb.connect(str(path), read_only=True, config={"threads": 2})
        locked = db.execute("SELECT current_setting('lock_configuration')").fetchone()
        if locked == (False,):
            db.execute("SET GLOBAL TimeZone = 'UTC'; SET enable_external_access = false; SET lock_configuration = true")
    return db


@contextlib.contextmanager
def reading(data: DataDir, path: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """The current snapshot, or the one of a file, closed at the end."""
    db = open_snapshot(path) if path else connect(data)
    try:
        yield db
    finally:
        db.close()
