"""Shipping to folders and buckets: every object once, whole, and kept in the spool until it has arrived."""

import os
import threading
import time

import obstore
import pytest
from obstore.store import S3Store

from collectors.laptop import Laptop, jsonl, turn  # noqa: TID251 - tests/collectors
from meterhouse_collector import destination, ship, spool
from meterhouse_collector.__main__ import main
from meterhouse_collector.commands import run
from meterhouse_collector.errors import CollectorError, ShipError


@pytest.fixture
def laptop(tmp_path):
    made = Laptop(tmp_path)
    made.append(jsonl([turn(1), turn(2)]))
    return made


@pytest.fixture
def s3(monkeypatch):
    """An S3 server in this process with one bucket; the collector finds it as it would find a real one."""
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

    bucket = f"lake-{time.monotonic_ns()}"
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/{bucket}", method="PUT")).close()
    yield S3Store(bucket, endpoint=f"http://{host}:{port}", client_options={"allow_http": True})
    server.stop()


def objects(store):
    return {
        item["path"]: bytes(obstore.get(store, item["path"]).bytes()) for batch in obstore.list(store) for item in batch
    }


def url_of(store):
    return f"s3://{store.config['bucket']}/team"


def test_segments_lie_under_the_sender_with_names_that_prove_their_bytes(laptop):
    laptop.once()
    (path,) = laptop.to.rglob("*.jsonl.gz")
    ((header, _),) = laptop.segments()
    name = f"{header['epoch']}-000000000001-{spool.segment.digest(path.read_bytes())}.jsonl.gz"
    assert path.relative_to(laptop.to).as_posix() == f"raw/v1/direct/{header['sender']}/{name}"
    assert not [left for left in laptop.to.rglob("*") if left.name.endswith(".tmp")]


def test_a_bucket_gets_the_same_bytes_as_a_folder_and_nothing_twice(laptop, s3):
    assert laptop.once(url_of(s3)) == 0
    first = objects(s3)
    assert len(first) == 1
    assert next(iter(first)).startswith("team/raw/v1/direct/")
    assert laptop.once(url_of(s3)) == 0
    assert objects(s3) == first


def test_an_object_that_is_there_already_counts_as_shipped(laptop, s3, tmp_path):
    laptop.once()
    (path,) = laptop.to.rglob("*.jsonl.gz")
    key, data = path.relative_to(laptop.to).as_posix(), path.read_bytes()
    for place in (destination.open_destination(url_of(s3)), destination.open_destination(str(tmp_path / "other"))):
        place.put(key, data)
        place.put(key, data)
        place.put(key, data[:-1])  # what a broken copy left
        place.put(key, data)
    assert objects(s3) == {f"team/{key}": data}
    assert (tmp_path / "other" / key).read_bytes() == data


def test_a_missing_bucket_is_one_clear_line_and_nothing_is_lost(laptop, s3, capfd):
    assert laptop.once("s3://no-such-bucket-here/x") == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "no-such-bucket-here" in error
    assert "1 segments wait in" in error
    assert laptop.once(url_of(s3)) == 0
    assert len(objects(s3)) == 1


def test_a_bucket_nobody_answers_for_is_one_clear_line_and_nothing_is_lost(laptop, s3, monkeypatch, capfd):
    monkeypatch.setattr(ship.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert laptop.once(url_of(s3)) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "cannot be reached" in error
    laptop.once()
    assert laptop.ids() == ["turn-1", "turn-2"]


class Answers:
    """An HTTP server that gives every request the next scripted status."""

    def __init__(self, *statuses):
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(handler):  # noqa: N805 - `self` is the server around it
                handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                handler.send_response(statuses[min(self.asked, len(statuses) - 1)])
                self.asked += 1
                handler.send_header("Content-Length", "0")
                handler.send_header("ETag", '"x"')
                handler.end_headers()

            def log_message(self, *_):
                pass

        self.asked = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.mark.parametrize(("status", "passing"), [(403, False), (401, False), (500, True), (503, True), (429, True)])
def test_what_a_bucket_answers_decides_whether_trying_again_soon_helps(s3, monkeypatch, status, passing):
    answers = Answers(status)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{answers.server.server_port}")
    with pytest.raises(ShipError) as raised:
        destination.open_destination("s3://b/p").put("k", b"x")
    assert raised.value.passing is passing
    answers.server.shutdown()
    answers.server.server_close()


def test_once_outlasts_a_short_failure(laptop, s3, monkeypatch):
    monkeypatch.setattr(ship.time, "sleep", lambda seconds: None)
    answers = Answers(503, 503, 503, 200)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{answers.server.server_port}")
    assert laptop.once("s3://b/p") == 0
    assert answers.asked == 4
    answers.server.shutdown()
    answers.server.server_close()


def test_a_destination_folder_is_made_but_not_its_parents(laptop, capsys):
    assert laptop.once(laptop.root / "no" / "such" / "lake") == 1
    error = capsys.readouterr().err
    assert "its parent folder does not exist" in error
    assert not (laptop.root / "no").exists()
    assert laptop.once() == 0
    assert laptop.ids() == ["turn-1", "turn-2"]


def test_a_destination_that_cannot_be_written_keeps_the_segment(laptop, capsys):
    laptop.to.write_text("a file, not a folder")
    assert laptop.once() == 1
    assert "cannot be written" in capsys.readouterr().err
    laptop.to.unlink()
    assert laptop.once() == 0
    assert laptop.ids() == ["turn-1", "turn-2"]


@pytest.mark.parametrize("url", ["ftp://host/x", "s4://bucket"])
def test_an_unknown_kind_of_destination_is_named(url):
    with pytest.raises(CollectorError, match="unknown kind of destination"):
        destination.open_destination(url)


def test_a_bucket_without_the_extra_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "obstore", None)
    with pytest.raises(CollectorError, match=r"pip install 'meterhouse-collector\[bucket\]'"):
        destination.open_destination("s3://bucket")


