"""`python -m meterhouse_dashboards` serves on this host only, tells nobody, and stops when told."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from meterhouse_dashboards import __main__ as start


@pytest.fixture
def server(sample_data, tmp_path) -> Iterator[tuple[subprocess.Popen, str]]:
    """The running server and the address it printed."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "meterhouse_dashboards", "--data", str(sample_data.root), "--port", port],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert process.stdout
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def health(process: subprocess.Popen, address: str) -> bytes:
    """Its answer as soon as it listens; nothing it prints says when that is."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health") as answer:
                return answer.read()
        except urllib.error.URLError:
            time.sleep(0.1)
    return b""


def test_it_prints_its_address_answers_there_and_stops_on_ctrl_c(server):
    process, address = server
    assert address.startswith("http://127.0.0.1:")
    assert health(process, address) == b"ok"
    process.send_signal(signal.SIGINT)
    process.wait()
    assert process.stdout
    assert "Traceback" not in process.stdout.read()


def test_it_gathers_no_statistics_and_shows_no_trace():
    flags = start.command(8501)
    wanted = ("--browser.gatherUsageStats=false", "--server.address=127.0.0.1", "--client.showErrorDetails=none")
    assert set(wanted) <= set(flags)


def test_without_a_data_directory_it_says_what_to_set(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("METERHOUSE_STORAGE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert start.main([]) == 1
    assert "METERHOUSE_STORAGE_DATA" in capsys.readouterr().err
