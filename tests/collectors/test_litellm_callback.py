"""The callback inside LiteLLM's proxy: records what the import would, survives kills, and never harms a request."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings

from collectors.conformance import FIXTURES, json_values  # noqa: TID251 - tests/collectors
from collectors.laptop import Laptop  # noqa: TID251
from meterhouse_collector.__main__ import main
from meterhouse_collector.gateways import forwarder as forwarding
from meterhouse_collector.gateways.litellm_callback import Handler, handler

PAYLOADS = [json.loads(line) for line in (FIXTURES / "litellm" / "payloads.jsonl").read_bytes().split(b"\n")]
WORKER = """
import json, os, sys
from meterhouse_collector.gateways.litellm_callback import handler
first, count = map(int, sys.argv[1:])
for number in range(first, first + count):
    handler.record({"standard_logging_object": {**json.loads(os.environ["PAYLOAD"]), "id": f"msg_{number:024d}"}})
print(handler.flush(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    """Settings of a proxy with one worker: this process."""
    monkeypatch.setenv("METERHOUSE_GATEWAY_SPOOL", str(tmp_path / "gateway"))
    monkeypatch.setenv("METERHOUSE_TO", str(tmp_path / "lake"))
    monkeypatch.setenv("METERHOUSE_PSEUDONYM_KEY", "a key of the organisation")
    monkeypatch.setenv("PAYLOAD", json.dumps(PAYLOADS[0]))
    return Laptop(tmp_path)


@pytest.fixture
def plugin(proxy):
    made = Handler()
    yield made
    if made._forwarder:
        made._forwarder.close()


def log(plugin, payload, method="async_log_success_event"):
    given = {
        "kwargs": {"standard_logging_object": payload, "messages": ["CANARY"]},
        "response_obj": object(),
        "start_time": 0,
        "end_time": 0,
    }
    asyncio.run(getattr(plugin, method)(**given))  # by name, as LiteLLM does


def worker(first, count, **more):
    """A worker of the proxy, as a process of its own that lives until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(first), str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **more},
    )


def ended(process):
    """What a worker said, after a clean end."""
    said = process.communicate("")
    assert process.returncode == 0
    return said


def test_calls_are_shipped_at_exit_as_the_import_of_their_objects_would(proxy, plugin, tmp_path):
    for payload in PAYLOADS:
        method = "async_log_failure_event" if payload["status"] == "failure" else "async_log_success_event"
        log(plugin, payload, method)
    assert plugin.flush()
    plugin._forwarder.close()
    lines = proxy.lines()
    assert len(lines) == 13
    imported = tmp_path / "imported"
    place = ["--home", str(proxy.home), "--spool", str(proxy.spool), "--to", str(imported)]
    main(["import", "litellm", str(FIXTURES / "litellm" / "payloads.jsonl"), *place])
    proxy.to = imported
    assert proxy.lines() == lines


def test_a_call_that_is_told_after_the_end_is_on_disk_for_the_next_process(proxy, plugin):
    """LiteLLM empties its own queue of callbacks when the process has all but ended."""
    log(plugin, PAYLOADS[0])
    plugin._forwarder.close()
    for number in range(3):
        log(plugin, {**PAYLOADS[0], "id": f"msg_{number:024d}"})
    plugin._forwarder._slot[1].close()  # as the system does when a process is gone
    ended(worker(3, 1))
    assert len(proxy.lines()) == 5


def test_a_call_that_is_told_twice_is_one_event(proxy, plugin):
    for method in ("log_success_event", "log_success_event"):
        getattr(plugin, method)({"standard_logging_object": PAYLOADS[0]}, None, 0, 0)
    log(plugin, PAYLOADS[0])
    plugin._forwarder.close()
    assert len(proxy.lines()) == 1


def test_killed_workers_lose_nothing_that_was_on_disk_and_the_next_one_ships_it(proxy):
    killed = [worker(first, 200) for first in (0, 200, 400)]
    assert [process.stdout.readline() for process in killed] == ["True\n"] * 3
    for process in killed:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    ended(worker(600, 10))
    ids = proxy.ids()
    assert sorted(ids) == [f"msg_{number:024d}" for number in range(610)]
    assert len({header["sender"] for header, _ in proxy.segments()}) <= 3, "slots are used again"


def test_workers_at_once_have_a_spool_each_and_ship_everything(proxy):
    workers = [worker(first, 100) for first in (0, 100, 200)]
    assert [process.stdout.readline() for process in workers] == ["True\n"] * 3
    assert all(ended(process) for process in workers)
    assert len(proxy.ids()) == 300
    assert len({header["sender"] for header, _ in proxy.segments()}) == 3


def test_what_cannot_be_shipped_waits_for_the_next_process(proxy, tmp_path):
    process = worker(0, 5, METERHOUSE_TO=str(tmp_path / "no" / "such" / "parent"))
    assert process.stdout.readline() == "True\n"
    assert "its parent folder does not exist" in ended(process)[1]
    assert proxy.lines() == []
    ended(worker(5, 5))
    assert len(proxy.lines()) == 10


def test_without_a_destination_events_wait_and_it_is_said(proxy):
    process = worker(0, 5, METERHOUSE_TO="")
    assert process.stdout.readline() == "True\n"
    assert "METERHOUSE_TO" in ended(process)[1]
    ended(worker(5, 5))
    assert len(proxy.lines()) == 10


def test_a_folder_that_is_a_file_costs_the_events_alone(proxy, tmp_path, capsys):
    (tmp_path / "gateway").write_text("no folder")
    log(Handler(), PAYLOADS[0])
    assert "METERHOUSE_GATEWAY_SPOOL" in capsys.readouterr().err


def test_a_disk_that_hangs_stops_no_call(plugin, monkeypatch):
    log(plugin, PAYLOADS[0])
    assert plugin.flush()
    goes_on = threading.Event()
    monkeypatch.setattr(forwarding.Journal, "append", lambda *_: goes_on.wait())
    for number in range(50):
        log(plugin, {**PAYLOADS[0], "id": f"msg_{number:024d}"})
    assert not plugin.flush(0)
    goes_on.set()
    assert plugin.flush()


def test_a_write_that_fails_is_done_again(proxy, plugin, monkeypatch):
    append, failures = forwarding.Journal.append, iter([OSError(28, "No space left on device")])

    def failing(journal, entries):
        for failure in failures:
            raise failure
        append(journal, entries)

    monkeypatch.setattr(forwarding.Journal, "append", failing)
    log(plugin, PAYLOADS[0])
    assert plugin.flush(30)
    plugin._forwarder.close()
    assert len(proxy.lines()) == 1


def test_what_does_not_fit_the_queue_is_counted(proxy, plugin, monkeypatch):
    monkeypatch.setattr(forwarding, "QUEUE_MAX", 3)
    monkeypatch.setattr(forwarding, "BATCH", 1)
    goes_on, append = threading.Event(), forwarding.Journal.append
    monkeypatch.setattr(forwarding.Journal, "append", lambda *given: (goes_on.wait(), append(*given)))
    for number in range(40):
        log(plugin, {**PAYLOADS[0], "id": f"msg_{number:024d}"})
    goes_on.set()
    assert plugin.flush()
    log(plugin, PAYLOADS[0])
    plugin._forwarder.close()
    assert len(proxy.lines()) + proxy.dropped()["gateway_queue_full"] == 41


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json_values())
def test_nothing_that_litellm_may_pass_raises(plugin, value):
    for payload in (value, {**PAYLOADS[0], "metadata": value}, {"startTime": value, "call_type": value, "id": "x"}):
        plugin.record({"standard_logging_object": payload})
    plugin.record(value)


def test_no_content_is_on_disk_or_said(proxy, tmp_path):
    process = worker(0, 3)
    assert process.stdout.readline() == "True\n"
    files = [path.read_bytes() for path in (tmp_path / "gateway").rglob("*") if path.is_file()]
    said = ended(process)
    assert len(files) >= 4
    assert b"CANARY" not in b"".join(files) + b"".join(proxy.lines()) + "".join(said).encode()


def test_the_module_gives_litellm_an_instance():
    assert isinstance(handler, Handler)
