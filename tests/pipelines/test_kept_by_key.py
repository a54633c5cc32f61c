"""What is found by key: sessions computed anew, and days on which a key lay before; never less than a whole build would find."""

import duckdb
import pytest

from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - the folder of these tests

FIRST, LATER, LAST = "2026-03-02", "2026-03-09", "2026-03-20"


def request(day: str, session: str, **values) -> dict:
    return raw.event(at=f"{day}T10:00:00Z", key=(day, session), session_id=session, **values)


@pytest.fixture
def house(tmp_path):
    """Two sessions on one day, published, and a scratch on the rows of both where only a new computation removes it."""
    raw.segment(tmp_path / "bucket", [request(FIRST, "goes on"), request(FIRST, "is over")])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    for file in (data.build, data.current.resolve()):
        with duckdb.connect(str(file)) as db:
            db.execute("UPDATE fct_sessions SET branch = 'scratch'")
    return tmp_path


def sessions(data: DataDir) -> dict[str, tuple]:
    rows = raw.rows(
        data, "SELECT session_id, requests, CAST(CAST(ended_at AS DATE) AS VARCHAR), branch FROM fct_sessions"
    )
    return {name: tuple(rest) for name, *rest in rows}


def test_a_session_is_computed_anew_when_it_goes_on_and_no_other_is(house):
    raw.segment(house / "bucket", [request(LATER, "goes on"), request(LATER, "begins")], seq=2)
    data = raw.published(house / "bucket", house / "data")
    assert sessions(data) == {"goes on": (2, LATER, None), "is over": (1, FIRST, "scratch"), "begins": (1, LATER, None)}


def test_a_session_that_lost_all_its_requests_is_gone(house):
    """A gateway first names another session than the transcript does, which arrives later and is believed."""
    data = DataDir(house / "data")
    seen = {"response_id": "msg_" + "1" * 30, "channel": "gateway", "source": "litellm"}
    raw.segment(house / "bucket", [request(LAST, "gateway's", **seen)], seq=2)
    raw.published(house / "bucket", data.root)
    assert "gateway's" in sessions(data)
    raw.segment(house / "bucket", [request(LAST, "real", response_id="msg_" + "1" * 30)], seq=3)
    raw.published(house / "bucket", data.root)
    assert "gateway's" not in sessions(data)
    assert sessions(data)["real"][0] == 1


@pytest.mark.parametrize("state", ["kept", "missing", "of another DuckDB"])
def test_a_prompt_that_comes_again_far_away_is_counted_once_whatever_is_kept_of_its_key(house, state):
    data = DataDir(house / "data")
    raw.segment(house / "bucket", [raw.event("prompt", f"{LATER}T10:00:00Z", key=(1,), native_id="p-1")], seq=2)
    raw.published(house / "bucket", data.root)
    with duckdb.connect(str(data.build)) as db:
        if state == "missing":
            db.execute("DROP TABLE placed_fct_prompts")
        if state == "of another DuckDB":
            db.execute("UPDATE placed_fct_prompts SET digest = 1; COMMENT ON TABLE placed_fct_prompts IS '1.0'")
    raw.segment(house / "bucket", [raw.event("prompt", f"{LAST}T10:00:00Z", key=(2,), native_id="p-1")], seq=3)
    raw.published(house / "bucket", data.root)
    assert raw.rows(data, "SELECT CAST(day AS VARCHAR) FROM fct_prompts") == [(LATER,)]
