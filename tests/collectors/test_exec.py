"""`exec -- AGENT …`: the agent gets what we add, and everything else as if we were not there; one start is recorded, no argument."""

import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from collectors.laptop import LAUNCH, Laptop  # noqa: TID251 - tests/collectors
from collectors.test_hygiene import python39  # noqa: TID251 - tests/collectors
from meterhouse_collector.commands.exec import marked

AGENT = Path(__file__).with_name("fake_agent.py")
OURS = re.compile(r"^(METERHOUSE|CLAUDE|OTEL|CODEX|GEMINI|QWEN|COPILOT|ANTHROPIC|OPENAI|GOOGLE|CI$|GITHUB|GITLAB)")
CANARY = "CANARY-7f3a argument"


class Bench:
    """A home, a PATH with fake agents, and a receiver that only listens."""

    def __init__(self, root):
        self.home, self.bin, self.report = root / "home", root / "bin", root / "report.json"
        self.laptop = Laptop(root)
        self.bin.mkdir()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.variables = {}
        self.python = sys.executable
        self.settings(otlp_endpoint=self.endpoint)

    def settings(self, **values):
        self.laptop.spool.parent.mkdir(exist_ok=True)
        (self.laptop.spool.parent / "collector.json").write_text(json.dumps(values))

    def agent(self, name, package=None, version=None):
        folder = self.bin if package is None else self.bin.parent / "lib" / "node_modules" / package
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "cli.py" if package else folder / name
        path.write_text(f"#!{sys.executable}\n" + AGENT.read_text())
        path.chmod(0o755)
        if package:
            (folder / "package.json").write_text(json.dumps({"name": package, "version": version}))
            (self.bin / name).symlink_to(path)
        return self.bin / name

    def start(self, *arguments, wait=False, order="0", **popen):
        environment = {key: value for key, value in os.environ.items() if not OURS.match(key)}
        environment |= {"HOME": str(self.home), "PATH": f"{self.bin}:{os.environ['PATH']}"}
        environment |= {"FAKE_REPORT": str(self.report), "FAKE_AGENT": order, **self.variables}
        command = [
            self.python,
            LAUNCH[1],
            "exec",
            "--spool",
            str(self.laptop.spool),
            *(["--wait"] if wait else []),
            "--",
        ]
        popen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen}
        return subprocess.Popen([*command, *arguments], env=environment, **popen)

    def run(self, *arguments, **more):
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=60)
        assert err == b""
        return process.returncode, out

    def seen(self):
        return json.loads(self.report.read_text())

    def drops(self):
        return [json.loads(path.read_text()) for path in sorted((self.laptop.spool.parent / "launches").glob("*.json"))]

    def launches(self):
        self.laptop.once()
        return [event for event in self.laptop.events() if event["kind"] == "launch"]


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.listener.close()


def test_the_agent_gets_export_and_a_mark_and_every_argument_as_it_was(bench):
    bench.agent("claude")
    assert bench.run("claude", "-p", CANARY, "--", "--wait", "")[0] == 0
    seen = bench.seen()
    assert seen["arguments"] == ["-p", CANARY, "--", "--wait", ""]
    environment = seen["environment"]
    assert environment["CLAUDE_CODE_ENABLE_TELEMETRY"] == "1"
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == bench.endpoint
    assert environment["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/json"
    (launch,) = bench.drops()
    assert environment["OTEL_RESOURCE_ATTRIBUTES"] == f"meterhouse.launch_id={launch['launch_id']}"
    assert launch["agent"] == "claude_code"


def test_codex_is_switched_on_by_arguments_before_its_own(bench):
    bench.agent("codex")
    bench.run("codex", "exec", CANARY)
    arguments = bench.seen()["arguments"]
    assert arguments[-2:] == ["exec", CANARY]
    assert (
        f'otel.exporter={{ otlp-http = {{ endpoint = "{bench.endpoint}/v1/logs", protocol = "json" }} }}' in arguments
    )


def test_an_agent_that_nobody_knows_gets_opentelemetrys_own_variables_and_keeps_its_name_to_itself(bench):
    bench.agent("secret-project-bot")
    bench.run("secret-project-bot")
    assert bench.seen()["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"] == bench.endpoint
    (launch,) = bench.launches()
    assert launch["agent"] == "other"
    assert b"secret-project" not in b"".join(bench.laptop.lines())


def test_the_gateway_of_the_settings_is_put_in_place_unless_the_person_chose_one(bench):
    bench.settings(otlp_endpoint=bench.endpoint, gateway_url="https://gateway.example.com/")
    for name in ("claude", "codex"):
        bench.agent(name)
    bench.run("claude")
    assert bench.seen()["environment"]["ANTHROPIC_BASE_URL"] == "https://gateway.example.com"
    bench.run("codex")
    assert bench.seen()["environment"]["OPENAI_BASE_URL"] == "https://gateway.example.com/v1"
    assert 'openai_base_url="https://gateway.example.com/v1"' in bench.seen()["arguments"]
    bench.variables["ANTHROPIC_BASE_URL"] = "https://mine.example.com"
    bench.run("claude")
    assert bench.seen()["environment"]["ANTHROPIC_BASE_URL"] == "https://mine.example.com"


def test_an_export_that_somebody_else_set_up_is_left_alone_and_still_marked(bench):
    bench.agent("claude")
    bench.variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = "https://otel.example.com"
    bench.variables["OTEL_RESOURCE_ATTRIBUTES"] = "team.id=checkout,meterhouse.launch_id=outer,cost_center=42"
    bench.run("claude")
    environment = bench.seen()["environment"]
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "https://otel.example.com"
    assert "CLAUDE_CODE_ENABLE_TELEMETRY" not in environment
    (launch,) = bench.drops()
    expected = f"team.id=checkout,cost_center=42,meterhouse.launch_id={launch['launch_id']}"
    assert environment["OTEL_RESOURCE_ATTRIBUTES"] == expected


def test_settings_of_the_person_that_export_elsewhere_are_left_alone(bench):
    bench.agent("codex")
    (bench.home / ".codex").mkdir()
    (bench.home / ".codex" / "config.toml").write_text(
        '[otel.exporter.otlp-http]\nendpoint = "https://otel.example.com"\n'
    )
    bench.run("codex", "exec")
    assert bench.seen()["arguments"] == ["exec"]


def test_nothing_is_switched_on_when_nothing_listens(bench):
    bench.agent("claude")
    bench.listener.close()
    bench.run("claude")
    assert "CLAUDE_CODE_ENABLE_TELEMETRY" not in bench.seen()["environment"]
    assert len(bench.drops()) == 1


def test_a_new_session_of_claude_code_is_tied_by_its_id_and_others_are_not_touched(bench):
    bench.agent("claude", "@anthropic-ai/claude-code", "2.1.328")
    bench.run("claude", "-p", CANARY)
    flag, session_id, *rest = bench.seen()["arguments"]
    assert (flag, rest) == ("--session-id", ["-p", CANARY])
    (launch,) = bench.launches()
    assert (launch["session_id"], launch["agent_version"]) == (session_id, "2.1.328")
    for words in (["mcp", "list"], ["--continue"], ["--resume"], ["-p", "--version"], ["--resume=x"]):
        bench.run("claude", *words)
        assert bench.seen()["arguments"] == words
    known = "0d70eb79-0000-4000-8000-000000000001"
    bench.run("claude", "--resume", known)
    assert bench.seen()["arguments"] == ["--resume", known]
    assert known in {event.get("session_id") for event in bench.launches()}


def test_an_old_version_that_may_not_know_the_flag_is_not_given_it(bench):
    bench.agent("claude", "@anthropic-ai/claude-code", "1.0.30")
    bench.run("claude")
    assert bench.seen()["arguments"] == []


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
def test_signals_have_their_usual_meaning_in_the_agent(bench, wait):
    bench.agent("claude")
    bench.run("claude", wait=wait)
    plain = subprocess.run([sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT))"],
                           capture_output=True, check=True, text=True).stdout.strip()  # fmt: skip
    assert bench.seen()["sigint"][:30] == plain[:30]


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


