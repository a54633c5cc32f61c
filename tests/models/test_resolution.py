"""Resolution on made-up weeks: however the witnesses are mixed, nothing counts twice and nothing that was seen is lost."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from models.rows import build, give  # tests/models

CHANNELS = ("transcript", "otlp", "gateway")
STYLES = {  # which ids each channel of an agent knows
    "both ids": {"transcript": ("response_id", "provider_request_id"), "otlp": ("provider_request_id",), "gateway": ("response_id",)},
    "response id": {"transcript": ("response_id",), "otlp": (), "gateway": ("response_id",)},
    "own id": {"transcript": ("native_id",), "otlp": (), "gateway": ("response_id",)},
    "no id": {"transcript": (), "otlp": (), "gateway": ("gateway_call_id",)},
}  # fmt: skip
MAY_KNOW = {
    "transcript": ("response_id", "provider_request_id"),
    "otlp": ("provider_request_id",),
    "gateway": ("response_id",),
}


@st.composite
def weeks(draw, alike=True):
    """Requests that happened, and what each channel saw of them; with `alike`, many have the same tokens."""
    style, requests = draw(st.sampled_from([*sorted(STYLES), "now one, now the other"])), []
    for number in range(draw(st.integers(1, 8))):
        seen = draw(st.sets(st.sampled_from(CHANNELS), min_size=1))
        output = draw(st.integers(1, 2)) if alike else number
        ids = (
            STYLES[style]
            if style in STYLES
            else {name: tuple(draw(st.sets(st.sampled_from(of)))) for name, of in MAY_KNOW.items()}
        )
        requests.append((draw(st.sampled_from(["s1", "s2"])), output, draw(st.integers(0, 3)), sorted(seen), ids))
    return requests


def observations(requests):
    """Rows of the lake; within a session at most a few seconds lie between the channels' clocks."""
    rows, clock = [], 0
    for number, (session, output, gap, seen, known) in enumerate(requests):
        clock += 5 + gap * 200
        for order, channel in enumerate(seen):
            second = clock + order
            at = f"2026-03-02T{10 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"
            ids = {"response_id": f"msg_{number:024d}", "provider_request_id": f"req_{number}", "native_id": f"n{number}",
                   "gateway_call_id": f"c{number}"}  # fmt: skip
            rows.append({"day": "2026-03-02", "event_id": f"{number}-{channel}", "channel": channel, "session_id": session,
                         "occurred_at": at, "model": "m", "input_tokens": 100, "output_tokens": output}
                        | {name: ids[name] for name in known[channel]})  # fmt: skip
    return rows


def links(db, rows):
    """Observation to request."""
    db.execute("DELETE FROM lake_model_request; DELETE FROM run_days; INSERT INTO run_days VALUES (DATE '2026-03-02')")
    give(db, "lake_model_request", rows)
    return {row["event_id"]: row["request_id"] for row in build(db, "int_request_links", {})}


@settings(max_examples=20)
@given(week=weeks())
def test_no_mixture_counts_more_than_happened_or_less_than_one_channel_saw(empty_db, week):
    rows = observations(week)
    found = links(empty_db, rows)
    assert len(found) == len(rows)
    assert len(set(found.values())) <= len(week)
    for session, channel in itertools.product(("s1", "s2"), CHANNELS):
        own = [row["event_id"] for row in rows if (row["session_id"], row["channel"]) == (session, channel)]
        assert len({found[event] for event in own}) == len(own), "two observations of one channel are two requests"
    owners = {(found[row["event_id"]], row["session_id"]) for row in rows}
    assert len(owners) == len({request for request, _ in owners}), "no request spans two sessions"


@settings(max_examples=20)
@given(week=weeks(alike=False))
def test_requests_that_differ_in_tokens_are_found_exactly(empty_db, week):
    found = links(empty_db, observations(week))
    by_request = {
        number: {found[f"{number}-{channel}"] for channel in seen} for number, (*_, seen, _) in enumerate(week)
    }
    assert all(len(names) == 1 for names in by_request.values())
    assert len(set().union(*by_request.values())) == len(week)


@settings(max_examples=10)
@given(week=weeks(), order=st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(empty_db, week, order):
    rows = observations(week)
    first = links(empty_db, rows)
    order.shuffle(rows)
    assert links(empty_db, rows) == first


@settings(max_examples=10)
@given(order=st.randoms(use_true_random=False))
def test_a_gateway_that_counts_input_otherwise_hides_no_file_from_the_export(empty_db, order):
    rows = [
        row | ({"input_tokens": 101} if row["channel"] == "gateway" else {})
        for row in observations(
            [(session, 1, 2, CHANNELS, STYLES["response id"]) for session in ("s1", "s2", "s1", "s2")]
        )
    ]
    order.shuffle(rows)
    found = links(empty_db, rows)
    assert {row["event_id"]: found[row["event_id"]] for row in rows} == {
        row["event_id"]: f"msg_{int(row['event_id'].split('-')[0]):024d}" for row in rows
    }
