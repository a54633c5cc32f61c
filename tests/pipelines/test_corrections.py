"""Corrections of the past rebuild the days that they bear on and no others, and the tables equal those of a build from nothing."""

import os
from datetime import date

import polars as pl
import pytest

from meterhouse import load, reseed, seeds
from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests

DAYS = [f"2026-03-{day:02d}" for day in range(1, 11)]
TEAMS = ["search,core,cc1,lead,2026-01-01,", "pay,money,cc2,lead,2026-01-01,"]
HEAD = ["person_key", "team", "valid_from", "valid_to"]
AT_FIRST = ["p1,search,engineer,true,2026-01-01,", "p2,search,engineer,true,2026-01-01,"]
ROSTERS = {
    "nobody changes": (AT_FIRST, []),
    "one moves": (["p1,search,engineer,true,2026-01-01,2026-03-08", "p1,pay,engineer,true,2026-03-08,", AT_FIRST[1]], DAYS[7:]),
    "one leaves": (["p1,search,engineer,true,2026-01-01,2026-03-10", AT_FIRST[1]], DAYS[9:]),
    "one was somewhere else all the time": (["p1,pay,engineer,true,2026-01-01,", AT_FIRST[1]], DAYS),
    "one joins": ([*AT_FIRST, "p3,pay,engineer,true,2026-03-05,"], DAYS[4:]),
}  # fmt: skip


def due(bucket, data: DataDir, model: str = "fct_requests") -> list[str]:
    with Catalog(data) as catalog, Builder(catalog, seeds.read_seeds(Storage(str(bucket)))) as builder:
        return [str(day) for day in builder.due_days(builder.models[model])]


@pytest.mark.parametrize("change", ROSTERS)
def test_a_corrected_roster_rebuilds_the_days_from_which_it_differs(tmp_path, change):
    rows, days = ROSTERS[change]
    raw.roster(tmp_path / "bucket", AT_FIRST, TEAMS)
    raw.segment(tmp_path / "bucket", [
        raw.event(kind, f"{day}T10:00:00Z", person_key=person, key=(kind, day, person))
        for day in DAYS for person in ("p1", "p2", "p3") for kind in ("model_request", "prompt", "tool_call")])  # fmt: skip
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    raw.roster(tmp_path / "bucket", rows, TEAMS)
    assert due(tmp_path / "bucket", data) == days
    run(str(tmp_path / "bucket"), data)
    assert due(tmp_path / "bucket", data) == []
    again = raw.published(tmp_path / "bucket", tmp_path / "again")
    assert raw.fingerprint(data) == raw.fingerprint(again)


def test_corrections_that_were_never_built_add_up(tmp_path):
    raw.roster(tmp_path / "bucket", AT_FIRST, TEAMS)
    raw.segment(tmp_path / "bucket", [raw.event(at=f"{day}T10:00:00Z", person_key="p1", key=(day,)) for day in DAYS])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    for change in ("one moves", "one leaves"):
        raw.roster(tmp_path / "bucket", ROSTERS[change][0], TEAMS)
        due(tmp_path / "bucket", data)  # registers the roster and builds nothing
    assert due(tmp_path / "bucket", data) == DAYS[7:]
    raw.published(tmp_path / "bucket", data.root)
    assert raw.fingerprint(data) == raw.fingerprint(raw.published(tmp_path / "bucket", tmp_path / "again"))


FRAMES = {
    "the same in another order": ([("a", "x", "2026-01-01", None), ("b", "x", "2026-01-01", None)],
                                  [("b", "x", "2026-01-01", None), ("a", "x", "2026-01-01", None)], None),
    "an end that was not known": ([("a", "x", "2026-01-01", None)], [("a", "x", "2026-01-01", "2026-05-01")], "2026-05-01"),
    "an end that was too early": ([("a", "x", None, "2026-04-01")], [("a", "x", None, "2026-05-01")], "2026-04-01"),
    "a row without a beginning": ([], [("a", "x", None, None)], "1970-01-01"),
    "a row that is gone": ([("a", "x", "2026-02-01", None)], [], "2026-02-01"),
    "a new beginning and a new end": ([("a", "x", "2026-02-01", None)],
                                      [("a", "x", "2026-03-01", None), ("b", "y", "2026-04-01", None)], "2026-02-01"),
}  # fmt: skip


