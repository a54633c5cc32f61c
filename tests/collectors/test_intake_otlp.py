"""OTLP at the intake: durable before it is answered, the token's person whoever is named, never an agent that waits for us."""

import gzip
import json

import pytest
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collectors.test_intake import ask  # noqa: TID251 - tests/collectors
from delivery import house
from meterhouse_collector import durable, otlp, segment, spool
from meterhouse_collector.events import Draft
from meterhouse_collector.intake import otlp_desk, protobuf, service
from meterhouse_collector.otlp.dialects import Dialect

CANARY = "CANARY-7f3a prompt"
PROTOBUF = "application/x-protobuf"


def read(record, here):
    """A made-up agent's way to tell a request."""
    if record.name != "call":
        return
    values = {"agent": "diary", "session_id": "s", "native_id": record.attributes.ident("id"), "status": "ok",
              "output_tokens": record.attributes.count("tokens")}  # fmt: skip
    person = record.attributes.ident("user")
    yield Draft(
        "model_request", ("s", values["native_id"]), record.at, {**values, **({"person_key": person} if person else {})}
    )


@pytest.fixture(autouse=True)
def _dialect(monkeypatch):
    made = Dialect("diary", lambda record: record.service == "diary", read, False)
    monkeypatch.setattr(otlp, "installed", lambda: [made])
    monkeypatch.setattr(otlp_desk, "POLL", 0.01)


@pytest.fixture
def start(tmp_path):
    """Starts intakes with a spool, and ends them."""
    started = []

    def begin(**more):
        started.append(house.Intake(tmp_path, tmp_path / "lake", spool_folder=tmp_path / "intake" / "spool", **more))
        return started[-1]

    yield begin
    for intake in started:
        intake.close()


def body(*numbers, name="diary", **attributes):
    def record(number):
        given = {"event.name": "call", "id": f"call-{number}", "prompt": CANARY, **attributes}
        pairs = [{"key": key, "value": {"stringValue": value}} for key, value in given.items()]
        pairs.append({"key": "tokens", "value": {"intValue": str(number)}})
        return {"timeUnixNano": str(1_780_000_000_000_000_000 + number), "attributes": pairs,
                "traceId": f"{number + 1:032x}", "body": {"stringValue": CANARY}}  # fmt: skip

    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]}
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record(n) for n in numbers]}]}]}


def push(intake, data, path="/v1/logs", kind="application/json", **headers):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return ask(intake, "POST", path, data, headers={"Content-Type": kind, **headers})


def arrived(tmp_path, intake):
    """The events in the destination once the intake has ended and its spool is shipped."""
    intake.close()
    opened = spool.open_spool(str(tmp_path / "intake" / "spool"), 1 << 30)
    from meterhouse_collector.destination import open_destination
    from meterhouse_collector.ship import ship_all

    ship_all(opened, open_destination(str(tmp_path / "lake")))
    opened.close()
    found = [segment.unseal(path.read_bytes()) for path in sorted((tmp_path / "lake").rglob("*.gz"))]
    return [json.loads(line) for _, lines in found for line in lines], [header["dropped"] for header, _ in found]


def test_what_was_answered_is_durable_and_counts_once_in_json_and_protobuf(start, tmp_path):
    intake = start()
    status, said, _ = push(intake, body(1, 2))
    assert (status, said) == (200, {})
    active = next((tmp_path / "intake" / "spool").glob("active-*"))
    assert len(segment.decode(active.read_bytes())[0]) == 2, "on the disk before the answer"
    request = ExportLogsServiceRequest()
    _with_ids(ParseDict(_without_ids(body(2, 3)), request), body(2, 3))
    status, said, headers = push(intake, request.SerializeToString(), kind=PROTOBUF)
    assert (status, headers["Content-Type"]) == (200, PROTOBUF)
    assert not ExportLogsServiceResponse.FromString(said).HasField("partial_success")
    events, dropped = arrived(tmp_path, intake)
    assert [event["native_id"] for event in events] == ["call-1", "call-2", "call-3"]
    assert dropped == [{}]
    assert "CANARY" not in json.dumps(events)


def _without_ids(value):
    text = json.dumps(value)
    return json.loads(
        text.replace('"traceId"', '"ignored"'), object_hook=lambda one: {k: v for k, v in one.items() if k != "ignored"}
    )


def _with_ids(request, value):
    for number, record in enumerate(value["resourceLogs"][0]["scopeLogs"][0]["logRecords"]):
        request.resource_logs[0].scope_logs[0].log_records[number].trace_id = bytes.fromhex(record["traceId"])


