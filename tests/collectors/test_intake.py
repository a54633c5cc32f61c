"""The intake against strangers: who may send what as whom, how much, how slowly; and what it answers to each."""

import gzip
import hashlib
import http.client
import json
import os
import socket
import threading

import pytest

from delivery import house
from meterhouse_collector import segment
from meterhouse_collector.__main__ import main
from meterhouse_collector.intake import http as bounds
from meterhouse_collector.intake import segments, service, tokens

EPOCH, SENDER = "0123456789abcdef", "00112233aabbccdd"


@pytest.fixture
def intake(tmp_path):
    made = house.Intake(tmp_path, tmp_path / "lake")
    yield made
    made.close()


def event(number=1, **more):
    return json.dumps({"event_id": f"{number:032x}", "kind": "model_request", "person_key": "p-1", **more}).encode()


def sealed(*lines, seq=1, **header):
    head = {"sender": SENDER, "epoch": EPOCH, "seq": seq, "count": len(lines), "dropped": {}, **header}
    return segment.seal(head, list(lines))


def ask(intake, method, path, body=None, headers=None, token=None):
    connection = http.client.HTTPConnection("127.0.0.1", intake.server.server_port, timeout=20)
    try:
        given = {"Authorization": f"Bearer {token or intake.token}", **(headers or {})}
        connection.request(method, path, body, {name: value for name, value in given.items() if value})
        answer = connection.getresponse()
        said = answer.read()
        is_json = answer.headers["Content-Type"] == "application/json"
        return answer.status, json.loads(said) if is_json else said, answer.headers
    finally:
        connection.close()


def post(intake, name, data, **more):
    return ask(intake, "POST", f"/v1/segments/{name}", data, **more)


def stored(intake, tmp_path):
    return {
        path.relative_to(tmp_path / "lake").as_posix(): path.read_bytes() for path in (tmp_path / "lake").rglob("*.gz")
    }


def test_a_segment_is_stored_as_it_came_and_its_digest_is_echoed(intake, tmp_path):
    name, data = sealed(event(1), event(2))
    for _ in range(2):
        status, said, _ = post(intake, name, data)
        assert (status, said["digest"], said["events"]) == (200, hashlib.sha256(data).hexdigest(), 2)
    assert stored(intake, tmp_path) == {f"raw/v1/intake/laptop-1/{SENDER}/{EPOCH}-000000000/{name}": data}


def test_the_same_number_with_other_content_is_409_and_changes_nothing(intake, tmp_path):
    name, data = sealed(event(1))
    post(intake, name, data)
    before = stored(intake, tmp_path)
    status, said, _ = post(intake, *sealed(event(2)))
    assert (status, "other content" in said["error"]) == (409, True)
    assert stored(intake, tmp_path) == before


def test_the_token_says_whose_events_they_are_and_nobody_sends_as_somebody_else(intake, tmp_path):
    lines = [event(1), event(2, person_key="p-2"), event(3, person_key="device-0a"), event(4, person_key=None)]
    lines += [event(5, kind="commit", person_key="p-3"), event(6, kind="commit", person_key="device-0a")]
    name, data = sealed(*lines)
    for _ in range(2):  # the same answer and the same object for the same bytes
        status, said, _ = post(intake, name, data)
        assert (status, said["persons_set"], said["digest"]) == (200, 3, hashlib.sha256(data).hexdigest())
    ((key, found),) = stored(intake, tmp_path).items()
    header, kept = segment.unseal(found)
    assert [json.loads(line)["person_key"] for line in kept] == ["p-1", "p-1", "p-1", None, "p-3", "p-1"]
    assert (kept[0], header["persons_set"], header["received_as"]) == (lines[0], 3, segment.digest(data))
    assert segment.digest(found) in key


def test_a_sender_without_a_person_may_name_anybody_as_a_gateway_must(tmp_path):
    intake = house.Intake(tmp_path, tmp_path / "lake", person=None)
    name, data = sealed(event(1), event(2, person_key="p-2"))
    assert post(intake, name, data)[0] == 200
    assert list(stored(intake, tmp_path).values()) == [data]
    intake.close()


def test_unknown_expired_and_doubled_tokens_are_401_before_the_body_is_read(intake, tmp_path):
    known = list(tokens.read(str(intake.tokens)))
    name, data = sealed(event())
    for given in ("Bearer meterhouse_wrong", "Basic eDp5", "Bearer " + "x" * 1_000_00, None):
        status, said, headers = post(intake, name, data, headers={"Authorization": given})
        assert (status, headers["WWW-Authenticate"]) in ((401, "Bearer"), (431, None)), said
    tokens.write(str(intake.tokens), [tokens.Token("laptop-1", known[0].sha256, "p-1", expires="2026-01-01")])
    assert post(intake, name, data)[0] == 401
    tokens.write(str(intake.tokens), known)
    assert post(intake, name, data)[0] == 200
    intake.tokens.write_text("broken")
    assert post(intake, name, data)[0] == 200, "the last good tokens stay in force"
    assert intake.token not in (tmp_path / "tokens.json").read_text()