@pytest.mark.parametrize("what", FRAMES)
def test_two_rosters_differ_from_a_day_on(what):
    old, new, first = FRAMES[what]
    old, new = (pl.DataFrame(rows, schema=dict.fromkeys(HEAD, pl.String), orient="row") for rows in (old, new))
    assert reseed.first_changed_day(old, new) == (first and date.fromisoformat(first))


def test_a_request_seen_under_far_days_stays_whole_when_one_of_them_is_built_again(tmp_path):
    """A laptop whose clock is ahead stands under the day of receipt, the gateway under the true one."""
    bucket, data = tmp_path / "bucket", tmp_path / "data"
    key = raw.segment(bucket, [raw.event(at="2026-03-20T10:00:00Z", response_id="msg_" + "1" * 30, key=("ahead",))])
    os.utime(bucket / key, (1_773_100_000,) * 2)  # 2026-03-09
    witness = raw.event(at="2026-03-02T10:00:00Z", channel="gateway", source="litellm", response_id="msg_" + "1" * 30)
    raw.segment(bucket, [witness], seq=2)
    raw.published(bucket, data)
    whole = [("gateway,transcript", 2, date(2026, 3, 2))]
    assert raw.rows(data, "SELECT channels, observation_count, day FROM fct_requests") == whole
    for seq, day in enumerate(("02", "03", "09", "10"), start=3):
        raw.segment(bucket, [raw.event("prompt", f"2026-03-{day}T10:00:00Z", key=(seq,))], seq=seq)
        raw.published(bucket, data)
        assert raw.rows(data, "SELECT channels, observation_count, day FROM fct_requests") == whole, day
    third = raw.event(at="2026-03-09T11:00:00Z", channel="otlp", response_id="msg_" + "1" * 30)
    raw.segment(bucket, [third], seq=9)
    raw.published(bucket, data)
    assert raw.rows(data, "SELECT channel_count FROM fct_requests") == [(3,)]
    assert raw.fingerprint(DataDir(data)) == raw.fingerprint(raw.published(bucket, tmp_path / "again"))


@pytest.mark.parametrize("rows", [1, 5, 10**6])
def test_the_size_of_the_groups_in_which_days_are_built_does_not_show(tmp_path, monkeypatch, rows):
    """Requests seen around midnight, and far apart, in groups of days built one after another."""
    bucket = tmp_path / "bucket"
    seen = [
        ("02T23:59", "transcript"),
        ("03T00:01", "otlp"),
        ("05T10:00", "transcript"),
        ("09T10:00", "otlp"),
        ("07T10:00", "gateway"),
    ]
    ids = ("1", "1", "2", "2", "2")
    raw.segment(bucket, [raw.event(at=f"2026-03-{at}:00Z", channel=channel, response_id="msg_" + number * 30, key=(at,))
                         for (at, channel), number in zip(seen, ids, strict=True)])  # fmt: skip
    monkeypatch.setattr("meterhouse.build.GROUP_ROWS", rows)
    run(str(bucket), DataDir(tmp_path / "data"))
    assert raw.rows(tmp_path / "data", "SELECT day, observation_count, channels FROM fct_requests ORDER BY 1") == [
        (date(2026, 3, 2), 2, "otlp,transcript"), (date(2026, 3, 5), 3, "gateway,otlp,transcript")]  # fmt: skip


R = "msg_" + "1" * 30
FAR = [("07", "09"), ("09", "07"), ("07", "10"), ("08", "09"), ("05", "20")]


