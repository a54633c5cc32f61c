"""D1, D2: Dagster's processes are killed, and two want to run at once: one after the other, and what was cut short is finished."""

import os
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest

from faults import house
from meterhouse.lock import run_lock
from meterhouse.orchestration import once
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - tests/pipelines

PATIENT = 900  # seconds; a bound for what never comes, far beyond what a busy machine takes


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    """A bucket with something to load, and the environment of a scheduler on it."""
    for seq in range(1, 4):
        raw.segment(tmp_path / "bucket", [raw.event(key=(seq, n)) for n in range(3)], seq=seq)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("METERHOUSE_STORAGE_RAW", str(tmp_path / "bucket"))
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(tmp_path / "data"))
    return tmp_path / "bucket", DataDir(tmp_path / "data")


def start(bucket, data: DataDir, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "meterhouse", "run", *arguments, "--raw", str(bucket), "--data", str(data.root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.fault("D2")
def test_two_runs_at_once_load_everything_once_and_the_second_is_told_who_is_at_work(waiting, scored):
    bucket, data = waiting
    both = [start(bucket, data, "--plain"), start(bucket, data)]
    answers = [(process.communicate(), process.returncode) for process in both]
    codes = sorted(code for _, code in answers)
    assert codes in ([0, 0], [0, 75]), answers
    for (_, errors), code in answers:
        if code == 75:
            assert "is running on it; wait for it or stop it" in errors
            assert "Traceback" not in errors
    raw.published(bucket, data.root)
    house.assert_accounted(data)
    scored(rounds=2, **house.account(data, bucket))


@pytest.mark.fault("D2")
def test_a_run_by_hand_during_a_run_of_a_scheduler_ends_in_one_line_and_changes_nothing(waiting, scored):
    bucket, data = waiting
    with run_lock(data):  # as a run of Dagster holds it
        for arguments in ((), ("--plain",)):
            process = start(bucket, data, *arguments)
            output, errors = process.communicate()
            assert (process.returncode, output) == (75, "")
            assert errors.startswith(f"meterhouse: {data.root}: process {os.getpid()} is running on it")
            assert errors.count("\n") == 1
    assert not data.catalog.exists()
    assert raw.run(str(bucket), data).loaded.rows == 9
    scored(rounds=2, **house.account(data, bucket))


@pytest.mark.fault("D1")
@pytest.mark.skipif(house.ROUNDS <= 50, reason="`make soak` kills a real daemon: its processes take a minute to start")
def test_a_daemon_killed_with_all_its_processes_is_replaced_and_the_run_it_left_is_finished(waiting, scored):
    bucket, data = waiting
    once.run(str(bucket), data)  # makes the home, and leaves something that is current
    raw.segment(bucket, [raw.event(key=("later",))], seq=9)
    environment = os.environ | {"DAGSTER_HOME": str(data.dagster_home)}
    command = [sys.executable, "-m", "dagster._daemon", "run", "-m", "meterhouse.definitions"]
    killed = 0
    for happened in (_busy, _is_loaded):  # the second daemon finishes what the first one left
        with (data.root / "daemon.log").open("ab") as log:
            daemon = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            _until(happened, data)
        finally:
            os.killpg(daemon.pid, signal.SIGKILL)  # the daemon, its code server and the workers of its runs
            daemon.wait()
        killed += 1
    once.run(str(bucket), data)
    house.assert_accounted(data)
    scored(rounds=killed, **house.account(data, bucket))


def _until(happened, data: DataDir) -> None:
    end = time.monotonic() + PATIENT
    while not happened(data):
        assert time.monotonic() < end, "nothing happened; see daemon.log"
        time.sleep(0.3)


def _busy(data: DataDir) -> bool:
    with dg.DagsterInstance.from_config(str(data.dagster_home)) as instance:
        return bool(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))


def _is_loaded(data: DataDir) -> bool:
    return raw.rows(data, "SELECT sum(rows_loaded) FROM load_ledger") == [(10,)]
