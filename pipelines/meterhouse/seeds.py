"""Tables that people write: CSV files of the models, dated roster and governance of object storage, all as text columns.

Staging models give them types; a broken cell fails the check of its staging model, not the load of the file.
"""

import csv
import functools
import hashlib
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from meterhouse import governance
from meterhouse.errors import SettingsError
from meterhouse.paths import models_dir
from meterhouse.settings import read_settings
from meterhouse.storage import Storage

ROSTER = {
    "people": ("person_key", "team", "role", "is_engineer", "valid_from", "valid_to"),
    "teams": ("team", "division", "cost_centre", "owner", "valid_from", "valid_to"),
}


@dataclass(frozen=True)
class Seed:
    """One table of text columns and the digest of its file."""

    name: str
    frame: pl.DataFrame
    digest: str


def read_seeds(storage: Storage, root: Path | None = None) -> list[Seed]:
    """Every seed of the models, the roster and governance; one whose file is absent is an empty table."""
    root = root or models_dir()
    seeds = [_seed(path.stem, path.read_bytes(), str(path), None) for path in sorted((root / "seeds").glob("*.csv"))]
    for name, columns in ROSTER.items():
        key = f"roster/{name}.csv"
        data = storage.read_optional(key)
        seeds.append(
            _seed(
                name,
                (",".join(columns) + "\n").encode() if data is None else data,
                f"{storage.destination}/{key}",
                columns,
            )
        )
    rules = governance.read_governance(storage, read_settings())
    for name, frame in governance.tables(rules).items():
        seeds.append(Seed(f"seed_{name}", frame, hashlib.sha256(frame.write_csv().encode()).hexdigest()[:16]))
    return seeds


def columns() -> dict[str, tuple[str, ...]]:
    """Names of the columns of each seed, without reading an organisation's own."""
    found = {}
    for path in sorted((models_dir() / "seeds").glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            found[f"seed_{path.stem}"] = tuple(next(csv.reader(file)))
    rules = {name: tuple(frame.columns) for name, frame in governance.tables(governance.Governance()).items()}
    return found | {f"seed_{name}": names for name, names in (ROSTER | rules).items()}


@functools.lru_cache(maxsize=32)  # the sensor reads them twice a minute
def _seed(name: str, data: bytes, where: str, columns: tuple[str, ...] | None) -> Seed:
    try:
        head, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig")), strict=True)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise SettingsError(f"{where}: is no CSV in UTF-8 ({error}); export it again") from error
    if columns and (missing := [column for column in columns if column not in head]):
        raise SettingsError(f"{where}: column '{missing[0]}' is missing; the columns are {', '.join(columns)}")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(head):
            raise SettingsError(f"{where}: line {number} has {len(row)} cells instead of {len(head)}; mend the line")
    if columns:
        _check_periods(where, [dict(zip(head, row, strict=True)) for row in rows], columns[0])
    cells = {column: [row[index] or None for row in rows] for index, column in enumerate(head)}
    frame = pl.DataFrame(cells, schema=dict.fromkeys(head, pl.String))
    return Seed(f"seed_{name}", frame, hashlib.sha256(data).hexdigest()[:16])


def _check_periods(where: str, rows: list[dict[str, str]], key: str) -> None:
    """Dates are dates, and nobody begins twice on one day; a SQL check could only name the model, not the line."""
    first: dict[tuple[str, str], int] = {}
    for number, row in enumerate(rows, start=2):
        for column in ("valid_from", "valid_to"):
            try:
                date.fromisoformat(row[column] or "1970-01-01")
            except ValueError as error:
                raise SettingsError(
                    f"{where}: line {number}, {column}: '{row[column]}' is no date; write YYYY-MM-DD"
                ) from error
        if (other := first.setdefault((row[key], row["valid_from"]), number)) != number:
            raise SettingsError(f"{where}: line {number} begins on the same day as line {other}; keep one of them")


def register(db: duckdb.DuckDBPyConnection, seeds: list[Seed]) -> None:
    """Make the seeds readable as `seed_<name>`."""
    for seed in seeds:
        db.register(f"_{seed.name}", seed.frame.to_arrow())
        db.execute(f"CREATE OR REPLACE TABLE {seed.name} AS SELECT * FROM _{seed.name}")
        db.unregister(f"_{seed.name}")