@pytest.mark.parametrize(("first", "then"), FAR)
def test_a_second_witness_of_another_day_finds_the_request_of_the_first(tmp_path, first, then):
    bucket, data = tmp_path / "bucket", tmp_path / "data"
    for seq, (day, channel) in enumerate(((first, "transcript"), (then, "otlp")), start=1):
        raw.segment(bucket, [raw.event(at=f"2026-03-{day}T10:00:00Z", channel=channel, response_id=R)], seq=seq)
        raw.published(bucket, data)
    assert raw.rows(data, "SELECT channels, observation_count, CAST(day AS VARCHAR) FROM fct_requests") == [
        ("otlp,transcript", 2, f"2026-03-{min(first, then)}")]  # fmt: skip
    assert raw.fingerprint(DataDir(data)) == raw.fingerprint(raw.published(bucket, tmp_path / "again"))


ALIKE = {
    "tool_call": {"tool_call_id": "toolu_" + "1" * 20},
    "code_change": {"native_id": "toolu_" + "1" * 20},
    "prompt": {"native_id": "prompt_" + "1" * 20},
    "commit": {"commit_sha": "a" * 40},
    "launch": {"launch_id": "l-1"},
}
LATER = {
    "commit": {"ai_agents": ["claude_code"], "ai_evidence": ["trailer"]},
    "launch": {"exit_code": 0, "duration_ms": 7},
}


@pytest.mark.parametrize(("first", "then"), [("07", "09"), ("20", "05")])
def test_what_was_seen_on_far_days_stays_whole_when_one_of_them_is_built_again(tmp_path, first, then):
    bucket, data = tmp_path / "bucket", tmp_path / "data"
    for seq, day in enumerate((first, then, first, then), start=1):
        told = [raw.event(kind, f"2026-03-{day}T10:00:00Z", key=(kind, day), **ids,
                          channel="otlp" if day == then else "transcript", **(LATER.get(kind, {}) if day == then else {}))
                for kind, ids in ALIKE.items()]  # fmt: skip
        raw.segment(
            bucket, [*told, raw.event("prompt", f"2026-03-{day}T11:00:00Z", session_id="s2", key=(seq,))], seq=seq
        )
        raw.published(bucket, data)
    again = raw.published(bucket, tmp_path / "again")
    place = (date(2026, 3, int(min(first, then))),)
    assert raw.rows(data, "SELECT day, channels FROM fct_tool_calls") == [(*place, "otlp,transcript")]
    assert raw.rows(data, "SELECT day, ai_agents FROM fct_commits") == [(*place, "claude_code")]
    assert raw.rows(data, "SELECT day, duration_ms FROM fct_launches") == [(*place, 7)]
    assert raw.rows(data, "SELECT day FROM fct_code_changes") == [place]
    assert raw.rows(data, "SELECT day FROM fct_prompts WHERE session_id = 's1'") == [place]
    assert raw.fingerprint(DataDir(data)) == raw.fingerprint(again)


A, B = ({"provider_request_id": f"req_{n * 20}"} for n in "ab")
TIED = {
    "two request ids split what one response id had joined": (
        [("02", "transcript", {"response_id": R, **A}), ("09", "gateway", {"response_id": R, "gateway_call_id": "g1"})],
        [("16", "transcript", {"response_id": R, **B})], 3),
    "a file joins a request id to a response id": ([("02", "otlp", A)], [("09", "transcript", {"response_id": R, **A})], 1),
    "an export knows only the request id": ([("02", "transcript", {"response_id": R, **A})], [("09", "otlp", A)], 1),
}  # fmt: skip


@pytest.mark.parametrize("what", TIED)
def test_what_a_later_witness_says_of_ids_holds_on_far_days(tmp_path, what):
    *loads, requests = TIED[what]
    for turn in ((0, 1), (1, 0)):
        bucket, data = tmp_path / f"bucket{turn}", DataDir(tmp_path / f"data{turn}")
        for seq, part in enumerate(turn, start=1):
            raw.segment(bucket, [raw.event(at=f"2026-03-{day}T10:00:00Z", channel=channel, **more)
                                 for day, channel, more in loads[part]], seq=seq)  # fmt: skip
            run(str(bucket), data)
        assert raw.rows(data.root, "SELECT count(*) FROM fct_requests") == [(requests,)]
        assert raw.fingerprint(data) == raw.fingerprint(raw.published(bucket, tmp_path / f"again{turn}"))


