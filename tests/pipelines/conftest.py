"""What the tests of alerts and mail share: a mail server, and a snapshot that calls for two alerts."""

from datetime import date

import pytest

from meterhouse.paths import DataDir
from meterhouse.run import run
from pipelines import dagster_houses  # noqa: TID251 - tests/pipelines
from pipelines.postbox import Postbox, running  # noqa: TID251 - tests/pipelines
from pipelines.spending import Spent, found, sessions, ship  # noqa: TID251


@pytest.fixture
def box():
    """A mail server that takes everything."""
    with running(Postbox()) as box:
        yield box


@pytest.fixture(scope="session")
def told(tmp_path_factory):
    """A published snapshot with two alerts: a budget passed and a runaway session."""
    root = tmp_path_factory.mktemp("told")
    bucket, data = found(root / "raw"), DataDir(root / "data")
    first = date(2026, 3, 1)
    ship(bucket, [*sessions(first, 1200), Spent(first, 400, "search", "loop")])
    run(str(bucket), data)
    return bucket, data


@pytest.fixture
def fresh(told, tmp_path):
    """The same, with an outbox of its own."""
    bucket, data = told
    copy = DataDir(tmp_path / "fresh")
    copy.snapshots.mkdir(parents=True)
    copy.current.symlink_to(data.current.resolve())
    return str(bucket), copy


@pytest.fixture(scope="session")
def dagster_house(tmp_path_factory):
    """A folder with a bucket and the data directory that Dagster built from it, and the outcome; not to be changed."""
    root = tmp_path_factory.mktemp("dagster_house")
    return root, dagster_houses.make(root)