def _bad_segments():
    name, data = sealed(event(1))
    plain = gzip.decompress(data)
    header, line, _ = plain.split(b"\n")

    def again(text, as_name=None):
        packed = gzip.compress(text, mtime=0)
        return as_name or f"{EPOCH}-000000000001-{segment.digest(packed)}.jsonl.gz", packed

    return {
        "a name that is no segment's": (422, ("x.jsonl.gz", data)),
        "a name that climbs": (422, ("..%2f..%2fetc", data)),
        "bytes that changed on the way": (503, (name, data[:-1] + b"x")),
        "no gzip": (422, (f"{EPOCH}-000000000001-{segment.digest(b'x' * 9)}.jsonl.gz", b"x" * 9)),
        "cut gzip": (422, (f"{EPOCH}-000000000001-{segment.digest(data[:-4])}.jsonl.gz", data[:-4])),
        "a second gzip member": (422, (f"{EPOCH}-000000000001-{segment.digest(data + data)}.jsonl.gz", data + data)),
        "no header": (422, again(line + b"\n")),
        "a cut last line": (422, again(plain[:-1])),
        "a line that is no JSON": (422, again(header + b'\n{"event_id":\n')),
        "a line that is no object": (422, again(header + b"\n[1]\n")),
        "a line nested a thousandfold": (422, again(header + b"\n" + b"[" * 100_000 + b"\n")),
        "another count": (422, sealed(event(1), count=2)),
        "a sender that climbs": (422, sealed(event(1), sender="../../../../etc/x")),
        "another epoch than its name's": (422, again(plain.replace(EPOCH.encode(), b"f" * 16))),
        "too many events": (413, sealed(*[event(n) for n in range(segments.EVENTS_MAX + 1)])),
        "a bomb": (413, again(header + b"\n" + b" " * (segments.INFLATED_MAX + 1))),
        "a newer format": (503, again(plain.replace(b'"meterhouse_segment":1', b'"meterhouse_segment":2'))),
        "a person that cannot be written": (
            422,
            sealed(event(1, person_key="p-2", x="\ud800").replace(b"p-2", b"p-3")),
        ),
    }


@pytest.mark.parametrize("what", _bad_segments())
def test_what_is_no_good_segment_is_told_why_and_never_stored(intake, tmp_path, what):
    wanted, (name, data) = _bad_segments()[what]
    status, said, headers = post(intake, name, data)
    assert status == wanted, said
    assert said["error"]
    assert ("Retry-After" in headers) == (status == 503)
    assert stored(intake, tmp_path) == {}


def test_a_body_above_the_limit_is_413_without_being_read(intake):
    status, said, _ = post(intake, sealed(event())[0], b"x" * (segments.COMPRESSED_MAX + 1))
    assert (status, said["meterhouse_intake"]) == (413, 1)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: x\r\n", 400), (b"Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        (b"Content-Length: 99999999999999\r\n", 413), (b"", 411), (b"Transfer-Encoding: gzip\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400), (b"".join(b"X-%d: y\r\n" % n for n in range(80)), 431),
    ],
)  # fmt: skip
def test_heads_that_lie_are_refused(intake, head, status):
    with socket.create_connection(("127.0.0.1", intake.server.server_port), timeout=20) as connection:
        start = b"POST /v1/segments/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n" % intake.token.encode()
        connection.sendall(start + head + b"\r\n")
        assert b" %d " % status in connection.recv(200)


def test_chunked_bodies_are_read_within_the_same_limit(intake, tmp_path):
    name, data = sealed(event())
    assert post(intake, name, iter([data[:20], data[20:]]))[0] == 200
    assert len(stored(intake, tmp_path)) == 1
    assert post(intake, name, iter([b"x" * 65536] * 40))[0] == 413


