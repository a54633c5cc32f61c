"""`exec` as a process: streams, signals, terminal and exit code are the agent's own, and nothing of ours keeps it from working."""

import os
import pty
import signal
import subprocess
import sys
import threading

import pytest

from collectors.laptop import LAUNCH  # noqa: TID251 - tests/collectors
from collectors.test_hygiene import python39  # noqa: TID251


@pytest.mark.parametrize("wait", [False, True])
def test_streams_pass_through_untouched(bench, wait):
    bench.agent("claude")
    process = bench.start("claude", wait=wait, order="echo", stdin=subprocess.PIPE)
    out, err = process.communicate(b"some text\n" * 9999, timeout=60)
    assert (process.returncode, out, err) == (0, b"SOME TEXT\n" * 9999, b"told on stderr\n")


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize(("order", "code"), [("0", 0), ("3", 3), ("255", 255), ("die", -signal.SIGKILL)])
def test_the_exit_code_is_the_agents_own_also_when_a_signal_ended_it(bench, wait, order, code):
    bench.agent("claude")
    assert bench.run("claude", wait=wait, order=order)[0] == code


@pytest.mark.parametrize("wait", [False, True])
def test_a_signal_reaches_the_agent(bench, wait):
    bench.agent("claude")
    process = bench.start("claude", wait=wait, order="wait")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 42
    process.communicate()


@pytest.mark.parametrize("wait", [False, True])
@pytest.mark.parametrize("name", ["SIGINT", "SIGHUP"])
@pytest.mark.parametrize("usual", [signal.SIG_DFL, signal.SIG_IGN])
def test_signals_have_their_usual_meaning_in_the_agent_also_under_nohup(bench, wait, name, usual):
    bench.agent("claude")
    number = signal.Signals[name]
    before = signal.signal(number, usual)
    try:
        bench.run("claude", wait=wait)
        code = f"import signal; print(signal.getsignal(signal.{name}))"
        plain = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip()
    finally:
        signal.signal(number, before)
    assert bench.seen()[name.lower()][:30] == plain[:30]


def test_without_wait_the_agent_is_the_very_process_that_was_started(bench):
    bench.agent("claude")
    process = bench.start("claude")
    process.communicate(timeout=60)
    assert bench.seen()["pid"] == process.pid


@pytest.mark.parametrize("wait", [False, True])
def test_a_terminal_stays_the_agents_terminal_and_means_a_person(bench, wait):
    bench.agent("claude")
    ours, theirs = pty.openpty()
    process = bench.start("claude", wait=wait, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    reader = threading.Thread(target=_drain, args=(ours,))
    reader.start()
    assert process.wait(timeout=60) == 0
    reader.join()
    os.close(ours)
    assert bench.seen()["terminal"] == [True, True, True]
    assert bench.drops()[-1]["origin"] == "person"
    assert bench.seen()["environment"]["OTEL_RESOURCE_ATTRIBUTES"].endswith(",meterhouse.origin=person")


def _drain(descriptor):
    try:
        while os.read(descriptor, 1024):
            pass
    except OSError:  # the other end is closed
        pass


def test_broken_settings_and_a_home_that_cannot_be_written_keep_nobody_from_working(bench):
    bench.agent("claude")
    (bench.laptop.spool.parent / "collector.json").write_text("{broken")
    assert bench.run("claude", order="7")[0] == 7
    bench.laptop.spool = bench.bin.parent / "file" / "spool"
    (bench.bin.parent / "file").write_text("in the way")
    assert bench.run("claude", order="7")[0] == 7


def test_a_program_that_is_not_there_is_told_as_a_shell_tells_it(bench):
    process = bench.start("no-such-agent")
    assert b"not found on PATH" in process.communicate(timeout=60)[1]
    assert process.returncode == 127


def test_a_shim_that_starts_itself_ends_with_a_word_about_it(bench):
    shim = bench.bin / "claude"
    command = " ".join([sys.executable, LAUNCH[1], "exec", "--spool", str(bench.laptop.spool), "--", "claude"])
    shim.write_text(f'#!/bin/sh\n{command} "$@"\n')
    shim.chmod(0o755)
    process = bench.start("claude")
    assert b"again and again" in process.communicate(timeout=120)[1]
    assert process.returncode == 126


def test_it_works_the_same_under_python_3_9(bench):
    old = python39()
    if old is None:
        pytest.skip("no python3.9 that starts is installed")
    bench.python = old
    bench.agent("claude", "@anthropic-ai/claude-code", "2.1.328")
    assert bench.run("claude", "-p", "x", order="5")[0] == 5
    assert bench.run("claude", wait=True, order="5")[0] == 5
    assert bench.seen()["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == bench.endpoint