@pytest.mark.parametrize(
    ("variables", "origin"),
    [({}, None), ({"CI": "true"}, "ci"), ({"CLAUDECODE": "1", "CI": "1"}, "agent"), ({"METERHOUSE_ORIGIN": "schedule"}, "schedule"),
     ({"METERHOUSE_LAUNCH_ID": "x"}, "agent"), ({"METERHOUSE_ORIGIN": "nonsense"}, None)],
)  # fmt: skip
def test_the_origin_is_what_can_be_seen_and_else_unknown(bench, variables, origin):
    bench.agent("claude")
    bench.variables.update(variables)
    bench.run("claude")
    assert bench.drops()[0].get("origin") == origin


def test_a_start_becomes_one_event_and_its_file_goes(bench):
    bench.agent("gemini")
    bench.run("gemini", CANARY)
    (path,) = (bench.laptop.spool.parent / "launches").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert CANARY not in path.read_text()
    (launch,) = bench.launches()
    assert launch["agent"] == "gemini_cli"
    assert launch["channel"] == "collector"
    assert "exit_code" not in launch
    assert not path.exists()
    bench.laptop.once()
    assert len(bench.launches()) == 1
    assert b"CANARY" not in b"".join(bench.laptop.lines())


def test_a_start_that_is_waited_for_tells_its_end_as_well(bench):
    bench.agent("claude")
    bench.run("claude", wait=True, order="3")
    begin, end = bench.launches()
    assert begin["launch_id"] == end["launch_id"]
    assert (end["exit_code"], end["duration_ms"] > 0) == (3, True)


def test_preview_shows_starts_and_takes_none(bench, capfdbinary):
    from meterhouse_collector.__main__ import main

    bench.agent("claude")
    bench.run("claude")
    capfdbinary.readouterr()
    main(bench.laptop.arguments("preview"))
    shown = capfdbinary.readouterr().out
    assert len(bench.drops()) == 1
    bench.laptop.once()
    assert shown == b"".join(line + b"\n" for line in bench.laptop.lines())
    assert b'"kind":"launch"' in shown


def test_damaged_files_are_counted_and_go(bench):
    folder = bench.laptop.spool.parent / "launches"
    folder.mkdir(parents=True)
    for number, text in enumerate(
        ["", "[]", "{}", '{"started_at":"x"}', '{"launch_id":"a","started_at":7}', "[" * 4000]
    ):
        (folder / f"{number:032x}.json").write_text(text)
    (folder / "notes.txt").write_text("not ours")
    assert bench.launches() == []
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    bench.laptop.file().write_text('{"id":"t","tokens":1,"at":"2026-10-01T00:00:00Z"}\n')
    bench.laptop.once()
    assert bench.laptop.dropped() == {"launch_damaged": 5, "contract": 1}


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


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "meterhouse.launch_id=L"), (" ", "meterhouse.launch_id=L"), ("a=1,", "a=1,meterhouse.launch_id=L"),
     ("meterhouse.origin=ci,meterhouse.launch_id=K", "meterhouse.launch_id=L"), ("broken", "broken,meterhouse.launch_id=L")],
)  # fmt: skip
def test_resource_attributes_keep_what_others_put_there(before, after):
    assert marked(before, "L", None) == after
