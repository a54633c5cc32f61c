"""OTLP in protobuf, as the same objects that OTLP/JSON gives: ids in hex, numbers of enums, 64-bit numbers as text.

The only module that knows the `serve` extra; without it protobuf is answered 415 and JSON goes on.
"""

import base64
from typing import Any, Dict

from .errors import HttpError

TYPE = "application/x-protobuf"
_IDS = ("traceId", "spanId", "parentSpanId")


def decode(signal: str, data: bytes) -> Dict[str, Any]:
    """A request's body. Raises HttpError for bytes that are none."""
    request, _ = _messages(signal)
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError

    try:
        message = request.FromString(data)
        body = MessageToDict(message, use_integers_for_enums=True)
    except (DecodeError, ValueError, RecursionError):
        raise HttpError(400, "body: is no OTLP in protobuf") from None
    _ids_to_hex(body)
    return body


def encode(signal: str, rejected: int, reason: str) -> bytes:
    """The answer to a request: empty when all was taken."""
    _, response = _messages(signal)
    answer = response()
    if rejected:
        fields = {"logs": "rejected_log_records", "traces": "rejected_spans", "metrics": "rejected_data_points"}
        setattr(answer.partial_success, fields[signal], rejected)
        answer.partial_success.error_message = reason
    return answer.SerializeToString()


def _messages(signal: str) -> Any:
    try:
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace
    except ImportError:
        raise HttpError(415, "Content-Type: protobuf needs the intake's extra `serve`; send JSON") from None
    return {
        "logs": (logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
        "traces": (trace.ExportTraceServiceRequest, trace.ExportTraceServiceResponse),
        "metrics": (metrics.ExportMetricsServiceRequest, metrics.ExportMetricsServiceResponse),
    }[signal]


def _ids_to_hex(value: Any) -> None:
    """JSON of protobuf has bytes in base64, OTLP/JSON has these ids in hex; no attribute is an object with these keys."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack.extend(one)
        elif isinstance(one, dict):
            for name in _IDS:
                if isinstance(one.get(name), str):
                    one[name] = base64.b64decode(one[name]).hex()
            stack.extend(one.values())
