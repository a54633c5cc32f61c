"""How tests open a page: as Streamlit runs it, against a data directory of their own."""

import shutil
from pathlib import Path

import duckdb
from streamlit.testing.v1 import AppTest

from meterhouse.paths import DataDir
from meterhouse_dashboards import navigation

APP = navigation.VIEWS.parent / "app.py"
VIEWS = [view.path.name for view in navigation.views()]
TIMEOUT = 120  # a busy machine is slow; only a page that hangs gets there


def open_page(name: str, **filters: str) -> AppTest:
    """One page after its run, with filters set as a link in a mail sets them."""
    app = AppTest.from_file(str(APP), default_timeout=TIMEOUT).run()
    for key, value in filters.items():
        app.query_params[key] = value
    return app.switch_page(f"views/{name}").run()


def problems(app: AppTest) -> list[str]:
    """Exceptions that the page showed or swallowed."""
    return [row.value for row in (*app.exception, *app.error)]


def markup(app: AppTest) -> str:
    """Everything on the page that is read as Markdown."""
    texts = [*app.markdown, *app.caption, *app.title, *app.subheader, *app.info, *app.warning]
    return "\n".join(
        [row.value for row in texts] + [f"{row.label} {row.value} {row.delta} {row.help}" for row in app.metric]
    )


def copy_snapshot(data: DataDir, to: Path, *statements: str, version: int = 1) -> DataDir:
    """Another data directory with the same snapshot, changed by SQL and published under a version."""
    copy = DataDir(to)
    copy.snapshots.mkdir(parents=True, exist_ok=True)
    file = copy.snapshots / f"warehouse-{version:08d}.duckdb"
    shutil.copy(data.current.resolve(), file)
    with duckdb.connect(str(file)) as db:
        for statement in (*statements, f"UPDATE snapshot_info SET version = {version}"):
            db.execute(statement)
    copy.current.unlink(missing_ok=True)
    copy.current.symlink_to(file)
    return copy
