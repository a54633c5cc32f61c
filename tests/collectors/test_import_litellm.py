"""`import litellm`: folders, files, exports and buckets; late objects are found, read ones are not read again, broken ones told."""

import csv
import gzip
import json
import os
import sqlite3
import sys
import time

import obstore
import pytest
from obstore.store import S3Store

from collectors.conformance import FIXTURES, shared  # noqa: TID251 - tests/collectors
from collectors.laptop import Laptop  # noqa: TID251
from meterhouse_collector.__main__ import main
from meterhouse_collector.importing import _objects

OWN = FIXTURES / "litellm"
LINES = (OWN / "payloads.jsonl").read_bytes().split(b"\n")
ROWS = (OWN / "spend_logs.jsonl").read_bytes().splitlines()
EVENTS = 13  # of either


@pytest.fixture
def laptop(tmp_path, monkeypatch):
    monkeypatch.setenv("METERHOUSE_PSEUDONYM_KEY", "a key of the organisation")
    return Laptop(tmp_path)


@pytest.fixture
def log(tmp_path):
    """A folder as LiteLLM's S3 logger lays it out, one object a call."""
    folder = tmp_path / "log"
    for number, line in enumerate(LINES):
        put(folder, number, line)
    return folder


@pytest.fixture
def s3(monkeypatch):
    """An S3 server in this process with one bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "us-east-1", "NO_PROXY": "127.0.0.1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    import urllib.request

    bucket = f"log-{time.monotonic_ns()}"
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/{bucket}", method="PUT")).close()
    yield S3Store(bucket, endpoint=f"http://{host}:{port}", client_options={"allow_http": True})
    server.stop()


def put(folder, number, data):
    day = folder / "Payments" / "2026-11-20"
    day.mkdir(parents=True, exist_ok=True)
    path = day / f"time-09-46-{number:02d}-000000_call-{number}.json"
    path.write_bytes(data)
    return path


def load(laptop, *places):
    return main([*laptop.arguments("import"), "litellm", *map(str, places), "--to", str(laptop.to)])


def test_a_folder_is_imported_once_and_a_late_object_is_found(laptop, log):
    put(log, 0, b"").unlink()
    assert load(laptop, log) == 0
    assert len(laptop.events()) == EVENTS - 1
    segments = len(laptop.segments())
    load(laptop, log)
    assert len(laptop.segments()) == segments
    put(log, 0, LINES[0])  # its name sorts before all that were read
    load(laptop, log)
    assert len(laptop.events()) == EVENTS


def test_an_object_that_was_read_is_not_opened_again_also_when_its_ids_are_forgotten(laptop, log):
    load(laptop, log)
    with sqlite3.connect(laptop.spool / "cursors.db") as db:
        db.execute("UPDATE cursor SET recent = x'' WHERE path = 'inlet:litellm'")
    load(laptop, log)
    assert len(laptop.events()) == EVENTS


@pytest.mark.parametrize(
    "name", ["batch_09.jsonl", "batch_09.jsonl.gz", "batch-1.ndjson", "rows.json", "pretty.json", "answer.json", "call"]
)
def test_every_way_of_writing_them_gives_the_same_events(laptop, tmp_path, name):
    records = [json.loads(line) for line in LINES]
    data = {
        "batch_09.jsonl.gz": gzip.compress(b"\n".join(LINES)),
        "rows.json": json.dumps(records).encode(),
        "answer.json": json.dumps({"data": records, "total": len(records), "page": 1}).encode(),
        "pretty.json": json.dumps(records, indent=1).encode(),
    }.get(name, b"\n".join(LINES))  # the last line of a batch has no line feed
    (tmp_path / name).write_bytes(data)
    load(laptop, tmp_path / name)
    assert len(laptop.events()) == EVENTS


def test_an_export_of_the_table_adds_nothing_to_the_objects_of_the_same_calls(laptop, log, tmp_path):
    rows = [json.loads(row) for row in ROWS]
    (tmp_path / "spend_logs.jsonl").write_bytes(b"\n".join(ROWS))
    with open(tmp_path / "spend_logs.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    load(laptop, tmp_path / "spend_logs.csv")
    assert len(laptop.events()) == EVENTS
    load(laptop, log, tmp_path / "spend_logs.jsonl")
    assert len(laptop.events()) == EVENTS


def test_what_cannot_be_read_is_told_counted_and_tried_again(laptop, log, capsys):
    broken = put(log, 90, gzip.compress(LINES[0])[:-20])
    broken.rename(broken.with_suffix(".json.gz"))
    put(log, 91, b"no JSON at all")
    put(log, 92, b'{"date": "2026-11-20", "spend": 1.5}')
    put(log, 93, LINES[1] + b"\n{torn")
    os.mkfifo(log / "pipe")
    load(laptop, log)
    assert len(laptop.events()) == EVENTS
    assert laptop.dropped() == {"litellm_broken": 1, "litellm_unknown": 1}
    said = capsys.readouterr().err
    assert "3 objects could not be read" in said
    assert f"{log / 'pipe'}: is no regular file" in said
    assert "1 records are none of LiteLLM's request log" in said
    assert "CANARY" not in said
    broken.with_suffix(".json.gz").write_bytes(gzip.compress(LINES[0]))
    load(laptop, log)
    assert "2 objects could not be read" in capsys.readouterr().err


def test_a_place_that_is_not_there_is_an_error_of_one_line(laptop, tmp_path, capsys):
    assert load(laptop, tmp_path / "nowhere") == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert load(laptop, "ftp://nowhere") == 1


def test_real_objects_rows_and_focus_export_together_count_each_call_once(laptop, capsys):
    load(laptop, shared("litellm"))
    events = laptop.events()
    assert sum(event["kind"] == "model_request" for event in events) == 11
    assert sum(event["kind"] == "tool_call" for event in events) == 1
    assert "FOCUS export cannot be counted" in capsys.readouterr().err


def test_no_content_is_in_spool_destination_or_output(laptop, log, capsys):
    (log / "rows.jsonl").write_bytes(b"\n".join(ROWS))
    load(laptop, log)
    said = capsys.readouterr()
    files = [path for folder in (laptop.spool, laptop.to) for path in folder.rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in files) + b"".join(laptop.lines())
    assert b"CANARY" not in everything + (said.out + said.err).encode()


def test_more_than_one_batch_survives_a_spool_that_is_full_on_the_way(laptop, tmp_path, monkeypatch):
    record = json.loads(LINES[2])
    lines = (json.dumps({**record, "id": f"msg_{n:024d}", "litellm_call_id": f"c-{n}"}) for n in range(2500))
    (tmp_path / "batch.jsonl").write_text("\n".join(lines))
    monkeypatch.setattr("meterhouse_collector.spool.SEAL_EVENTS", 1000)
    (tmp_path / "state").mkdir(exist_ok=True)
    monkeypatch.setattr("meterhouse_collector.place.Place.open_spool", small_spool)
    load(laptop, tmp_path / "batch.jsonl")
    assert len({event["event_id"] for event in laptop.events()}) == len(laptop.events()) == 2500


def small_spool(place):
    """A spool whose limit one sealed segment reaches."""
    from meterhouse_collector.spool import open_spool

    return open_spool(place.spool, 1000)


def test_a_bucket_is_read_as_a_folder_is(laptop, log, s3, tmp_path, capsys):
    for path in log.rglob("*.json"):
        obstore.put(s3, "litellm/" + path.relative_to(log).as_posix(), path.read_bytes())
    obstore.put(s3, "other/call.json", LINES[0])
    place = f"s3://{s3.config['bucket']}/litellm"
    load(laptop, place)
    segments = len(laptop.segments())
    load(laptop, place)
    assert (len(laptop.events()), len(laptop.segments())) == (EVENTS, segments)
    obstore.put(s3, "litellm/Payments/2026-11-19/time-23-59-00-000000_broken.json", b"no JSON")
    load(laptop, place)
    assert "1 objects could not be read" in capsys.readouterr().err


def test_a_bucket_that_does_not_exist_is_an_error_of_one_line(laptop, s3, capsys):
    assert load(laptop, "s3://no-such-bucket/litellm") == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_document_that_is_too_large_is_told_and_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(_objects, "WHOLE_MAX", 1000)
    (tmp_path / "a.json").write_text("[\n" + " " * 2000 + "]")
    (found,) = _objects.objects(str(tmp_path))
    with pytest.raises(_objects.DamagedError, match="more than"):
        list(_objects.records(found))


def test_deep_nesting_and_huge_numbers_are_lines_that_are_no_json(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}\n" + "[" * 100_000 + "\n" + "9" * 5000 + "\n{}")
    (found,) = _objects.objects(str(tmp_path))
    huge = [None] if hasattr(sys, "get_int_max_str_digits") else [int("9" * 5000)]
    assert list(_objects.records(found)) == [{}, None, *huge, {}]
