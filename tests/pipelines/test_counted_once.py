"""Each thing counts once: across midnight, weeks, forks, streams and clocks, and never less than once."""

import os
from datetime import date

import pytest

from pipelines import raw  # noqa: TID251 - the folder of these tests


def test_a_request_seen_on_both_sides_of_midnight_counts_once_on_the_first_day(tmp_path):
    before = raw.event(at="2026-03-04T23:59:59Z", key=(1,), response_id="msg_" + "m" * 30, output_tokens=1)
    after = raw.event(at="2026-03-05T00:00:01Z", key=(2,), response_id="msg_" + "m" * 30, output_tokens=90)
    raw.segment(tmp_path / "bucket", [after])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT day, output_tokens FROM fct_requests") == [(date(2026, 3, 5), 90)]
    raw.segment(tmp_path / "bucket", [before], seq=2)
    raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT day, output_tokens, observation_count FROM fct_requests") == [
        (date(2026, 3, 4), 90, 2)
    ]
    assert raw.rows(data, "SELECT day, requests FROM rpt_usage_daily") == [(date(2026, 3, 4), 1)]


@pytest.mark.parametrize(("first", "second"), [("03-02", "03-20"), ("03-20", "03-02")])
def test_a_thing_seen_again_weeks_later_or_earlier_counts_once_and_stops_nobody(tmp_path, first, second):
    things = {
        "model_request": {"response_id": "msg_" + "w" * 30},
        "tool_call": {"tool_call_id": "toolu_" + "w" * 30},
        "code_change": {"native_id": "toolu_" + "w" * 30},
        "prompt": {"native_id": "prompt_" + "w" * 30},
        "commit": {"commit_sha": "d" * 40},
    }
    for seq, day in enumerate([first, second], start=1):
        near = [raw.event(kind, f"2026-{day}T12:00:00Z", key=(kind,)) for kind in things if kind != "commit"]
        far = [raw.event(kind, f"2026-{day}T10:00:00Z", **more) for kind, more in things.items()]
        raw.segment(tmp_path / "bucket", near + far, seq=seq)
        data = raw.published(tmp_path / "bucket", tmp_path / "data")
    raw.published(tmp_path / "bucket", tmp_path / "full")
    assert raw.fingerprint(data) == raw.fingerprint(tmp_path / "full")
    for table in ("fct_requests", "fct_tool_calls", "fct_code_changes", "fct_prompts"):
        assert raw.rows(data, f"SELECT day, count(*) FROM {table} GROUP BY 1 ORDER BY 1") == [
            (date(2026, 3, 2), 2), (date(2026, 3, 20), 1)]  # fmt: skip
    assert raw.rows(data, "SELECT day, count(*) FROM fct_commits GROUP BY 1") == [(date(2026, 3, 2), 1)]
    assert raw.rows(data, "SELECT day, requests FROM rpt_usage_daily ORDER BY 1") == [
        (date(2026, 3, 2), 2), (date(2026, 3, 20), 1)]  # fmt: skip


def test_an_event_sent_twice_by_a_clock_that_was_ahead_counts_once(tmp_path):
    ahead = raw.event(at="2031-01-01T10:00:00Z", response_id="msg_" + "a" * 30)
    raw.segment(tmp_path / "bucket", [ahead])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    key = raw.segment(tmp_path / "bucket", [ahead], seq=2)
    os.utime(tmp_path / "bucket" / key, (raw.RECEIVED + 86400 * 9,) * 2)
    raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT day, quality, observation_count FROM fct_requests") == [
        (date(2026, 5, 28), "auxiliary_unseen,clock_suspect", 1)
    ]


def test_a_copy_in_a_fork_belongs_to_the_session_that_began_first(tmp_path):
    one = {"response_id": "msg_" + "o" * 30}
    raw.segment(tmp_path / "bucket", [
        raw.event(session_id="fork", session_started_at="2026-03-02T12:00:00Z", person_key="p2", **one),
        raw.event(session_id="origin", session_started_at="2026-03-02T09:00:00Z", person_key="p1", **one),
        raw.event(session_id="a-later-fork", session_started_at="2026-03-03T09:00:00Z", person_key="p3", **one),
    ])  # fmt: skip
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT session_id, person_key, observation_count FROM fct_requests") == [("origin", "p1", 3)]


def test_of_a_growing_stream_the_largest_output_counts_once(tmp_path):
    one = {"response_id": "msg_" + "g" * 30}
    raw.segment(tmp_path / "bucket", [raw.event(output_tokens=tokens, **one) for tokens in (1, 250, 40)])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT output_tokens, observation_count FROM fct_requests") == [(250, 3)]


def test_one_response_id_under_two_provider_request_ids_is_two_requests(tmp_path):
    one = {"response_id": "msg_" + "t" * 30}
    raw.segment(tmp_path / "bucket", [raw.event(provider_request_id=name, **one) for name in ("req_1", "req_2")])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT count(*), count(DISTINCT request_id) FROM fct_requests") == [(2, 2)]


@pytest.mark.parametrize("identity", [{"native_id": "turn-1"}, {"response_id": "resp_1"}, {}])
def test_requests_without_a_provider_id_never_merge_across_sessions(tmp_path, identity):
    raw.segment(tmp_path / "bucket", [raw.event(session_id=f"s{number}", **identity) for number in range(3)])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT count(*) FROM fct_requests") == [(3,)]