def test_a_segment_whose_bytes_changed_on_this_disk_is_put_aside_not_shipped(laptop, capsys):
    assert laptop.once("/no/such/place/lake") == 1
    (waiting,) = spool.list_waiting(str(laptop.spool))
    with open(waiting.path, "r+b") as file:
        file.seek(40)
        byte = file.read(1)[0]
        file.seek(40)
        file.write(bytes([byte ^ 1]))
    assert laptop.once() == 0
    assert "put aside" in capsys.readouterr().err
    assert laptop.segments() == []
    assert [path.name for path in (laptop.spool / "aside").iterdir()] == [waiting.name]


def test_receipts_are_kept_for_thirty_days(laptop, monkeypatch):
    laptop.once()
    later = time.time() + 31 * 86400
    laptop.append(jsonl([turn(3)]))
    monkeypatch.setattr(ship.time, "time", lambda: later)
    laptop.once()
    opened = spool.open_spool(str(laptop.spool), 1 << 30)
    (receipt,) = opened.cursors.receipts()
    opened.close()
    assert (receipt["count"], receipt["destination"]) == (1, str(laptop.to))


def test_backoff_grows_with_jitter_tells_once_and_waits_an_hour_for_what_somebody_must_mend(capsys):
    backoff, now = ship.Backoff(), 0.0
    assert backoff.allows(now)
    for _ in range(30):
        backoff.failed(ShipError("lake: away", True), now)
    assert backoff.allows(now + ship.BACKOFF_MAX)
    assert capsys.readouterr().err == "lake: away\n"
    backoff.failed(ShipError("lake: denied", False), now)
    assert not backoff.allows(now + ship.BACKOFF_DENIED - 1)
    backoff.woke_up(now)
    assert backoff.allows(now + ship.AWAKE_SPREAD)


def test_run_ships_new_lines_and_ends_cleanly_on_sigterm(laptop):
    process = laptop.start("run", SMALL_BATCHES="1")
    try:
        wait_for(lambda: laptop.ids().count("turn-2") == 1)
        laptop.append(jsonl([turn(3)]))
        laptop.append(jsonl([turn(4)]), "new.jsonl")
        wait_for(lambda: {"turn-3", "turn-4"} <= set(laptop.native_ids()))
        process.terminate()
        assert process.wait() == 0
    finally:
        process.kill()
        process.communicate()
    beats = [event for event in laptop.events() if event["kind"] == "heartbeat"]
    assert len(beats) == 1
    assert beats[0]["files_watched"] == 1
    assert laptop.once() == 0
    assert sorted(laptop.native_ids()) == ["turn-1", "turn-2", "turn-3", "turn-4"]


def test_run_goes_on_when_the_destination_is_away_and_comes_back(laptop, monkeypatch):
    monkeypatch.setattr(run, "POLL", 0)
    monkeypatch.setattr(ship, "BACKOFF_FIRST", 0)
    monkeypatch.setattr(run, "SEAL_AFTER", 0)
    place = run.resolve(arguments := _namespace(laptop))
    stop, there = Stop(20), destination.open_destination(arguments.to)
    calls = []

    def put(key, data):
        calls.append(key)
        if len(calls) < 5:
            raise ShipError("lake: away", True)
        return destination.Folder.put(there, key, data)

    there.put = put
    run.follow(place, there, stop)
    assert set(laptop.native_ids()) == {"turn-1", "turn-2"}
    assert len(calls) >= 5


class Stop:
    """A stop sign that shows after so many polls, without waiting."""

    def __init__(self, polls):
        self.polls = polls

    def is_set(self):
        return self.polls <= 0

    def wait(self, seconds):
        self.polls -= 1


def _namespace(laptop):
    from meterhouse_collector.__main__ import parser

    return parser().parse_args(laptop.arguments("run"))


def wait_for(condition):
    """Until it holds; the limit only ends a run that hangs."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("did not happen")


def test_main_without_a_destination_says_where_to_set_one(laptop, monkeypatch, capsys):
    monkeypatch.delenv("METERHOUSE_TO", raising=False)
    assert main(["once", "--home", str(laptop.home), "--spool", str(laptop.spool)]) == 1
    assert "METERHOUSE_TO" in capsys.readouterr().err
    assert os.listdir(laptop.root) == ["home"]
