"""The two wheels: nothing in them but their packages, and what is installed from them works by itself."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pipelines/meterhouse", "dashboards/meterhouse_dashboards", "collectors/meterhouse_collector")
LONGEST = 300  # lines of a source file


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Both wheels, built as pip builds them."""
    out = tmp_path_factory.mktemp("wheels")
    for project in (ROOT, ROOT / "collectors"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
        subprocess.run(command, cwd=project, check=True, capture_output=True)
    return {path.name.partition("-")[0]: path for path in out.glob("*.whl")}


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory):
    """Both wheels unpacked into an empty folder, as `pip install --no-deps --target` does."""
    target = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*command, *map(str, wheels.values())], check=True, capture_output=True)
    return target


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def metadata(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def python(folder: Path, code: str) -> str:
    """The code's output in a process that sees the folder and nothing of the checkout."""
    guard = f"import sys; sys.path = [{str(folder)!r}] + [p for p in sys.path if not p.startswith({str(ROOT)!r}) or '.venv' in p]\n"
    guard += f"sys.meta_path = [f for f in sys.meta_path if 'editable' not in type(f).__module__ + str(f)]; import os; os.chdir({str(folder)!r})\n"
    done = subprocess.run([sys.executable, "-c", guard + code], capture_output=True, text=True, check=False,
                          env={key: value for key, value in os.environ.items() if not key.startswith("METERHOUSE_")})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("wheel", "packages"),
    [("meterhouse", {"meterhouse", "meterhouse_dashboards"}), ("meterhouse_collector", {"meterhouse_collector"})],
)
def test_a_wheel_installs_its_packages_and_no_other_name(wheels, wheel, packages):
    tops = {name.split("/")[0] for name in names(wheels[wheel])}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages
    unwanted = re.compile(r"(^|/)(tests?|__pycache__|\.git|data|docs)(/|$)|\.pyc$")
    assert [name for name in names(wheels[wheel]) if unwanted.search(name)] == []


def test_the_server_wheel_carries_every_model_file(wheels):
    inside = {name.removeprefix("meterhouse/_models/") for name in names(wheels["meterhouse"]) if "/_models/" in name}
    there = {str(path.relative_to(ROOT / "models")) for path in (ROOT / "models").rglob("*") if path.is_file()}
    assert {name for name in there if name.endswith((".sql", ".csv", ".json"))} <= inside


@pytest.mark.parametrize("wheel", ["meterhouse", "meterhouse_collector"])
def test_a_wheel_carries_its_licence_and_a_readme(wheels, wheel):
    assert any("LICENSE" in name for name in names(wheels[wheel]))
    assert metadata(wheels[wheel])["License-Expression"] == "Apache-2.0"
    assert "eterhouse" in metadata(wheels[wheel]).get_payload()


def test_the_collector_needs_nothing_but_an_old_python(wheels):
    about = metadata(wheels["meterhouse_collector"])
    assert about["Requires-Python"] == ">=3.9"
    assert [row for row in about.get_all("Requires-Dist") or [] if "extra ==" not in row] == []


# the extras for buckets and for OTLP in protobuf, decoders of archives and the proxy's own base class, each asked for first
WHEN_THERE = {"obstore", "compression", "zstandard", "opentelemetry", "google", "litellm"}


def imported(nodes) -> set[str]:
    """Packages that these statements import from outside the standard library."""
    nodes = list(nodes)
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 0]
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"meterhouse_collector"}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "collectors/meterhouse_collector").rglob("*.py")), ids=lambda path: path.stem
)
def test_the_collector_imports_the_standard_library_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert imported(tree.body) == set()
    assert imported(ast.walk(tree)) <= WHEN_THERE


def test_what_is_installed_finds_its_own_models(installed):
    code = (
        "import meterhouse.paths as paths; from meterhouse.models import load_models; from meterhouse.contract import kinds\n"
        "print(paths.models_dir()); print(len(load_models()), len(kinds()))"
    )
    where, counts = python(installed, code).splitlines()
    assert where == str(installed / "meterhouse" / "_models")
    assert counts.split()[0] == str(
        sum(1 for layer in ("staging", "intermediate", "marts") for _ in (ROOT / "models" / layer).glob("*.sql"))
    )


def test_nothing_named_after_a_folder_of_the_checkout_can_be_imported(installed):
    code = "import importlib.util\nprint([n for n in ('models', 'pipelines', 'dashboards', 'collectors') if importlib.util.find_spec(n)])"
    assert python(installed, code).strip() == "[]"


def test_both_commands_answer_from_the_installed_wheels(installed):
    code = "import runpy\nsys.argv = ['x', '--help']\n"
    for package in ("meterhouse", "meterhouse_collector"):
        out = python(
            installed,
            code
            + f"try: runpy.run_module({package!r}, run_name='__main__')\nexcept SystemExit as end: assert not end.code",
        )
        assert "usage" in out


def test_the_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_no_source_file_is_longer_than_a_reader_can_hold():
    sizes = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for folder in (*SOURCES, "models")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sql")
    }
    assert {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size >= LONGEST} == {}
