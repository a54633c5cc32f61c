"""Agents that keep an SQLite store: read with its write-ahead log, never locked, never written, each row once."""

import sqlite3
from contextlib import closing

import pytest

from collectors.laptop import Laptop  # noqa: TID251 - tests/collectors
from meterhouse_collector import database


@pytest.fixture
def laptop(tmp_path):
    laptop = Laptop(tmp_path)
    (laptop.home / ".ledger").mkdir()
    return laptop


@pytest.fixture
def store(laptop):
    with closing(sqlite3.connect(laptop.home / ".ledger" / "ledger.db", isolation_level=None)) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("CREATE TABLE request (number INTEGER PRIMARY KEY, tokens INTEGER)")
        yield store


def add(store, *numbers):
    store.executemany("INSERT INTO request VALUES (?, ?)", [(number, number) for number in numbers])


def test_rows_that_are_only_in_the_log_are_read_and_later_ones_follow(laptop, store):
    add(store, *range(1, 8))
    laptop.once()
    add(store, 8)
    laptop.once()
    assert laptop.native_ids() == [f"row-{number}" for number in range(1, 9)]


def test_a_second_once_on_the_same_store_ships_nothing(laptop, store):
    add(store, 1, 2)
    laptop.once()
    before = len(laptop.segments())
    laptop.once()
    assert len(laptop.segments()) == before


def test_reading_takes_no_lock_that_a_writer_would_wait_for(laptop, store):
    store.execute("PRAGMA busy_timeout = 0")
    add(store, *range(1, 6))
    path = str(laptop.home / ".ledger" / "ledger.db")

    def select(opened, state):
        yield from opened.execute("SELECT number FROM request").fetchall()

    for row in database.records(path, select, {}):
        add(store, 100 + row["number"])
        assert store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "nobody keeps the log busy"


def test_the_store_itself_is_not_touched(laptop, store):
    add(store, 1)
    path = laptop.home / ".ledger" / "ledger.db"
    before = path.read_bytes(), (path.parent / "ledger.db-wal").read_bytes()
    laptop.once()
    assert (path.read_bytes(), (path.parent / "ledger.db-wal").read_bytes()) == before


@pytest.mark.parametrize(
    "content", [b"", b"SQLite format 3\x00 and then nothing", b"\x00" * 4096, b"not a database" * 999]
)
def test_a_file_that_is_no_store_is_told_and_costs_only_itself(laptop, store, content, capsys):
    add(store, 1)
    (laptop.home / ".ledger" / "broken.db").write_bytes(content)
    assert laptop.once() == 0
    assert laptop.native_ids() == ["row-1"]
    assert "1 files could not be read" in capsys.readouterr().err


def test_a_store_whose_tables_are_unknown_is_told_and_read_once_they_are_there(laptop, capsys):
    path = laptop.home / ".ledger" / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute("CREATE TABLE other (x)")
        laptop.once()
        assert "1 files could not be read" in capsys.readouterr().err
        store.execute("CREATE TABLE request (number INTEGER PRIMARY KEY, tokens INTEGER)")
        add(store, 1)
    laptop.once()
    assert laptop.native_ids() == ["row-1"]
