"""A made-up agent, its dialect and its vendor, each one module that nothing else names: laptop, tables and report know them all."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.vendor_apis import Loopback  # noqa: TID251 - tests/collectors
from meterhouse.paths import DataDir
from meterhouse.report import build
from meterhouse.run import run
from meterhouse.snapshot import reading

MADE_UP = Path(__file__).with_name("made_up")
FIXTURES = MADE_UP / "fixture"
TESTS = Path(__file__).resolve().parents[1]
COLLECTORS = TESTS.parent / "collectors"
KEY = "made-up-key-CANARY"


class Machine:
    """A collector with one more module in each of its packages, as a process; all below one folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.to = root, root / "bucket"
        package = root / "collectors" / "meterhouse_collector"
        shutil.copytree(COLLECTORS / "meterhouse_collector", package, ignore=shutil.ignore_patterns("__pycache__"))
        for module, place in (("source", "sources"), ("dialect", "otlp/dialects"), ("vendor", "pulls")):
            shutil.copyfile(MADE_UP / f"{module}.py", package / place / "sketchpad.py")
        shutil.copytree(FIXTURES / "source" / "morning", root / "home")

    def run(self, *words: str, **variables: str) -> str:
        """What a command prints."""
        places = ["--home", str(self.root / "home"), "--spool", str(self.root / "state" / "spool")]
        shipping = [] if words[0] == "preview" else ["--to", str(self.to)]
        ours = {"PYTHONPATH": str(self.root / "collectors"), "METERHOUSE_PERSON": "p-1", "NO_PROXY": "127.0.0.1"}
        done = subprocess.run([sys.executable, "-m", "meterhouse_collector", *words, *places, *shipping], text=True,
                              capture_output=True, check=False, env={**os.environ, **ours, **variables})  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shipped(self) -> list[bytes]:
        """The lines of all segments, without their headers."""
        return [line for path in sorted(self.to.rglob("*.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()[1:]]  # fmt: skip


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Previewed, collected, imported and pulled; `previewed` and `told` are what was printed."""
    machine = Machine(tmp_path_factory.mktemp("made_up"))
    machine.previewed = machine.run("preview").encode().splitlines()
    machine.run("once")
    machine.once = machine.shipped()
    machine.told = json.loads(machine.run("doctor", "--json"))
    machine.run("import", "otlp", str(FIXTURES / "otlp" / "bodies.jsonl"))
    with Loopback({"/usage": lambda query, body: {"rows": [{"wrote": 95}]}}) as api:
        variables = {"METERHOUSE_SKETCHPAD_KEY": KEY, "METERHOUSE_SKETCHPAD_URL": api.url}
        machine.run("pull", "sketchpad", "--since", "2026-03-03", "--until", "2026-03-03", **variables)
    return machine


@pytest.fixture(scope="module")
def data(machine):
    """The tables of what was shipped."""
    data = DataDir(machine.root / "data")
    run(str(machine.to), data)
    return data


def rows(data, query):
    with reading(data) as db:
        return db.execute(query).fetchall()


def test_doctor_finds_its_files(machine):
    assert any(row["level"] == "ok" and row["text"].startswith("sketchpad: 1 session files") for row in machine.told["findings"])  # fmt: skip


def test_preview_shows_what_is_shipped_and_no_content(machine):
    ours = [line for line in machine.previewed if b'"agent":"sketchpad"' in line]
    assert len(ours) == 3
    assert ours == [line for line in machine.once if b'"agent":"sketchpad"' in line]
    assert b"CANARY" not in b"".join(machine.shipped())


def test_its_requests_are_counted_once_and_priced(data):
    query = "SELECT agent, output_tokens, channels, list_cost_usd > 0 FROM fct_requests ORDER BY started_at"
    assert rows(data, query) == [
        ("sketchpad", 40, "otlp,transcript", True), ("sketchpad", 5, "otlp", True), ("sketchpad", 50, "transcript", True),
    ]  # fmt: skip
    assert rows(data, "SELECT agent, success FROM fct_tool_calls") == [("sketchpad", False)]


def test_its_vendors_report_stands_beside_them(data):
    assert rows(data, "SELECT agent, output_tokens FROM fct_vendor_usage") == [("sketchpad", 95)]


def test_reports_and_coverage_name_it(data, tmp_path):
    for table in ("rpt_usage_daily", "rpt_coverage"):
        assert ("sketchpad",) in rows(data, f"SELECT DISTINCT agent FROM {table}"), table
    (text,) = [path.read_text() for path in build(data, "2026-W10", tmp_path) if path.suffix == ".txt"]
    assert "sketchpad" in text.lower()


@pytest.mark.parametrize(("tests", "fixture", "place", "count"), [
    ("test_every_source.py", "source", "sketchpad", 6), ("test_otlp.py", "otlp", "otlp/sketchpad", 5),
])  # fmt: skip
def test_its_fixtures_are_tested_without_a_test_of_its_own(machine, tests, fixture, place, count, tmp_path):
    folder = tmp_path / "tests" / "collectors"
    shutil.copytree(FIXTURES / fixture, folder / "fixtures" / place)
    for name in (tests, "conformance.py", "pushed.py", "../conftest.py"):
        shutil.copyfile(TESTS / "collectors" / name, folder / name)
    (tmp_path / "tests" / "faults").mkdir()
    shutil.copyfile(TESTS / "faults" / "catalogue.py", tmp_path / "tests" / "faults" / "catalogue.py")  # for conftest
    paths = (machine.root / "collectors", tmp_path / "tests", TESTS.parent / "pipelines")
    words = ["-q", "--import-mode=importlib", "-p", "no:cacheprovider", "-k", "sketchpad", "--rootdir", str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", "pytest", *words, str(folder / tests)], text=True, capture_output=True, check=False,
                          cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))})  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert f"{count} passed" in done.stdout
    if os.environ.get("ACCEPT"):
        for expected in (folder / "fixtures" / place).rglob("expected.jsonl"):
            shutil.copyfile(expected, FIXTURES / fixture / expected.relative_to(folder / "fixtures" / place))
