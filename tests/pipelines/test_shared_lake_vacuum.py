"""Vacuum of the shared lake: what versions and reports that are kept need stays, also past Delta's own clocks; the rest goes."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from meterhouse import delta, rebuild
from meterhouse.errors import StorageError
from pipelines import raw  # noqa: TID251 - the folder of these tests
from pipelines.shared_house import KIND, House  # noqa: TID251
from pipelines.storages import folder  # noqa: TID251


@pytest.fixture
def house(tmp_path, monkeypatch):
    with folder(tmp_path / "shared", monkeypatch) as place:
        yield House(tmp_path, place)


def test_vacuum_keeps_what_a_report_was_read_from_and_removes_what_a_killed_share_left(house, monkeypatch):
    for seq in (1, 2):
        house.load(seq)
    raw.published(house.bucket, house.data.root)  # its snapshot names this version of the lake
    house.share()
    read, version = house.rows(), house.table().version()
    house.load(3)
    house.compact(monkeypatch)
    house.share()
    left = Path(house.place) / KIND / "day=2026-03-02" / "left.parquet"
    left.write_bytes(b"x")
    assert house.vacuum(is_dry=True).shared
    assert left.exists()
    house.vacuum()
    assert not left.exists()
    assert house.rows(version=version) == read
    house.assert_equal()


def test_vacuum_keeps_what_a_report_read_before_a_rebuild(house):
    for seq in (1, 2):
        house.load(seq)
    raw.published(house.bucket, house.data.root)
    house.share()
    read, version = house.rows(), house.table().version()
    rebuild.rebuild(str(house.bucket), house.data)
    house.share()
    house.vacuum()
    assert house.rows(version=version) == read
    house.assert_equal()


def test_delta_itself_forgets_nothing_that_is_to_be_kept(house, monkeypatch):
    for seq in (1, 2):
        house.load(seq)
    house.share()
    read, version = house.rows(), house.table().version()
    long_ago = time.time() - 40 * 86_400
    for path in Path(house.place).rglob("*.*"):
        os.utime(path, (long_ago, long_ago))
    with monkeypatch.context() as patch:  # removed ten days ago, three longer than Delta remembers unless told
        patch.setattr(delta, "datetime", TenDaysAgo)
        house.compact(monkeypatch)
        house.share()
    house.table().create_checkpoint()
    house.table().cleanup_metadata()
    assert house.vacuum(keep_days=30).shared == []
    assert house.rows(version=version) == read
    assert house.vacuum(keep_days=9).shared
    house.assert_equal()


class TenDaysAgo(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(days=10)


def test_an_unreachable_storage_is_told_after_the_own_lake_was_vacuumed(house, monkeypatch):
    for seq in (1, 2):
        house.load(seq)
    house.compact(monkeypatch)
    retired = list(house.data.lake.rglob("0000000[12].parquet"))
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "us-east-1",
                        "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "secret"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    house.place = "s3://out-of-reach"
    with pytest.raises(StorageError, match=r"s3://out-of-reach/model_request: .*refused.*run again") as told:
        house.vacuum()
    assert "secret" not in str(told.value)
    assert retired
    assert not any(path.exists() for path in retired)


def test_files_of_a_lake_before_a_rebuild_go_once_no_snapshot_was_read_from_it(house):
    house.load(1)
    raw.published(house.bucket, house.data.root)
    house.share()
    for seq in range(2, 4):
        rebuild.rebuild(str(house.bucket), house.data)
        house.share()
        house.load(seq)
        raw.published(house.bucket, house.data.root)
        house.share()
    for seq in range(4, 7):  # by now, no snapshot that is kept is older than the last rebuild
        house.load(seq)
        raw.published(house.bucket, house.data.root)
        house.share()
    house.vacuum()
    own, shared = (list((folder / KIND).glob("day=*/*.parquet")) for folder in (house.data.lake, Path(house.place)))
    assert len(own) == len(shared)
    house.assert_equal()
