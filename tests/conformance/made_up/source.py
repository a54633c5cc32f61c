"""An agent that exists only in tests: one line an answer. Nothing else in the project knows its name."""

from meterhouse_collector.events import Draft
from meterhouse_collector.json_values import count, ident
from meterhouse_collector.lines import instant

NAME = "sketchpad"


def find(home, env):
    """A log a session."""
    yield from sorted(home.glob(".sketchpad/*.jsonl"))


def read(record, state, here):
    """An answer and the tool that it called."""
    at, answer = instant(record.get("time")), ident(record.get("answer"))
    if at is None or answer is None:
        return
    session = {"agent": NAME, "session_id": here.path.stem}
    tokens = {"input_tokens": count(record.get("read")), "output_tokens": count(record.get("wrote"))}
    request = {"status": "ok", "response_id": answer, "model": ident(record.get("model")), **tokens}
    yield Draft("model_request", (here.path.stem, answer), at, {**session, **request})
    if "tool" in record:
        call = {"tool_name": "custom_tool", "tool_call_id": answer, "success": record.get("worked") is True}
        yield Draft("tool_call", (here.path.stem, answer), at, {**session, **call})
