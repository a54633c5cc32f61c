"""The shared lake: Delta tables on a folder, S3 and Azure that hold what the data directory's hold, whatever happened meanwhile."""

import json
import os
import shutil
from dataclasses import replace

import dagster as dg
import pytest

from meterhouse import contract, delta, rebuild
from meterhouse.definitions import defs
from meterhouse.errors import StorageError
from meterhouse.orchestration import triggers
from meterhouse.orchestration.workshop import Workshop
from meterhouse.paths import DataDir
from pipelines import raw  # noqa: TID251 - the folder of these tests
from pipelines.shared_house import KIND, House  # noqa: TID251
from pipelines.storages import STORAGES, folder, named  # noqa: TID251


@pytest.fixture
def house(tmp_path, monkeypatch):
    with folder(tmp_path / "shared", monkeypatch) as place:
        yield House(tmp_path, place)


@pytest.mark.parametrize("name", ["folder", *STORAGES])
def test_the_tables_on_every_storage_hold_the_rows_of_the_lake(tmp_path, monkeypatch, name):
    with {"folder": folder, **STORAGES}[name](named(tmp_path), monkeypatch) as place:
        house = House(tmp_path, place)
        house.load(1)
        assert (house.share().tables, house.share()) == (2, None)
        house.assert_equal()
        first, version = house.rows(), house.table().version()
        house.load(2)
        house.load(3, day=3)
        assert house.share().files == 4
        house.assert_equal()
        assert house.rows(version=version) == first, "the past is read as it was"
        assert house.compact(monkeypatch)
        assert house.share().files == 2
        house.assert_equal()
        assert house.vacuum().shared
        house.assert_equal()
        assert house.table().metadata().partition_columns == ["day"]


def test_a_share_that_died_before_its_commit_is_finished_by_the_next(house, monkeypatch):
    house.load(1)
    house.share()
    before = house.rows()
    house.load(2)
    with monkeypatch.context() as patch:
        patch.setattr(delta, "commit", lambda *_: (_ for _ in ()).throw(OSError("gone")))
        with pytest.raises(StorageError, match=r"shared/bucket/lake/model_request: .* \(gone\); .* run again"):
            house.share()
    assert house.rows() == before
    house.share()
    house.assert_equal()


def test_a_commit_whose_end_was_not_noted_is_not_made_twice(house):
    house.load(1)
    house.share()
    version = house.table().version()
    house.data.shared.unlink()
    assert house.share().files == 0
    assert house.table().version() == version
    house.assert_equal()


def test_a_lake_that_was_rebuilt_takes_the_place_of_the_other_in_one_commit(house):
    for seq in (1, 2):
        house.load(seq)
    house.share()
    before, version = house.rows(), house.table().version()
    rebuild.rebuild(str(house.bucket), house.data)
    house.share()
    house.assert_equal()
    assert (house.rows(), house.rows(version=version)) == (before, before)
    assert house.table().version() == version + 1


def test_another_destination_gets_everything(house):
    house.load(1)
    house.share()
    house.place += "-2"
    assert house.share().files == 2
    house.assert_equal()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"destination": 1, "tables": []}'])
def test_what_was_sent_is_asked_of_the_storage_when_it_is_not_known(house, text):
    house.load(1)
    house.share()
    house.data.shared.write_text(text)
    assert house.share().files == 0
    house.assert_equal()


def test_a_home_folder_is_found_and_the_data_directory_refused(house, monkeypatch):
    house.load(1)
    monkeypatch.setenv("HOME", house.place)
    house.place = "~/mine"
    house.share()
    house.place = os.path.expanduser(house.place)
    house.assert_equal()
    for place in (house.data.lake, house.data.root / "shared"):
        house.place = str(place)
        with pytest.raises(StorageError, match="lies in the data directory"):
            house.share()


def test_a_data_directory_that_was_put_back_from_a_copy_shares_its_own_rows(house):
    house.load(1)
    house.share()
    shutil.copytree(house.data.root, house.data.root.with_name("copy"), symlinks=True)
    house.load(2)
    house.share()
    shutil.rmtree(house.data.root)
    house.data.root.with_name("copy").rename(house.data.root)
    for path in house.bucket.rglob(f"*{2:012d}*"):
        path.unlink()
    house.load(3)
    house.share()
    house.assert_equal()


def test_a_second_data_directory_at_one_place_is_told(house, tmp_path):
    house.load(1)
    house.share()
    other = House(tmp_path / "other", house.place.removesuffix("/lake"))
    other.load(5)
    other.share()
    house.load(2)
    with pytest.raises(StorageError, match="another data directory shares its lake there"):
        house.share()


def test_each_commit_says_which_version_of_the_lake_it_repeats(house):
    house.load(1)
    house.share()
    id_, version = delta.identity(house.data, KIND)
    (said,) = house.table().history(1)
    assert (said["meterhouse.table"], said["meterhouse.version"]) == (id_, str(version))


def test_a_field_that_the_contract_learns_becomes_a_column(house, monkeypatch):
    house.load(1)
    house.share()
    kind = contract.kinds()[KIND]
    field = replace(next(row for row in kind.fields if row.name == "branch"), name="made_up", pattern=None)
    grown = {**contract.kinds(), KIND: replace(kind, fields=(*kind.fields, field))}
    monkeypatch.setattr(contract, "kinds", lambda: grown)
    house.load(2)
    house.share()
    assert house.table().to_pyarrow_table()["made_up"].to_pylist() == [None, None]


def test_a_run_shares_after_all_else_and_tells_an_unreachable_storage_in_one_line(tmp_path):
    bucket, data = tmp_path / "raw", tmp_path / "data"
    raw.segment(bucket, [raw.event()])
    arguments = ("run", "--plain", "--raw", str(bucket), "--data", str(data))
    (tmp_path / "file").write_text("no folder")
    failed = raw.command(*arguments, METERHOUSE_STORAGE_LAKE=str(tmp_path / "file"))
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert str(tmp_path / "file") in failed.stderr.splitlines()[-1]
    assert raw.rows(DataDir(data), "SELECT count(*) FROM fct_requests") == [(1,)], "it was published all the same"
    done = raw.command(*arguments, METERHOUSE_STORAGE_LAKE=str(tmp_path / "lake"))
    assert (done.returncode, "shared lake: 1 tables, 1 new files" in done.stderr) == (0, True)
    again = raw.command(*arguments, METERHOUSE_STORAGE_LAKE=str(tmp_path / "lake"))
    assert (again.returncode, "shared" in again.stderr) == (0, False)
    assert json.loads((data / "shared.json").read_text())["destination"] == str(tmp_path / "lake")


def test_dagster_shares_while_the_tables_are_behind(house, monkeypatch):
    monkeypatch.setenv("METERHOUSE_STORAGE_DATA", str(house.data.root))
    house.load(1)

    def asked():
        with dg.DagsterInstance.ephemeral() as instance:
            return triggers.share_often(dg.build_schedule_context(instance))

    assert asked() == dg.SkipReason("no [storage] lake is set")
    monkeypatch.setenv("METERHOUSE_STORAGE_LAKE", house.place)
    assert isinstance(asked(), dg.RunRequest)
    workshop = Workshop(raw=str(house.bucket), data=str(house.data.root))
    done = defs.resolve_job_def("share").execute_in_process(resources={"workshop": workshop})
    (told,) = done.asset_materializations_for_node("shared_lake")
    assert (told.metadata["tables"].value, told.metadata["files"].value) == (2, 2)
    house.assert_equal()
    assert asked() == dg.SkipReason("the shared lake is current")
