"""Ids that the lake holds: found where they are and only there, whatever is remembered and however digests collide."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse import known_ids
from meterhouse.errors import LakeError
from meterhouse.known_ids import KnownIds

IDS = st.lists(st.text(st.sampled_from("abc"), min_size=1, max_size=3), max_size=20)


def series(ids):
    return pl.Series("event_id", ids, pl.String)


@given(stored=st.lists(IDS, max_size=4), asked=st.lists(IDS, max_size=3), most=st.integers(0, 40), written=st.booleans(), colliding=st.booleans())  # fmt: skip
def test_the_ids_found_are_those_that_the_files_hold(stored, asked, most, written, colliding, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    files = [str(folder / f"{number}.parquet") for number in range(len(stored))]
    with pytest.MonkeyPatch.context() as patch:
        if colliding:
            patch.setattr(known_ids, "_digests", lambda ids: ids.hash().to_numpy() % 3)
        known = KnownIds(most)
        for file, ids in zip(files, stored, strict=True):
            series(ids).to_frame().write_parquet(file)
            if written:
                known.remember(file, series(ids))
        for ids in asked:
            assert set(known.among(series(ids), files)) == set(ids) & set().union(*stored)


def test_a_file_that_was_just_written_is_not_read_again(tmp_path):
    known = KnownIds()
    known.remember(str(tmp_path / "gone.parquet"), series(["a", "b"]))
    assert known.among(series(["c"]), [str(tmp_path / "gone.parquet")]).is_empty()


def test_what_was_asked_for_least_recently_makes_room(tmp_path):
    known = KnownIds(most=4)
    old, new, newest = (str(tmp_path / f"{name}.parquet") for name in ("old", "new", "newest"))
    known.remember(old, series(["a", "b"]))
    known.remember(new, series(["c", "d"]))
    known.among(series(["z"]), [old])
    known.remember(newest, series(["e", "f"]))
    assert known.among(series(["z"]), [old, newest]).is_empty()
    with pytest.raises(LakeError, match=r"new\.parquet"):  # forgotten, and there is no such file
        known.among(series(["z"]), [new])


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(LakeError, match=r"bad\.parquet"):
        KnownIds().among(series(["a"]), [str(tmp_path / "bad.parquet")])
