"""Dagster keeps its runs in PostgreSQL: two commands and a killed one, on a private server (`make test-postgres`)."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from meterhouse.orchestration import once
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - the folder of these tests

DOCS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
PROGRAMS = Path("/usr/lib/postgresql")  # where Debian puts them, by version


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A server of its own, without a superuser's password because only this machine's loopback reaches it."""
    if not os.environ.get("METERHOUSE_TEST_POSTGRES"):
        pytest.skip("`make test-postgres` tests PostgreSQL storage; it needs Debian's postgresql")
    programs = max(PROGRAMS.glob("*/bin"), key=lambda path: int(path.parent.name), default=None)
    assert programs, "no PostgreSQL: install Debian's postgresql"
    root = tmp_path_factory.mktemp("postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = []
    if os.geteuid() == 0:  # the server refuses to run as root
        for folder in (root, *root.parents[:3]):
            folder.chmod(0o755)
        shutil.chown(root, "postgres")
        user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    data = root / "data"
    words = ["-U", "dagster", "-A", "trust", "-E", "UTF8", "--no-sync", "-D", str(data)]
    subprocess.run([*user, programs / "initdb", *words], check=True, capture_output=True, cwd="/")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories='' -c fsync=off"
    control = [*user, programs / "pg_ctl", "-D", str(data), "-w", "-l", str(root / "log")]
    subprocess.run([*control, "-o", options, "start"], check=True, cwd="/", stdout=subprocess.DEVNULL)
    subprocess.run([programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "dagster", "dagster"], check=True)
    yield port
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/", stdout=subprocess.DEVNULL)


@pytest.fixture
def home(postgres, tmp_path, monkeypatch) -> Path:
    """A Dagster home with our settings and the storage that docs/operations.md tells to add."""
    settings = (Path(once.__file__).parent / "dagster.yaml").read_text(encoding="utf-8")
    page = DOCS.read_text(encoding="utf-8")
    storage = page.split("```yaml\n# added to dagster.yaml", 1)[1].split("```", 1)[0]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text(settings + "\n# added" + storage, encoding="utf-8")
    for name, value in {"DAGSTER_HOME": str(tmp_path / "home"), "METERHOUSE_PG_HOST": "127.0.0.1",
                        "METERHOUSE_PG_PORT": str(postgres), "METERHOUSE_PG_PASSWORD": "unused"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


def test_runs_are_kept_in_postgres_and_the_slot_of_a_killed_command_is_free_again(home, tmp_path):
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    raw.segment(bucket, [raw.event(response_id="msg_1"), raw.event("prompt")])
    code = (
        "import os, signal, sys; from meterhouse import __main__, load; "
        "load.load = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
        f"sys.exit(__main__.main(['run', '--raw', {str(bucket)!r}, '--data', {str(data.root)!r}]))"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert "Postgres" in type(instance.run_storage).__name__
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.STARTED]
    assert once.run(str(bucket), data).loaded.rows == 2
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = [(run.job_name, run.status.value) for run in instance.get_runs()]
        record = instance.get_latest_materialization_event(dg.AssetKey("lake"))
    assert runs == [("build", "SUCCESS"), ("load", "SUCCESS"), ("load", "FAILURE")]
    assert record.asset_materialization.metadata["dagster/row_count"].value == 2
    assert not list(home.rglob("*.db")), "nothing is kept in SQLite"
