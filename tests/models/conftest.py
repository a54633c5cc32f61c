"""A database with all tables that the runner provides and all models, without rows."""

import duckdb
import polars as pl
import pytest

from meterhouse import contract
from pipelines import raw  # noqa: TID251 - the folder of the pipeline's tests


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """The working database of a house without events: it knows the type of every column."""
    root = tmp_path_factory.mktemp("empty")
    raw.segment(root / "bucket", [])
    return raw.published(root / "bucket", root / "data").build


@pytest.fixture(scope="module")
def empty_db(empty):
    """The same for tests that clear what they use themselves."""
    with duckdb.connect() as db:
        _fill(db, empty)
        yield db


@pytest.fixture
def db(empty):
    """All tables that the runner provides and all models, without rows."""
    with duckdb.connect() as db:
        _fill(db, empty)
        yield db


def _fill(db, empty):
    db.execute(f"SET TimeZone = 'UTC'; ATTACH '{empty}' AS built (READ_ONLY)")
    names = db.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'built'").fetchall()
    for (name,) in names:
        db.execute(f"CREATE TABLE {name} AS FROM built.{name} LIMIT 0")
    for name, kind in contract.kinds().items():
        columns = pl.DataFrame(schema=kind.columns).to_arrow()  # noqa: F841 - DuckDB finds it by name
        db.execute(f"CREATE TABLE lake_{name} AS FROM columns")
    db.execute("CREATE TABLE run_days (day DATE)")
