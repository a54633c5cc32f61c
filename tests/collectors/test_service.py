"""install and uninstall: the files of all three platforms, without a secret in them; doing it twice changes nothing, undoing leaves nothing."""

import json
import os
import plistlib
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from collectors.laptop import LAUNCH, Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import __version__, service
from meterhouse_collector.service import Job, systemd

KEY = "an organisation's secret key"
AWKWARD = Path('/home/dev eloper/100% "of" $HOME & <co>')
PLATFORMS = ("linux", "darwin", "win32")


def plan(platform, state=AWKWARD):
    command = [
        "/usr/bin/python3",
        "-I",
        "-m",
        "meterhouse_collector",
        "run",
        "--settings",
        str(state / "collector.json"),
    ]
    return service.platform_of(platform).plan(Job(command, AWKWARD, state), {"USERNAME": "dev", "USERDOMAIN": "ACME"})


def test_a_systemd_unit_is_limited_hardened_and_restarted():
    text = plan("linux").text
    options = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    assert options["Restart"] == "on-failure"
    assert options["NoNewPrivileges"] == "yes"
    assert options["UMask"] == "0077"
    assert {"Nice", "CPUQuota", "MemoryMax", "TasksMax", "IOSchedulingClass"} <= set(options)
    assert options["WantedBy"] == "default.target"
    assert options["ExecStart"].endswith(r'''"/home/dev eloper/100%% \"of\" $$HOME & <co>/collector.json"''')


def test_systemd_itself_finds_nothing_wrong_with_the_unit(tmp_path):
    import shutil

    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / systemd.UNIT
    path.write_text(systemd.unit(Job([sys.executable, "-V"], tmp_path, tmp_path)))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(path)], capture_output=True, text=True, check=False
    )
    assert "Unknown" not in done.stderr
    assert "Failed to parse" not in done.stderr


def test_a_launchd_list_says_the_same_and_keeps_every_word():
    content = plistlib.loads(plan("darwin").text.encode())
    assert content["ProgramArguments"][-1] == str(AWKWARD / "collector.json")
    assert content["KeepAlive"] == {"SuccessfulExit": False}
    assert content["ProcessType"] == "Background"
    assert content["RunAtLoad"] is True


def test_a_windows_task_is_xml_and_keeps_every_word():
    made = plan("win32")
    root = ET.fromstring(made.text.encode(made.encoding))
    name = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    assert root.find(f".//{name}RunLevel").text == "LeastPrivilege"
    assert root.find(f".//{name}RestartOnFailure") is not None
    assert root.find(f".//{name}UserId").text == "ACME\\dev"
    assert subprocess.list2cmdline([str(AWKWARD / "collector.json")]) in root.find(f".//{name}Arguments").text


@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_starts_at_login_and_stops_what_it_started(platform):
    made = plan(platform)
    assert made.path.is_relative_to(AWKWARD)
    assert made.start[-1][0] == made.stop[0][0]


class Machine:
    """A laptop whose systemctl writes down what it is told."""

    def __init__(self, root, has_systemctl=True):
        self.laptop, self.bin, self.log = Laptop(root), root / "bin", root / "systemctl.log"
        self.bin.mkdir()
        self.log.touch()
        if has_systemctl:
            tool = self.bin / "systemctl"
            tool.write_text(f'#!/bin/sh\necho "$@" >> {self.log}\n')
            tool.chmod(0o755)

    def __call__(self, command, *more, **variables):
        place = ["--home", str(self.laptop.home), "--spool", str(self.laptop.spool)]
        environment = {"PATH": str(self.bin), "HOME": str(self.laptop.home), **variables}
        return subprocess.run([sys.executable, LAUNCH[1], command, *place, *more], env=environment, capture_output=True,
                              text=True, check=False)  # fmt: skip

    @property
    def unit(self):
        return self.laptop.home / ".config" / "systemd" / "user" / systemd.UNIT

    def files(self):
        return {path: path.read_bytes() for path in self.laptop.root.rglob("*") if path.is_file() and path != self.log}


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="installs through systemctl")


@linux
def test_install_writes_settings_and_unit_and_starts_it_and_again_changes_nothing(tmp_path):
    machine = Machine(tmp_path)
    given = ("--to", str(machine.laptop.to), "--person", "dev@example.com", "--gateway-url", "https://gw.example.com")
    done = machine("install", *given, METERHOUSE_PSEUDONYM_KEY=KEY)
    assert done.returncode == 0, done.stderr
    settings = machine.laptop.spool.parent / "collector.json"
    assert json.loads(settings.read_text())["pseudonym_key"] == KEY
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    text = machine.unit.read_text()
    assert KEY not in text
    assert "example.com" not in text
    assert str(settings) in text
    assert machine.log.read_text().splitlines() == [
        "--user daemon-reload", f"--user enable {systemd.UNIT}", f"--user restart {systemd.UNIT}"
    ]  # fmt: skip
    before = machine.files()
    assert machine("install").returncode == 0
    assert machine.files() == before


@linux
def test_print_shows_everything_but_secrets_and_does_nothing(tmp_path):
    machine = Machine(tmp_path)
    before = machine.files()
    done = machine("install", "--to", "/lake", "--print", METERHOUSE_PSEUDONYM_KEY=KEY)
    assert "ExecStart=" in done.stdout
    assert '"pseudonym_key": "…"' in done.stdout
    assert KEY not in done.stdout + done.stderr
    assert machine.files() == before
    assert machine.log.read_text() == ""


@linux
def test_without_systemctl_it_says_what_to_run(tmp_path):
    machine = Machine(tmp_path, has_systemctl=False)
    done = machine("install", "--to", str(machine.laptop.to))
    assert done.returncode == 0
    assert f"systemctl --user enable {systemd.UNIT}" in done.stderr
    assert machine.unit.exists()


@linux
def test_install_needs_a_destination_and_good_settings(tmp_path):
    machine = Machine(tmp_path)
    assert "--to: no destination" in machine("install").stderr
    assert "pseudonym_key is missing" in machine("install", "--to", "/lake", "--person", "dev@example.com").stderr
    assert not machine.unit.exists()
    assert not (machine.laptop.spool.parent / "collector.json").exists()


@linux
def test_uninstall_removes_what_install_made_and_keeps_what_was_collected(tmp_path):
    machine = Machine(tmp_path)
    machine.laptop.append(jsonl([turn(1)]))
    machine("install", "--to", "/no/such/place/lake")
    machine("once")
    done = machine("uninstall")
    assert not machine.unit.exists()
    assert "with 1 segments that wait" in done.stderr
    assert any(machine.laptop.spool.rglob("*.jsonl.gz"))
    assert f"--user disable --now {systemd.UNIT}" in machine.log.read_text()
    assert "nothing was installed" in machine("uninstall").stderr


@linux
def test_purge_ships_before_it_removes_and_keeps_what_it_cannot_ship(tmp_path):
    machine = Machine(tmp_path)
    machine.laptop.append(jsonl([turn(1)]))
    machine("install", "--to", "/no/such/place/lake")
    machine("once")
    assert machine("uninstall", "--purge").returncode == 1
    assert any(machine.laptop.spool.rglob("*.jsonl.gz"))
    assert machine("uninstall", "--purge", "--to", str(machine.laptop.to)).returncode == 0
    assert not machine.laptop.spool.exists()
    assert machine.laptop.ids() == ["turn-1"]


def test_the_command_of_a_service_runs_this_collector_wherever_it_is_started(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the user was imported')")
    command = [*service.command_of("/s/collector.json", "/s/spool", None)[:4], "--version"]
    assert os.path.isabs(command[0])
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (__version__, "")