def test_slow_and_silent_senders_hold_a_thread_for_seconds_and_others_are_served(intake, monkeypatch):
    monkeypatch.setattr(bounds, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(bounds, "HEAD_SECONDS", 0.2)
    address = ("127.0.0.1", intake.server.server_port)
    slow = [socket.create_connection(address, timeout=20) for _ in range(20)]
    start = (
        b"POST /v1/segments/x HTTP/1.1\r\nContent-Length: 99\r\nAuthorization: Bearer %s\r\n\r\nx"
        % intake.token.encode()
    )
    for number, connection in enumerate(slow):
        connection.sendall(start if number % 2 else b"POST /v1/seg")
    assert ask(intake, "GET", "/healthz")[0] == 200
    assert [b" 408 " in connection.recv(200) for connection in slow[1::2]] == [True] * 10
    assert all(connection.recv(200) == b"" for connection in slow[::2])
    for connection in slow:
        connection.close()


def test_more_connections_than_threads_are_sent_away_with_a_time_to_come_again(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "CONNECTIONS", 2)
    intake = house.Intake(tmp_path, tmp_path / "lake")
    address = ("127.0.0.1", intake.server.server_port)
    idle = [socket.create_connection(address, timeout=20) for _ in range(2)]
    house.wait_for(lambda: intake.server._free._value == 0)
    with socket.create_connection(address, timeout=20) as third:
        assert b"503" in (answer := third.recv(500))
        assert b"Retry-After: 30" in answer
    for connection in idle:
        connection.close()
    house.wait_for(lambda: intake.server._free._value == 2)
    assert ask(intake, "GET", "/healthz")[0] == 200
    intake.close()


def test_a_sender_above_its_rate_waits_and_others_do_not():
    rate = service.Rate()
    assert [rate.wait("a", 0.0) for _ in range(120)] == [None] * 120
    assert rate.wait("a", 0.0) == 1
    assert rate.wait("b", 0.0) is None
    assert rate.wait("a", 1.1) is None


def test_many_senders_at_once_lose_nothing_and_one_of_two_clashing_wins(intake, tmp_path):
    answers = []

    def send(number):
        answers.append((number, post(intake, *sealed(event(number), seq=number // 2 + 1))[0]))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for _, status in answers) == [200] * 20 + [409] * 20
    assert len(stored(intake, tmp_path)) == 20


def test_health_and_readiness_need_no_token_and_everything_else_does(intake):
    assert ask(intake, "GET", "/healthz", token="x")[0] == 200
    assert ask(intake, "GET", "/readyz", token="x")[0] == 200
    assert ask(intake, "GET", "/v1/segments", token="x")[0] == 401
    assert ask(intake, "GET", "/v1/segments")[1]["sender"] == "laptop-1"
    assert ask(intake, "GET", "/metrics")[0] == 404


def test_neither_tokens_nor_events_are_in_what_the_intake_says(intake, capfd):
    post(intake, *sealed(event(1, branch="CANARY-branch")))
    post(intake, sealed(event(1))[0], b"CANARY-body")
    post(intake, "x", b"y", headers={"Authorization": "Bearer CANARY-token"})
    said = "".join(capfd.readouterr())
    assert "laptop-1: 1 events" in said
    assert "CANARY" not in said
    assert intake.token not in said


def test_tokens_are_made_listed_and_removed_and_never_stored(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("METERHOUSE_PSEUDONYM_KEY", "k" * 16)
    file = tmp_path / "not-there-yet" / "tokens.json"
    place = ["--home", str(tmp_path), "--tokens", str(file)]
    assert main(["token", "add", "laptop-7", "--person", "someone@example.com", *place]) == 0
    text = capsys.readouterr().out.strip()
    assert (file.stat().st_mode & 0o777, text in file.read_text(), "@" in file.read_text()) == (0o600, False, False)
    assert tokens.Tokens(str(file)).find(f"Bearer {text}").name == "laptop-7"
    assert main(["token", "add", "laptop-7", *place]) == 1
    assert main(["token", "add", "Bad/Name", *place]) == 1
    assert main(["token", "list", *place]) == 0
    assert capsys.readouterr().out.startswith("laptop-7\t")
    assert main(["token", "remove", "laptop-7", *place]) == 0
    assert tokens.read(str(file)) == ()
    os.chmod(file, 0o644)
    assert main(["token", "list", *place]) == 1
    assert "chmod 600" in capsys.readouterr().err


def test_serve_refuses_what_cannot_work_in_one_line(tmp_path, capsys):
    place = ["serve", "--home", str(tmp_path), "--spool", str(tmp_path / "spool")]
    (tmp_path / "tokens.json").write_text('{"tokens": []}')
    os.chmod(tmp_path / "tokens.json", 0o600)
    with_tokens = [*place, "--tokens", str(tmp_path / "tokens.json")]
    for arguments, word in (
        ([*place, "--to", str(tmp_path / "lake"), "--tokens", str(tmp_path / "none.json")], "token add"),
        ([*with_tokens, "--to", str(tmp_path / "lake"), "--listen", "nowhere"], "HOST:PORT"),
        ([*with_tokens, "--to", "http://127.0.0.1:1"], "use a folder or s3://, gs://, az://\n"),
    ):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert word in error
        assert error.count("\n") == 1
