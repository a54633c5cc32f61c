"""Pages read one snapshot at a time, follow the link to the next one, and leave nothing open."""

import duckdb

from dashboards import pages  # noqa: TID251 - the folder of these tests
from meterhouse.snapshot import connect, reading


def _sidebar(app) -> str:
    return app.sidebar.caption[0].value


def test_a_page_follows_the_link_to_a_new_snapshot(sample_data, tmp_path, monkeypatch):
    pages.copy_snapshot(sample_data, tmp_path)
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(tmp_path))
    app = pages.open_page("overview.py")
    before = app.metric[0].value
    pages.copy_snapshot(sample_data, tmp_path, "UPDATE fct_requests SET list_cost_usd = list_cost_usd * 2", version=2)
    app.run()
    assert "Snapshot 2" in _sidebar(app)
    assert app.metric[0].value != before


def test_a_rebuilt_snapshot_under_the_same_name_is_read_anew(sample_data, tmp_path, monkeypatch):
    pages.copy_snapshot(sample_data, tmp_path)
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(tmp_path))
    app = pages.open_page("overview.py")
    before = app.metric[0].value
    pages.copy_snapshot(
        sample_data, tmp_path, "UPDATE fct_requests SET list_cost_usd = list_cost_usd * 2",
        "UPDATE snapshot_info SET built_at = built_at + INTERVAL 1 MINUTE",
    )  # fmt: skip
    app.run()
    assert app.metric[0].value != before


def test_a_page_leaves_no_connection_open(sample_data, tmp_path, monkeypatch):
    data = pages.copy_snapshot(sample_data, tmp_path)
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(data.root))
    for view in pages.VIEWS:
        assert pages.problems(pages.open_page(view)) == []
    # in one process DuckDB refuses a writer while a reader is open
    duckdb.connect(str(data.current.resolve())).close()


def test_two_sessions_read_one_snapshot_at_the_same_time(sample_data):
    with reading(sample_data) as one, reading(sample_data) as two:
        for db in (one, two):
            assert db.execute(
                "SELECT current_setting('TimeZone'), current_setting('lock_configuration')"
            ).fetchone() == (
                "UTC",
                True,
            )
    connect(sample_data).close()
