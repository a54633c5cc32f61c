"""Runs that are killed at random moments while segments arrive end in the tables of an undisturbed run."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from time import perf_counter

from meterhouse.errors import MeterhouseError
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - the folder of these tests

ROUNDS = 50
SEED = int(os.environ.get("METERHOUSE_TEST_SEED", "20261120"))
LEDGER = ("SELECT object_key, sha256, state, spooled, rows_loaded + rows_duplicate, rows_quarantined, rows_parked FROM load_ledger "
          "ORDER BY ALL")  # fmt: skip


def segment_of(dice: random.Random, number: int) -> list:
    """A few events of several kinds on any of eight days; now and then a broken line or one from the future."""
    lines = []
    for n in range(dice.randrange(3, 12)):
        at = f"2026-03-{dice.randrange(1, 9):02d}T{dice.randrange(24):02d}:00:00Z"
        kind = dice.choice(["model_request", "model_request", "tool_call", "prompt", "code_change"])
        more = {"response_id": f"msg_{number:010d}{dice.randrange(5):020d}"} if kind == "model_request" else {}
        lines.append(raw.event(kind, at, key=(number, n), session_id=f"s{dice.randrange(9)}", **more))
    if dice.random() < 0.3:
        lines.append(b'{"kind":"prompt"')
    if dice.random() < 0.3:
        lines.append(raw.event(key=(number, "later")) | {"schema_version": 2})
    return lines


def start(root) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "meterhouse", "run", "--plain", "--raw", str(root / "bucket"), "--data", str(root / "data")],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_fifty_killed_runs_leave_the_tables_of_an_undisturbed_run(tmp_path):
    dice = random.Random(SEED)
    raw.segment(tmp_path / "bucket", segment_of(dice, 0))
    began = perf_counter()
    assert start(tmp_path).wait() == 0
    usual = perf_counter() - began
    killed, torn = 0, 0
    for number in range(1, ROUNDS + 1):
        raw.segment(tmp_path / "bucket", segment_of(dice, number), seq=number)
        process = start(tmp_path)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=usual * dice.uniform(0.4, 1.0))
        process.kill()
        _, errors = process.communicate()
        killed += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), f"seed {SEED}, round {number}: {errors.decode()}"
        try:
            raw.rows(tmp_path / "data", "SELECT count(*) FROM fct_requests")
        except MeterhouseError:
            torn += 1
    assert start(tmp_path).wait() == 0
    whole = raw.published(tmp_path / "bucket", tmp_path / "undisturbed")
    print(f"seed {SEED}: {killed} of {ROUNDS} runs killed, one takes {usual:.1f} s")
    assert torn == 0, f"seed {SEED}: readers always had a snapshot"
    assert killed >= ROUNDS / 4, "the kills hit runs at work"
    assert raw.fingerprint(tmp_path / "data") == raw.fingerprint(whole), f"seed {SEED}"
    assert raw.rows(tmp_path / "data", LEDGER) == raw.rows(whole, LEDGER), f"seed {SEED}"
    named = {path for (path,) in _lake_files(tmp_path / "data")}
    there = {str(path.relative_to(tmp_path / "data/lake")) for path in (tmp_path / "data/lake").rglob("*.parquet")}
    assert there == named, f"seed {SEED}: no file of a killed load is left"


def _lake_files(folder) -> list[tuple]:
    from meterhouse.catalog import Catalog

    with Catalog(DataDir(folder)) as catalog:
        return catalog.db.execute("SELECT path FROM lake_files").fetchall()
