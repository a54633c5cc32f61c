"""The swap of a rebuilt data directory for the live one: one rename decides, and nothing before it touches what is live.

What follows the decision is moved piece by piece by whoever holds the run lock next, so a kill leaves the old or the new.
"""

import shutil
from pathlib import Path

from meterhouse.durable import fsync
from meterhouse.paths import DataDir

DATABASES = ("catalog.duckdb", "build.duckdb")
LAKE = "lake"


def beside(data: DataDir) -> DataDir:
    """Where a rebuild works: inside the live directory, because a rename needs the same file system."""
    return DataDir(data.root / "rebuild")


def decide(data: DataDir) -> None:
    """From here on the rebuilt directory is the true one. Its databases are closed and both run locks are held."""
    beside(data).root.rename(_decided(data))
    fsync(data.root)


def finish(data: DataDir) -> None:
    """Move what was decided into place, if anything was; under the run lock. The snapshot is published by the next build."""
    decided = _decided(data)
    if not decided.is_dir():
        return
    for name in DATABASES:
        if (decided / name).exists():
            (data.root / f"{name}.wal").unlink(missing_ok=True)  # it belongs to the old database
            (decided / name).replace(data.root / name)
        if (decided / f"{name}.wal").exists():
            (decided / f"{name}.wal").replace(data.root / f"{name}.wal")
    if (decided / LAKE).exists():
        if data.lake.exists():
            data.lake.rename(decided / "old-lake")
        (decided / LAKE).rename(data.lake)
    fsync(data.root)
    shutil.rmtree(decided)


def _decided(data: DataDir) -> Path:
    return data.root / "rebuilt"