def test_a_model_that_was_built_before_what_it_reads_is_built_again(tmp_path):
    """As when somebody materializes one asset alone."""
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    raw.segment(bucket, [raw.event(key=("1",))])
    raw.published(bucket, data.root)
    raw.segment(bucket, [raw.event(key=("2",))], seq=2)
    with Catalog(data) as catalog:
        load.load(Storage(str(bucket)), catalog)
        with Builder(catalog, seeds.read_seeds(Storage(str(bucket)))) as builder:
            builder.build(builder.models["fct_requests"])
            assert not builder.is_current()
    raw.published(bucket, data.root)
    assert raw.rows(data.root, "SELECT count(*) FROM fct_requests") == [(2,)]
    assert raw.fingerprint(data) == raw.fingerprint(raw.published(bucket, tmp_path / "again"))


def test_a_roster_that_changes_takes_nothing_from_what_was_seen_on_far_days(tmp_path):
    told = {"source": "claude_code", "ai_agents": ["claude_code"], "ai_evidence": ["trailer"]}
    bucket = tmp_path / "bucket"
    raw.roster(bucket, AT_FIRST, TEAMS)
    raw.segment(bucket, [
        raw.event("commit", f"2026-03-{day}T10:00:00Z", commit_sha=sha * 40, person_key="p3", **more)
        for sha, day, more in (("a", "02", {}), ("a", "09", told), ("b", "02", {}), ("b", "05", told))])  # fmt: skip
    data = raw.published(bucket, tmp_path / "data")
    raw.roster(bucket, [*AT_FIRST, "p3,pay,engineer,true,2026-03-08,"], TEAMS)
    run(str(bucket), data)
    assert raw.rows(data, "SELECT person_key, ai_agents FROM fct_commits") == [("p3", "claude_code")] * 2
    assert raw.fingerprint(data) == raw.fingerprint(raw.published(bucket, tmp_path / "again"))


def test_objects_of_a_load_that_was_killed_keep_their_place_in_the_order_of_receipt(tmp_path, monkeypatch):
    """Of an event that was sent twice the copy received first counts, and says whether the clock was suspect."""
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    event = raw.event(at="2026-05-28T12:00:00Z", response_id=R)

    def ship(seq: int, day: int) -> None:
        os.utime(
            bucket / raw.segment(bucket, [event], seq=seq), (1_779_235_200 + day * 86400,) * 2
        )  # from 2026-05-20 on

    def killed(*_: object) -> None:
        raise SystemExit

    ship(2, 0)
    with monkeypatch.context() as patched:
        patched.setattr(load, "_load_batch", killed)
        with pytest.raises(SystemExit):
            run(str(bucket), data)
    ship(1, 9)
    run(str(bucket), data)
    assert raw.rows(data, "SELECT CAST(day AS VARCHAR), quality LIKE '%clock_suspect' FROM fct_requests") == [
        ("2026-05-20", True)
    ]
    assert raw.fingerprint(data) == raw.fingerprint(raw.published(bucket, tmp_path / "again"))


def test_of_two_copies_of_one_day_the_one_that_was_received_first_counts(tmp_path):
    bucket, data = tmp_path / "bucket", tmp_path / "data"
    event = raw.event(at="2026-05-28T12:00:00Z", response_id=R)
    for seq, hour in ((2, 11), (1, 13)):  # keys in the other order
        os.utime(bucket / raw.segment(bucket, [event], seq=seq), (1_779_926_400 + hour * 3600,) * 2)
        raw.published(bucket, data)
    assert raw.fingerprint(DataDir(data)) == raw.fingerprint(raw.published(bucket, tmp_path / "again"))