def test_ids_of_spans_become_hex_and_enums_numbers():
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.kind, span.start_time_unix_nano = b"\x01" * 16, b"\x02" * 8, 3, 2**62
    decoded = protobuf.decode("traces", request.SerializeToString())
    assert decoded["resourceSpans"][0]["scopeSpans"][0]["spans"] == [
        {"traceId": "01" * 16, "spanId": "02" * 8, "kind": 3, "startTimeUnixNano": str(2**62)}
    ]


@pytest.mark.parametrize(("person", "wanted"), [("p-1", ["p-1", "p-1"]), (None, ["p-9", None])])
def test_the_person_is_the_tokens_and_only_a_gateway_may_name_others(start, tmp_path, person, wanted):
    intake = start(person=person)
    push(intake, body(1, user="p-9"))
    push(intake, body(2))
    assert [event.get("person_key") for event in arrived(tmp_path, intake)[0]] == wanted


def test_records_that_nobody_knows_are_partial_success_and_counted(start, tmp_path):
    intake = start()
    status, said, _ = push(intake, body(1, 2, name="stranger"))
    assert (status, said["partialSuccess"]["rejectedLogRecords"]) == (200, "2")
    push(intake, body(3))
    events, dropped = arrived(tmp_path, intake)
    assert (len(events), dropped) == (1, [{"otlp_unknown": 2}])


def test_a_full_spool_answers_success_rejects_all_and_counts_it(start, tmp_path, monkeypatch):
    intake = start()
    push(intake, body(1))
    with monkeypatch.context() as patch:
        patch.setattr(durable, "free_space", lambda folder: 0)
        status, said, _ = push(intake, body(2, 3, 4))
        assert (status, said["partialSuccess"]) == (200, {"rejectedLogRecords": "3", "errorMessage": "spool_full"})
    assert push(intake, body(5))[:2] == (200, {})
    events, dropped = arrived(tmp_path, intake)
    assert [event["native_id"] for event in events] == ["call-1", "call-5"]
    assert dropped == [{"spool_full": 3}]


def test_a_disk_that_fails_is_503_and_the_next_body_is_taken(start, tmp_path, monkeypatch):
    monkeypatch.setattr(otlp_desk, "REOPEN", 0.01)
    intake = start()
    push(intake, body(1))
    with monkeypatch.context() as patch:

        def refuse(file):
            raise OSError(5, "Input/output error")

        patch.setattr(durable, "sync", refuse)
        status, _, headers = push(intake, body(2))
        assert (status, headers["Retry-After"]) == (503, "30")
    house.wait_for(lambda: push(intake, body(2))[0] == 200)
    assert sorted(event["native_id"] for event in arrived(tmp_path, intake)[0]) == ["call-1", "call-2"]


def test_what_is_pushed_is_shipped_by_itself(start, tmp_path, monkeypatch):
    monkeypatch.setattr(otlp_desk, "SEAL_AFTER", 0)
    intake = start()
    push(intake, body(1))
    house.wait_for(
        lambda: list((tmp_path / "lake").rglob("*.gz")) and not spool.list_waiting(str(tmp_path / "intake/spool"))
    )
    assert len(arrived(tmp_path, intake)[0]) == 1


def test_only_data_that_is_bad_is_an_error(start, monkeypatch):
    intake = start()
    monkeypatch.setattr(service, "OTLP_MAX", 2000)
    monkeypatch.setattr(service, "INFLATED_MAX", 4000)
    packed = gzip.compress(json.dumps(body(1)).encode())
    given = [
        (200, push(intake, packed, **{"Content-Encoding": "gzip"})), (200, push(intake, {})), (200, push(intake, b"[]")),
        (200, push(intake, {"resourceMetrics": []}, "/v1/metrics")), (200, push(intake, {"resourceSpans": 1}, "/v1/traces")),
        (400, push(intake, b"{")), (400, push(intake, b"\xff" * 9, kind=PROTOBUF)), (415, push(intake, b"", kind="text/plain")),
        (415, push(intake, packed, **{"Content-Encoding": "br"})), (413, push(intake, b"x" * 2001)),
        (413, push(intake, gzip.compress(b" " * 4001), **{"Content-Encoding": "gzip"})), (404, push(intake, {}, "/v1/profiles")),
    ]  # fmt: skip
    assert [status for status, _ in given] == [status for _, (status, _, _) in given]
