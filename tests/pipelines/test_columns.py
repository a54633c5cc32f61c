"""Instants of the contract's form are what Python's own reader says, alone or beside one that names nothing real."""

from datetime import datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from meterhouse import columns, contract

INSTANT = next(field for field in contract.kinds()["session"].fields if field.name == "occurred_at")


def said(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


@given(st.lists(st.from_regex(INSTANT.pattern or "", fullmatch=True), min_size=1))
def test_an_instant_is_what_it_says_or_named_as_unreal(texts):
    (typed, unreal) = columns.typed(pl.DataFrame({INSTANT.name: texts}), [INSTANT])
    assert typed[INSTANT.name].to_list() == [said(text) for text in texts]
    assert unreal[INSTANT.name].to_list() == [said(text) is None for text in texts]
