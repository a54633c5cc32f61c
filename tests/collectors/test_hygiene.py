"""What a laptop we do not know needs from us: no third-party import, old Python, quick start, nothing of content anywhere."""

import ast
import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.laptop import LAUNCH, Laptop, jsonl, turn  # noqa: TID251 - tests/collectors

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "collectors" / "meterhouse_collector"
MODULES = sorted(PACKAGE.rglob("*.py"))
OPTIONAL = {
    "obstore": "destination.py",
    "zstandard": "stream.py",
    "compression": "stream.py",
    "google": "protobuf.py",
    "opentelemetry": "protobuf.py",
}  # imported lazily, if there
HEAVY = {
    "asyncio",
    "urllib.request",
    "http.client",
    "ssl",
    "email",
    "multiprocessing",
    "xml",
    "unittest",
    "obstore",
    "subprocess",
}


def python39():
    """A Python 3.9 that really starts, or None."""
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    for candidate in [*glob.glob(f"{root}/versions/3.9.*/bin/python3.9"), shutil.which("python3.9")]:
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_the_standard_library_alone(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        for name in names:
            top = name.split(".")[0]
            assert top in sys.stdlib_module_names or top == "meterhouse_collector" or OPTIONAL.get(top) == path.name, (
                name
            )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_is_python_3_9_by_its_grammar(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_python_3_9_reads_and_ships_the_same_bytes(tmp_path, monkeypatch):
    old = python39()
    if old is None:
        pytest.skip("no python3.9 that starts is installed")
    monkeypatch.setenv("METERHOUSE_PERSON", "p-1")
    laptops = {}
    for name, python in {"new": sys.executable, "old": old}.items():
        laptop = laptops[name] = Laptop(tmp_path / name)
        laptop.append(jsonl(turn(n, cwd=str(tmp_path)) for n in range(50)) + "torn")
        for command in ("preview", "once", "once", "status", "doctor"):
            subprocess.run([python, LAUNCH[1], *laptop.arguments(command)], check=True, capture_output=True)
    assert laptops["old"].lines() == laptops["new"].lines()
    assert len(laptops["old"].lines()) == 50


def test_an_idle_once_imports_nothing_heavy(tmp_path):
    laptop = Laptop(tmp_path)
    code = "import sys, launch; code = launch.main(sys.argv[1:]); print(*sys.modules); sys.exit(code)"
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(Path(LAUNCH[1]).parent)!r}); {code}"]
    done = subprocess.run([*command, *laptop.arguments("once")], check=True, capture_output=True, text=True)
    assert not HEAVY & set(done.stdout.split())


def test_no_canary_is_in_spool_destination_or_any_output(tmp_path):
    laptop = Laptop(tmp_path)
    content = {"cwd": "/CANARY-7f3a/path", "extra": {}, "arguments": ["CANARY-7f3a"]}
    laptop.append(jsonl(turn(n, **content) for n in range(20)))
    laptop.append('{"boom":1,"text":"CANARY-7f3a"}\n{"tokens":CANARY-7f3a}\n{"tokens":1,"id":"CANARY-7f3a"}\n')
    laptop.append(jsonl([turn(50, extra={"CANARY-7f3a": 1}), turn(52, at="CANARY-7f3a")]))
    said = b""
    for command in ("preview", "once", "status", "doctor"):
        done = subprocess.run([*LAUNCH, *laptop.arguments(command)], capture_output=True, check=True)
        said += done.stdout + done.stderr
    assert b"20 events" in said
    assert len(laptop.lines()) == 20
    found = [path for folder in (laptop.spool, laptop.to) for path in folder.rglob("*") if path.is_file()]
    assert len(found) >= 4
    everything = said + b"".join(path.read_bytes() for path in found) + b"".join(laptop.lines())
    assert b"CANARY" not in everything
