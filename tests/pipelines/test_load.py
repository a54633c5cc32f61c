"""The load and the build on top of it: whatever comes how often and in which order, the tables are the same."""

import gzip
import random
import shutil

import duckdb
import polars as pl
import pytest

from meterhouse import contract
from meterhouse.catalog import Catalog
from meterhouse.paths import DataDir
from meterhouse.run import run
from pipelines import raw  # noqa: TID251 - the folder of these tests

DAYS = [f"2026-03-{day:02d}" for day in range(1, 11)]


def some_events(seed: int = 1, count: int = 120) -> list[dict]:
    """Every kind, several people, sessions, agents and days; forks, repeats, streams, nights."""
    dice = random.Random(seed)
    events = []
    for number in range(count):
        session = f"session-{dice.randrange(12)}"
        at = f"{dice.choice(DAYS)}T{dice.randrange(24):02d}:{dice.randrange(60):02d}:00Z"
        shared = {"session_id": session, "person_key": f"p{dice.randrange(4)}", "agent": dice.choice(["codex", "claude_code"]),
                  "repository": "github.com/acme/shop"}  # fmt: skip
        kind = dice.choice(["model_request"] * 4 + ["tool_call", "code_change", "prompt", "session"])
        if kind == "model_request":
            pair = int(at[8:10]) // 2  # copies lie on one day or on both sides of a midnight
            shared |= {"response_id": f"msg_{pair * 100 + dice.randrange(9):030d}", "output_tokens": dice.randrange(1, 500),
                       "session_started_at": f"2026-03-01T0{dice.randrange(9)}:00:00Z"}  # fmt: skip
        events.append(raw.event(kind, at, key=(number,), **shared))
    events += [raw.event("commit", f"{DAYS[n]}T12:00:00Z", commit_sha=f"{n:040x}", person_key="p1") for n in range(5)]
    events += [raw.event("pull_request", f"{DAYS[n]}T13:00:00Z", pull_request_number=n) for n in range(1, 5)]
    kinds = ("launch", "inventory", "vendor_window", "vendor_usage", "usage_delta", "seat")
    return events + [raw.event(kind, "2026-03-03T00:00:00Z") for kind in kinds]


ROSTER = ["p0,search,engineer,true,2026-01-01,2026-03-05", "p0,pay,engineer,true,2026-03-05,",
          "p1,pay,engineer,true,2026-01-01,", "p2,search,engineer,true,2026-01-01,"]  # fmt: skip
TEAMS = ["search,core,cc1,lead,2026-01-01,", "pay,money,cc2,lead,2026-01-01,"]


def shipped(bucket, parts: list[list]) -> list[str]:
    raw.roster(bucket, ROSTER, TEAMS)
    return [raw.segment(bucket, part, seq=number) for number, part in enumerate(parts, start=1)]


