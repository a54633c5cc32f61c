"""From a home folder to tables, as a user would: the real collector as a process, the real load and models."""

import subprocess
import sys
from pathlib import Path

import pytest

from meterhouse.paths import DataDir
from meterhouse.run import run

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"

needs_fixtures = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="the shared fixtures of real agents are not beside this checkout"
)


def collect(home: Path, work: Path) -> str:
    """Run `meterhouse-collector once`; gives what it printed."""
    command = [sys.executable, "-m", "meterhouse_collector", "once", "--home", str(home), "--to", str(work / "raw"),
               "--spool", str(work / "spool")]  # fmt: skip
    work.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def tables_of(home: Path, work: Path) -> DataDir:
    """Collect a home folder and run the pipeline on what was shipped."""
    collect(home, work)
    data = DataDir(work / "data")
    run(str(work / "raw"), data)
    return data
