"""Observations of one response id: which of them are one request is decided by all of them, on whatever days and in whatever loads they come."""

import os
import random
from pathlib import Path

import pytest

from meterhouse.build import Builder
from meterhouse.catalog import Catalog
from meterhouse.load import load
from meterhouse.paths import DataDir
from meterhouse.seeds import read_seeds
from meterhouse.storage import Storage
from pipelines import raw  # noqa: TID251 - the folder of these tests

SEEDS = range(int(os.environ.get("METERHOUSE_FAULT_ROUNDS", "50")) // 50)
RESOLUTION = ("int_request_links", "int_requests")
R = {"response_id": "msg_" + "1" * 30}
A, B = ({"provider_request_id": f"req_{name * 20}"} for name in "ab")
FIRST = ("02", "transcript", R | A)
THROUGH_GATEWAY = ("09", "gateway", R | {"gateway_call_id": "g1"})
SECOND = ("10", "transcript", R | B)
OTHER = {"native_id": "n1"}
HISTORIES = {
    "something else comes on the day of one of them": [[FIRST, THROUGH_GATEWAY, SECOND], [("09", "otlp", OTHER)]],
    "something else comes on the day of another": [[FIRST], [THROUGH_GATEWAY, SECOND], [("10", "otlp", OTHER)]],
    "what tied two days is told apart": [[FIRST], [THROUGH_GATEWAY], [("09", "transcript", R | B)]],
    "a third one comes later": [[FIRST], [SECOND], [("20", "gateway", R | {"gateway_call_id": "g2"})]],
}


def built(data: DataDir, bucket: Path) -> dict[str, tuple]:
    """Load, and build what resolution needs; gives the number of rows and an order-free hash by table."""
    with Catalog(data) as catalog:
        load(Storage(str(bucket)), catalog)
        with Builder(catalog, read_seeds(Storage(str(bucket)))) as builder:
            needed = {*RESOLUTION}
            for model in reversed(builder.models.values()):
                needed |= model.depends_on if model.name in needed else set()
            for model in builder.models.values():
                if model.name in needed and model.kind != "view":
                    builder.build(model)
            return {name: builder.db.execute(f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {name} AS t").fetchone()
                    for name in RESOLUTION}  # fmt: skip


def ship(bucket: Path, seq: int, part: list[tuple[str, str, dict]]) -> None:
    raw.segment(bucket, [raw.event(at=f"2026-03-{day}T10:00:00Z", channel=channel, key=(seq, number), **more)
                         for number, (day, channel, more) in enumerate(part)], seq=seq)  # fmt: skip


def assert_history_does_not_show(root: Path, loads: list, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple]:
    """Built load after load or from nothing, all days at once or each by itself: the tables are those of one build."""
    for seq, part in enumerate(loads, start=1):
        ship(root / "whole", seq, part)
    expected = built(DataDir(root / "at once"), root / "whole")
    for rows in (10**6, 1):
        monkeypatch.setattr("meterhouse.build.GROUP_ROWS", rows)
        found = {}
        for seq, part in enumerate(loads, start=1):
            ship(root / f"bucket {rows}", seq, part)
            found = built(DataDir(root / f"load after load {rows}"), root / f"bucket {rows}")
        assert found == expected
    assert built(DataDir(root / "from nothing, in groups"), root / "whole") == expected
    return expected


@pytest.mark.parametrize("what", HISTORIES)
def test_requests_that_share_a_response_id_stay_apart_on_far_days(tmp_path, monkeypatch, what):
    expected = assert_history_does_not_show(tmp_path, HISTORIES[what], monkeypatch)
    assert expected["int_requests"][0] > 1


def test_a_day_that_is_due_only_by_a_tie_brings_no_further_tie(tmp_path, monkeypatch):
    chain = [("02", "05"), ("05", "09"), ("09", "14"), ("14", "20")]
    ship(tmp_path / "bucket", 1, [(day, channel, {"response_id": f"msg_{number * 30}"}) for number, days in zip("1234", chain, strict=True)
                                  for day, channel in zip(days, ("transcript", "gateway"), strict=True)])  # fmt: skip
    built(DataDir(tmp_path / "data"), tmp_path / "bucket")
    build, days = Builder.build, {}

    def told(builder, model):
        done = build(builder, model)
        days[model.name] = done.days
        return done

    monkeypatch.setattr(Builder, "build", told)
    ship(tmp_path / "bucket", 2, [("02", "otlp", OTHER)])
    built(DataDir(tmp_path / "data"), tmp_path / "bucket")
    assert [{day.day for day in days[name]} for name in RESOLUTION] == [{1, 2, 3, 5}] * 2


def observation(chance: random.Random) -> tuple[str, str, dict]:
    """An observation by any channel that knows any of few ids."""
    more = {"session_id": f"s{chance.randrange(2)}"}
    more |= {"response_id": f"msg_{chance.choice('123') * 30}"} if chance.random() < 0.6 else {}
    more |= chance.choice([A, B, {}])
    more |= {"native_id": f"n{chance.randrange(2)}"} if chance.random() < 0.2 else {}
    more |= {"output_tokens": 11} if chance.random() < 0.3 else {}
    return chance.choice(["02", "03", "08", "09", "14"]), chance.choice(["transcript", "otlp", "gateway"]), more


@pytest.mark.parametrize("seed", SEEDS)
def test_any_history_of_few_ids_builds_the_same_tables(tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    loads = [[observation(chance) for _ in range(chance.choice([1, 1, 2, 3, 5, 8]))] for _ in range(chance.randrange(2, 6))]  # fmt: skip
    assert_history_does_not_show(tmp_path, loads, monkeypatch)
