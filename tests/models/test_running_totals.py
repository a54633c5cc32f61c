"""Running totals from the store of a harness to the table: whenever somebody looked, what was used counts once."""

import json
import os
import sqlite3
from collections import Counter
from contextlib import closing
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors import conformance, stores  # noqa: TID251 - tests/collectors
from meterhouse_collector.sources import omnigent
from models.rows import build, give  # tests/models

SCHEMA = (conformance.FIXTURES / "omnigent" / "running_totals" / "store.sql").read_text(encoding="utf-8")
SESSIONS = tuple(f"0a0000000000000000000000000000a{number}" for number in (1, 2, 3))
HOUR = 3600
BEGAN = 1788393600
COUNTED = ("input_tokens", "cache_read_tokens", "output_tokens")
GROWTH = st.tuples(
    st.sampled_from(SESSIONS),
    st.sampled_from(["a", "b", None]),  # the model it is booked on, or none
    st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)),
    st.sampled_from([0, 0.25, 0.5, 2]),  # dollars that add up without a rest
    st.sampled_from(["look", "look after the state was lost", "nobody looks"]),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("omnigent") / "chat.db"


def grow(usage, model, tokens, cost):
    """Add a response to a session's total as the harness does; a cost of nothing is one that nobody knows."""
    for book in (usage, usage.setdefault("by_model", {}).setdefault(model, {}) if model else {}):
        for name, count in zip(("input_tokens", "cache_read_input_tokens", "output_tokens"), tokens, strict=True):
            book[name] = book.get(name, 0) + count
        if cost:
            book["total_cost_usd"] = book.get("total_cost_usd", 0) + cost


def looks(path, steps, is_watched):
    """Events of a store that grows by steps, read after those that say so and at the end."""
    path.unlink(missing_ok=True)
    stores.build(path, SCHEMA, [])
    usages, state, events = {session: {} for session in SESSIONS}, {}, []
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("UPDATE omnigent_conversation_metadata SET session_usage = NULL")
        for number, (session, model, tokens, cost, then) in enumerate(steps, 1):
            grow(usages[session], model, tokens, cost)
            store.execute("UPDATE omnigent_conversation_metadata SET session_usage = CAST(? AS BLOB) WHERE id = ?",
                          (json.dumps(usages[session]), bytes.fromhex(session)))  # fmt: skip
            os.utime(path, (BEGAN + number * HOUR,) * 2)
            if number == len(steps) or (is_watched and then != "nobody looks"):
                state = {} if then == "look after the state was lost" else state
                events += stores.read(omnigent, path, state)
    return [event for event in events if event["kind"] == "usage_delta"]


def sums(db, events):
    """Tokens and dollars by session and model that the table has of these events."""
    known = {row[0] for row in db.execute("DESCRIBE lake_usage_delta").fetchall()}
    db.execute("DELETE FROM lake_usage_delta; DELETE FROM run_days")
    rows = [{name: value for name, value in event.items() if name in known} for event in events]
    give(db, "lake_usage_delta", [{**row, "day": row["occurred_at"][:10]} for row in rows])
    found = Counter()
    for row in build(db, "fct_usage_deltas", {}):
        for name in (*COUNTED, "reported_cost_usd"):
            found[row["session_id"], row["model_key"], name] += row[name] or 0
    return +found


@settings(max_examples=10)
@given(steps=st.lists(GROWTH, min_size=1, max_size=5), order=st.randoms())
def test_a_total_read_in_steps_adds_up_to_the_same_read_at_once(empty_db, path, steps, order):
    watched = looks(path, steps, is_watched=True)
    order.shuffle(watched)
    found = sums(empty_db, watched)
    assert found == sums(empty_db, looks(path, steps, is_watched=False))
    used = Counter()
    for session, model, (fresh, cached, output), cost, _ in steps:
        counted = zip(COUNTED, (fresh + cached, cached, output), strict=True)
        for name, value in (*counted, ("reported_cost_usd", Decimal(str(cost)))):
            used[session, model or "(unknown)", name] += value
    assert found == +used
