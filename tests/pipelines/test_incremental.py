"""Tables built run after run equal those of one build from nothing, whatever was seen how often, by whom and on which days."""

import contextlib
import os
import random
from datetime import date

import duckdb
import pytest

from meterhouse import days_together, key_days
from meterhouse.build import Builder
from meterhouse.build_state import BuildState
from meterhouse.catalog import Catalog
from meterhouse.days_together import DaysTogether
from meterhouse.errors import MeterhouseError
from meterhouse.load import load
from meterhouse.lock import run_lock
from meterhouse.paths import DataDir
from meterhouse.run import run
from meterhouse.seeds import read_seeds
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests

SEEDS = range(int(os.environ.get("METERHOUSE_FAULT_ROUNDS", "50")) // 25)
IDS = {"model_request": ("response_id", "msg_"), "tool_call": ("tool_call_id", "toolu_"), "code_change": ("native_id", "toolu_"),
       "prompt": ("native_id", "prompt_"), "commit": ("commit_sha", ""), "launch": ("launch_id", "l-")}  # fmt: skip
STATES = {"pull_request": {"pull_request_state": ["open", "merged", "closed"]}, "session": {"started_by": ["fresh", "resume", "subagent"]},
          "inventory": {"item_state": ["on", "off"]}, "usage_delta": {"input_tokens": [5, 9]}}  # fmt: skip
DAYS = [2, 3, 4, 5, 6, 8, 12, 13, 20, 21, 28]  # neighbours, margins and far ones


def told(chance: random.Random) -> dict:
    """Something of few that one channel tells; the channels of a session's calls keep to sessions of their own."""
    kind, thing = chance.choice([*IDS, *STATES]), chance.randrange(3)
    channel = chance.choice(["transcript", "otlp", "gateway"])
    clock = f"{chance.choice([0, 10, 23]):02d}:{chance.choice([0, 59]):02d}:{chance.randrange(60):02d}"
    at = f"2026-03-{chance.choice(DAYS):02d}T{clock}Z"
    if kind in STATES:
        ((name, states),) = STATES[kind].items()
        values = {name: chance.choice(states)}
        values |= {"pull_request_number": thing} if kind == "pull_request" else {}
        values |= {"session_id": f"s{thing}"} if kind in ("session", "usage_delta") else {}
        values |= {"window_end": at} if kind == "usage_delta" else {}
        return raw.event(kind, at, key=(kind, at, *values.values()), **values)
    name, prefix = IDS[kind]
    values = {name: "abc"[thing] * 40 if kind == "commit" else prefix + str(thing) * 30}
    if kind not in ("commit", "launch"):
        values["session_id"] = f"s{thing}" if kind == "model_request" else f"s{thing}-{channel}"
    return raw.event(kind, at, key=(kind, at, channel, thing), channel=channel, **values)


@pytest.mark.parametrize("seed", SEEDS)
def test_tables_built_run_after_run_equal_those_of_one_build(tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    bucket, data, again = tmp_path / "bucket", DataDir(tmp_path / "data"), DataDir(tmp_path / "again")
    for seq in range(1, chance.randrange(3, 6)):
        raw.segment(bucket, [told(chance) for _ in range(chance.randrange(1, 12))], seq=seq)
        monkeypatch.setattr("meterhouse.build.GROUP_ROWS", chance.choice([1, 5, 10**6]))
        monkeypatch.setattr("meterhouse.build.GROUP_DAYS", chance.choice([1, 2, 31]))
        run(str(bucket), data)
    run(str(bucket), again)
    assert raw.fingerprint(data) == raw.fingerprint(again)


def test_days_that_are_due_are_built_in_groups_that_fit_the_memory(tmp_path, monkeypatch):
    bucket, data, groups = tmp_path / "bucket", DataDir(tmp_path / "data"), []
    raw.segment(bucket, [raw.event(at="2026-02-02T10:00:00Z", key=(0,))])
    raw.published(bucket, data.root)
    compute = Builder._compute

    def seen(builder, model, days, *rest):
        groups.extend([[day.day for day in days]] if model.name == "fct_requests" else [])
        return compute(builder, model, days, *rest)

    monkeypatch.setattr(Builder, "_compute", seen)
    monkeypatch.setattr("meterhouse.build.GROUP_ROWS", 2)
    raw.segment(bucket, [raw.event(at=f"2026-03-{day:02d}T10:00:00Z", key=(day, number))
                         for day, many in ((4, 1), (8, 1), (12, 3), (13, 1)) for number in range(many)], seq=2)  # fmt: skip
    (built,) = (row for row in run(str(bucket), data).built if row.model == "fct_requests")
    assert groups == [[3, 4, 5, 7, 8, 9, 11], [12], [13, 14]]
    assert built.days == tuple(date(2026, 3, day) for group in groups for day in group)
    assert raw.fingerprint(data) == raw.fingerprint(raw.published(bucket, tmp_path / "again"))


def test_what_a_builder_remembers_is_what_its_tables_say_also_of_a_change_that_was_taken_back(tmp_path, monkeypatch):
    chance, bucket, data = random.Random(4), tmp_path / "bucket", DataDir(tmp_path / "data")
    bucket.mkdir()
    storage = Storage(str(bucket))

    def taken_back(*_):
        raise ArithmeticError("no more")

    for seq in range(1, 4):
        raw.segment(bucket, [told(chance) for _ in range(30)], seq=seq)
        with run_lock(data), Catalog(data) as catalog, Builder(catalog, read_seeds(storage)) as builder:
            load(storage, catalog)
            for model in builder.models.values():
                with monkeypatch.context() as patched:
                    patched.setattr(key_days, "stamp", taken_back)
                    with contextlib.suppress(ArithmeticError):
                        builder.build(model)
                assert remembered(builder.state, builder.together) == remembered_anew(builder), model.name
                builder.build(model)
                assert remembered(builder.state, builder.together) == remembered_anew(builder), model.name
            assert any(ties for _, ties in remembered_anew(builder)[1]), "no day was tied to a far one"


def test_a_builder_forgets_what_could_not_be_committed(tmp_path, monkeypatch):
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    bucket.mkdir()

    def overtaken(db, model):
        with db.cursor() as other:
            other.execute("INSERT INTO model_state VALUES (?, 7, 'another', 0)", [model.name])

    with Catalog(data) as catalog, Builder(catalog, read_seeds(Storage(str(bucket)))) as builder:
        with monkeypatch.context() as patched:
            patched.setattr(key_days, "stamp", overtaken)
            with pytest.raises(duckdb.Error, match="commit"):
                builder.build(builder.models["stg_prices"])
        assert builder.state.watermark("stg_prices") == (7, "another")
        assert builder.build(builder.models["stg_prices"]).rows > 0


def remembered(state: BuildState, together: DaysTogether) -> tuple[dict, list]:
    return {**state.watermarks()}, [(day, together.tied([date(2026, 3, day)])) for day in DAYS]


def remembered_anew(builder: Builder) -> tuple[dict, list]:
    with builder.db.cursor() as db:
        return remembered(BuildState(db), DaysTogether(db, builder.models))


def test_groups_of_days_are_bounded_by_rows_and_by_days():
    days = [date(2026, 3, day) for day in range(1, 8)]
    sizes = {days[0]: 9, days[1]: 1, days[2]: 1, days[3]: 3}
    found = days_together.groups(days, sizes, 4, 3)
    assert [[day.day for day in group] for group in found] == [[1], [2, 3], [4, 5, 6], [7]]
    assert days_together.groups([], {}, 4, 3) == [[]]


@pytest.mark.parametrize("rows", [1, 10**6])
@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_lake_file_that_was_damaged_ends_in_a_message_whatever_the_size_of_the_groups(
    tmp_path, monkeypatch, rows, kept
):
    monkeypatch.setattr("meterhouse.build.GROUP_ROWS", rows)
    bucket, data = tmp_path / "bucket", DataDir(tmp_path / "data")
    raw.segment(bucket, [raw.event("session", f"2026-03-{day}T10:00:00Z", key=(day,)) for day in ("02", "12", "22")])
    run(str(bucket), data)
    data.build.unlink()
    (file,) = (data.lake / "session").rglob("*2026-03-22/*.parquet")
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * kept)])
    with pytest.raises(MeterhouseError, match="session"):
        run(str(bucket), data)
