"""The README's quick start is exactly two commands, and the first of them ends in a report that one can look at."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def quick_start() -> list[str]:
    """The commands of the README's quick start."""
    section = (ROOT / "README.md").read_text().split("## Quick start")[1].split("## ")[0]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    return block[1].split("\n")[:-1]


def test_the_quick_start_is_two_commands() -> None:
    assert quick_start() == ["make demo", "make test"]


def test_every_target_that_the_pages_name_exists() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
    assert {"setup", "demo", "up", "test", "soak", "check", "bench", "docs", "screenshots"} <= targets


def test_asking_what_make_test_would_do_does_not_do_it() -> None:
    """`make -n` runs every line that names $(MAKE): the whole suite inside the suite, without end."""
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-n", "test"], cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    assert "-m pytest" in done.stdout
    assert "make" not in done.stdout


def test_ci_calls_make_test_and_nothing_cleverer() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[-1] == "exec make test"
    assert len(lines) == 3


@pytest.mark.skipif(
    not (ROOT / ".venv" / "installed").exists(), reason="runs in a checkout that `make setup` installed"
)
def test_make_demo_ends_in_a_report_alerts_and_tables(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    names = [line for line in subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
             .stdout.split("\0") if line and (ROOT / line).is_file()]  # fmt: skip
    for name in names:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, checkout / name)  # with its time, or make would install again, from here
    # the installed environment of this checkout, so that the test needs no network
    (checkout / ".venv").symlink_to(ROOT / ".venv")
    (command, _) = quick_start()
    done = subprocess.run(command.split(), cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    for suffix in (".html", ".pdf", ".txt"):
        assert (checkout / "demo" / "report" / f"report-2026-W46{suffix}").stat().st_size > 2000
    assert "agent spend at list price" in done.stdout
    assert "make up" in done.stdout
    rows = subprocess.run([ROOT / ".venv" / "bin" / "meterhouse", "sql", "--data", "demo/warehouse", "--format", "csv",
                           "SELECT count(DISTINCT agent) FROM fct_requests"],
                          cwd=checkout, capture_output=True, text=True, check=True)  # fmt: skip
    assert rows.stdout.split() == ["count(DISTINCT agent)", "3"] or rows.stdout.splitlines()[-1] == "3"