def parts_of(events: list, size: int) -> list[list]:
    return [events[start : start + size] for start in range(0, len(events), size)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed")
    shipped(root / "bucket", [some_events()])
    data = raw.published(root / "bucket", root / "data")
    prints = raw.fingerprint(data)
    assert all(prints[name][0] > 0 for name in prints if name.startswith("fct_")), "every fact has rows"
    return root, prints


def without_accounting(prints: dict) -> dict:
    """How often things were sent shows in the accounting, and only there."""
    return {name: value for name, value in prints.items() if name != "rpt_accounting"}


def test_a_second_run_does_nothing_and_publishes_nothing(undisturbed):
    root, prints = undisturbed
    before = (root / "data" / "warehouse.duckdb").resolve()
    outcome = run(str(root / "bucket"), DataDir(root / "data"))
    assert (outcome.loaded.objects, outcome.built, outcome.published) == (0, [], None)
    assert (root / "data" / "warehouse.duckdb").resolve() == before
    assert raw.fingerprint(root / "data") == prints


def test_everything_but_raw_can_be_deleted_and_is_built_again(undisturbed, tmp_path):
    root, prints = undisturbed
    assert raw.fingerprint(raw.published(root / "bucket", tmp_path / "data")) == prints


WAYS = {
    "many objects": lambda events: [parts_of(events, 7)],
    "backwards": lambda events: [parts_of(events[::-1], 7)],
    "over several runs": lambda events: [[part] for part in parts_of(events, 33)],
    "over several runs, shuffled": lambda events: [
        [part] for part in parts_of(random.Random(3).sample(events, len(events)), 33)
    ],
    "every object twice": lambda events: [parts_of(events, 40) * 2],
    "everything again in a later run": lambda events: [parts_of(events, 60), [events]],
    "each event three times in one object": lambda events: [[events * 3]],
}


@pytest.mark.fault("L2")
@pytest.mark.parametrize("way", WAYS)
def test_the_way_in_which_events_arrive_does_not_show_in_the_tables(undisturbed, tmp_path, way):
    _, prints = undisturbed
    seq = 0
    raw.roster(tmp_path / "bucket", ROSTER, TEAMS)
    for parts in WAYS[way](some_events()):
        for part in parts:
            seq += 1
            raw.segment(tmp_path / "bucket", part, seq=seq)
        data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert without_accounting(raw.fingerprint(data)) == without_accounting(prints)
    assert raw.rows(data, "SELECT count(*) FROM load_ledger WHERE spooled <> rows_loaded + rows_duplicate") == [(0,)]
    assert raw.rows(data, "SELECT sum(rows_loaded) FROM load_ledger") == [(len(some_events()),)]


def test_every_line_is_loaded_duplicate_quarantined_or_parked(tmp_path):
    events = some_events(count=30)
    bad, future = b'{"kind":', raw.event(key=("f",)) | {"schema_version": 2}
    shipped(tmp_path / "bucket", [[*events, bad, future], [events[0], bad, bad], [future, *events[:3]], []])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    rows = raw.rows(
        data, "SELECT spooled, rows_loaded, rows_duplicate, rows_quarantined, rows_parked FROM load_ledger ORDER BY seq"
    )
    assert rows == [(47, 45, 0, 1, 1), (3, 0, 1, 2, 0), (4, 0, 3, 0, 1), (0, 0, 0, 0, 0)]
    assert raw.rows(data, "SELECT residual, spooled, parked, dropped, missing FROM rpt_accounting") == [
        (0, 54, 2, 0, 0)
    ]


def test_events_that_the_header_announces_and_that_are_missing_show_as_residual(tmp_path):
    raw.put(tmp_path / "bucket", gzip.compress(raw.text([raw.line(raw.event())], count=5)))
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT spooled, loaded, residual FROM rpt_accounting") == [(5, 1, 4)]


@pytest.mark.fault("L3")
def test_an_overwritten_object_is_an_alarm_and_the_old_rows_stay(tmp_path):
    key = raw.segment(tmp_path / "bucket", [raw.event(model="first")])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    prints = raw.fingerprint(data)
    first = (tmp_path / "bucket" / key).read_bytes()
    raw.put(
        tmp_path / "bucket", gzip.compress(raw.text([raw.line(raw.event(model="second"))])), name=key.rpartition("/")[2]
    )
    (problem,) = run(str(tmp_path / "bucket"), data).loaded.problems
    assert key in problem
    assert "overwritten" in problem
    assert raw.fingerprint(data) == prints
    assert raw.rows(data, "SELECT state FROM load_ledger ORDER BY load_seq") == [("loaded",), ("changed",)]
    assert run(str(tmp_path / "bucket"), data).loaded.problems == [], "the alarm is raised once"
    (tmp_path / "bucket" / key).write_bytes(first)
    assert run(str(tmp_path / "bucket"), data).loaded.problems == []
    assert raw.fingerprint(data) == prints


def test_a_bucket_that_was_copied_with_new_times_loads_nothing_again(undisturbed, tmp_path):
    root, prints = undisturbed
    shutil.copytree(root / "data", tmp_path / "data", symlinks=True)
    shutil.copytree(root / "bucket", tmp_path / "bucket", copy_function=shutil.copy)
    outcome = run(str(tmp_path / "bucket"), DataDir(tmp_path / "data"))
    assert (outcome.loaded.objects, outcome.loaded.problems, outcome.published) == (0, [], None)
    assert raw.fingerprint(tmp_path / "data") == prints


def test_an_object_whose_bytes_differ_from_its_name_is_loaded_and_shown(tmp_path):
    raw.put(
        tmp_path / "bucket", gzip.compress(raw.text([raw.line(raw.event())])), name=f"0a-{1:012d}-{'0' * 16}.jsonl.gz"
    )
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    ((loaded, problem),) = raw.rows(data, "SELECT rows_loaded, problem FROM load_ledger")
    assert loaded == 1
    assert "digest" in problem


def built_days(outcome) -> dict[str, list[str] | None]:
    return {row.model: row.days and [day.isoformat() for day in row.days] for row in outcome.built}


@pytest.mark.fault("L10")
def test_late_events_rebuild_their_days_and_neighbours_alone_and_equal_a_full_rebuild(undisturbed, tmp_path):
    root, _ = undisturbed
    shutil.copytree(root, tmp_path / "late", symlinks=True)
    late = [
        raw.event(at="2026-03-04T08:00:00Z", response_id="msg_" + "l" * 30),
        raw.event("prompt", "2026-03-04T08:00:00Z"),
    ]
    raw.segment(tmp_path / "late/bucket", late, seq=99)
    days = built_days(run(str(tmp_path / "late/bucket"), DataDir(tmp_path / "late/data")))
    assert days["fct_prompts"] == ["2026-03-03", "2026-03-04", "2026-03-05"]
    assert days["fct_requests"] == days["rpt_usage_daily"] == ["2026-03-03", "2026-03-04", "2026-03-05"]
    full = raw.published(tmp_path / "late/bucket", tmp_path / "full")
    assert raw.fingerprint(tmp_path / "late/data") == raw.fingerprint(full)


@pytest.mark.fault("L9")
def test_unknown_fields_are_kept_in_extra(tmp_path):
    raw.segment(tmp_path / "bucket", [raw.event() | {"mood": "good"}, raw.event(key=(2,))])
    raw.published(tmp_path / "bucket", tmp_path / "data")
    with Catalog(DataDir(tmp_path / "data")) as catalog:
        frame = pl.concat(pl.read_parquet(file) for file in catalog.files("model_request"))
    assert sorted(frame["extra"].to_list(), key=str) == [None, '{"mood":"good"}']


@pytest.fixture
def newer_contract(tmp_path, monkeypatch):
    """A function that makes this process use a contract with one more kind."""

    def learn(kind: str) -> None:
        kinds = contract.kinds()
        newer = {**kinds, kind: contract.Kind(kind, "To come.", kinds["prompt"].fields)}
        contract.struct_types.cache_clear()
        contract.decoder.cache_clear()
        monkeypatch.setattr(contract, "kinds", lambda: newer)

    yield learn
    monkeypatch.undo()
    contract.struct_types.cache_clear()
    contract.decoder.cache_clear()


@pytest.mark.fault("L9")
def test_parked_lines_load_by_themselves_once_the_code_knows_them(tmp_path, newer_contract):
    dreams = [raw.event("prompt", key=(number,)) | {"kind": "dream"} for number in (1, 2, 2)]
    bad = b"{}"
    raw.segment(tmp_path / "bucket", [*dreams, raw.event(), bad, raw.event(key=("v2",)) | {"schema_version": 2}])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    assert raw.rows(data, "SELECT kind, schema_version FROM load_parked ORDER BY ALL") == [("dream", 1)] * 3 + [
        ("model_request", 2)
    ]
    newer_contract("dream")
    outcome = run(str(tmp_path / "bucket"), data)
    assert outcome.loaded.rows == 2
    assert raw.rows(data, "SELECT kind FROM load_parked") == [("model_request",)]
    assert raw.rows(
        data, "SELECT spooled, rows_loaded, rows_duplicate, rows_quarantined, rows_parked FROM load_ledger"
    ) == [(6, 3, 1, 1, 1)]  # fmt: skip
    assert raw.rows(data, "SELECT count(*) FROM fct_requests") == [(1,)], "what was loaded before is not loaded again"
    assert run(str(tmp_path / "bucket"), data).published is None


@pytest.mark.parametrize("fate", ["deleted", "overwritten"])
def test_parked_lines_of_an_object_that_is_gone_are_a_warning_and_stop_nothing(tmp_path, newer_contract, fate):
    key = raw.segment(tmp_path / "bucket", [raw.event("prompt") | {"kind": "dream"}])
    data = raw.published(tmp_path / "bucket", tmp_path / "data")
    (tmp_path / "bucket" / key).unlink()
    if fate == "overwritten":
        raw.put(tmp_path / "bucket", gzip.compress(raw.text([raw.line(raw.event())])), name=key.rpartition("/")[2])
    raw.segment(tmp_path / "bucket", [raw.event(key=("next",), model="kept")], seq=2)
    newer_contract("dream")
    outcome = run(str(tmp_path / "bucket"), data)
    assert any("holds parked lines" in problem for problem in outcome.loaded.problems)
    assert raw.rows(data, "SELECT model FROM fct_requests") == [("kept",)]
    assert raw.rows(data, "SELECT count(*) FROM load_parked") == [(1,)]


def test_files_of_a_load_that_never_committed_are_swept(undisturbed, tmp_path):
    root, prints = undisturbed
    shutil.copytree(root / "data", tmp_path / "data", symlinks=True)
    orphan = tmp_path / "data/lake/model_request/day=2026-03-02/00000099.parquet"
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"half a file")
    run(str(root / "bucket"), DataDir(tmp_path / "data"))
    assert not orphan.exists()
    assert raw.fingerprint(tmp_path / "data") == prints


def test_plain_duckdb_opens_the_published_file(undisturbed):
    root, prints = undisturbed
    with duckdb.connect(str(root / "data" / "warehouse.duckdb"), read_only=True) as db:
        assert db.execute("SELECT count(*) FROM fct_requests").fetchone()[0] == prints["fct_requests"][0]
