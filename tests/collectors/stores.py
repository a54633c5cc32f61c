"""Agents' SQLite stores for tests: built from rows as JSON lines, read with the sources alone as `conformance` does."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from collectors import conformance  # noqa: TID251 - the folder of these tests
from meterhouse_collector import database
from meterhouse_collector.here import Here

OPENCODE = """
CREATE TABLE session (id text PRIMARY KEY, project_id text NOT NULL, parent_id text, slug text NOT NULL,
  directory text NOT NULL, title text NOT NULL, version text NOT NULL, time_created integer NOT NULL, time_updated integer NOT NULL);
CREATE TABLE message (id text PRIMARY KEY, session_id text NOT NULL, time_created integer NOT NULL,
  time_updated integer NOT NULL, data text NOT NULL);
CREATE TABLE part (id text PRIMARY KEY, message_id text NOT NULL, session_id text NOT NULL, time_created integer NOT NULL,
  time_updated integer NOT NULL, data text NOT NULL);
CREATE TABLE session_message (id text PRIMARY KEY, session_id text NOT NULL, type text NOT NULL, data text NOT NULL);
CREATE TABLE credential (id text PRIMARY KEY, value text NOT NULL);
CREATE INDEX message_session_time_created_id_idx ON message (session_id, time_created, id);
CREATE INDEX part_message_id_id_idx ON part (message_id, id);
INSERT INTO credential VALUES ('c', 'CANARY-secret');
"""


def build(path: Path, schema: str, rows: list) -> Path:
    """A new store with these rows, each an object that names its table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as store:
        store.executescript(schema)
        put(store, rows)
    return path


def put(store: sqlite3.Connection, rows: list) -> None:
    """Insert rows or update those that are there in place, as the agents do; objects are stored as JSON."""
    for row in rows:
        values = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in row.items()}
        table = values.pop("table")
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        updates = ", ".join(f"{name} = excluded.{name}" for name in values)
        store.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {updates}",
            list(values.values()),
        )
    store.commit()


def read(source, path: Path, state=None, home: Path = Path("/nowhere")) -> list:
    """Events of the rows that are new to the state, which is carried on in place and survives JSON."""
    state = {} if state is None else state
    records = database.records(str(path), source.select, state)
    found = list(conformance._events(source, enumerate(records), state, Here(path, home)))
    kept = json.loads(json.dumps(state))
    state.clear()
    state.update(kept)
    return found
