"""Codex over OTLP: of many `codex.sse_event` records a request, the one `response.completed` with tokens; no id of the provider.

`codex.tool_result` carries arguments and output whatever the settings say: neither is ever read. Numbers come as texts, the
time of a record is 0 and its observed time counts.
"""

from typing import Any, Dict, Iterator, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.otlp.records import Record
from meterhouse_collector.sources.codex.tools import BUILT_IN

from ._shared import call_id_of, status_of, tool_of

NAME = "codex"
_DECISIONS = {"approved": "accept", "approved_for_session": "accept", "denied": "reject", "abort": "reject"}
_RUNS_COMMANDS = ("container.exec", "exec", "exec_command", "local_shell", "shell", "shell_command", "write_stdin")
_SOURCES = {"Config": "config", "User": "user"}


def claims(record: Record) -> bool:
    """Services are named codex_exec, codex-tui, codex_vscode and the like."""
    return record.name.startswith("codex.") or record.service.startswith("codex") or record.scope.startswith("codex_")


def read(record: Record, here: Any) -> Iterator[Draft]:
    """Drafts of one event; traces repeat what events say."""
    if record.signal != "logs" or record.at is None:
        return
    readers = {
        "codex.sse_event": _response,
        "codex.api_request": _failure,
        "codex.user_prompt": _prompt,
        "codex.tool_decision": _tool_decision,
        "codex.tool_result": _tool_result,
    }
    if record.name in readers:
        yield from readers[record.name](record, here)


def _session(record: Record) -> Dict[str, Any]:
    given = record.attributes
    return {
        "agent": NAME,
        "agent_version": given.ident("app.version") or record.resource.ident("service.version"),
        "surface": given.ident("originator"),
        "session_id": given.ident("conversation.id"),
    }


def _asked(record: Record) -> Dict[str, Any]:
    return {**_session(record), "model": record.attributes.ident("model")}


def _response(record: Record, _: Any) -> Iterator[Draft]:
    """The other `response.completed` of the same response has a duration and no tokens."""
    given = record.attributes
    if given.text("event.kind") != "response.completed" or given.count("input_token_count") is None:
        return
    values = {
        **_asked(record), "status": "ok",
        "input_tokens": given.count("input_token_count"),  # cache reads and writes included, as in the rollouts
        "cache_read_tokens": given.count("cached_token_count"),
        "cache_write_tokens": given.count("cache_write_token_count"),
        "output_tokens": given.count("output_token_count"),  # reasoning included
        "reasoning_tokens": given.count("reasoning_token_count"),
        "time_to_first_token_ms": given.millis("ttft_ms"),
        "service_tier": given.ident("service_tier"),
        "effort": given.ident("model_reasoning_effort"),
    }  # fmt: skip
    yield _draft("model_request", record, values)


def _failure(record: Record, _: Any) -> Iterator[Draft]:
    """An attempt that was refused; one that was served is told by its response."""
    code, attempt = record.attributes.count("http.response.status_code"), record.attributes.count("attempt")
    failed = "error.message" in record.attributes.names()  # that there is a message, never the message
    if failed or (code is not None and code >= 400):
        values = {**_asked(record), **status_of(code), "duration_ms": record.attributes.millis("duration_ms"),
                  "attempt": None if attempt is None else attempt + 1}  # fmt: skip
        yield _draft("model_request", record, values)


def _prompt(record: Record, _: Any) -> Iterator[Draft]:
    yield _draft("prompt", record, _session(record))


def _tool(record: Record, here: Any) -> Dict[str, Any]:
    """A tool of an MCP server has the key that the rollout gives it."""
    given, name, namespace = (
        record.attributes,
        record.attributes.text("tool_name"),
        record.attributes.text("tool_namespace"),
    )
    is_mcp = (namespace or "").startswith("mcp__") or (name or "").startswith("mcp__")
    full: Optional[str] = name
    if is_mcp and name:
        full = "__".join([namespace, name]) if namespace and namespace.startswith("mcp__") else name
        server, _, tool = full[len("mcp__") :].partition("__")
        full = f"{server}/{tool}"
    told = tool_of(full, BUILT_IN, is_mcp, here)
    call_id = call_id_of(given.ident("call_id"), (name or "").rpartition("__")[2], told, here)
    return {**_session(record), **told, "native_id": call_id, "tool_call_id": call_id}


def _tool_decision(record: Record, here: Any) -> Iterator[Draft]:
    decision = _DECISIONS.get(record.attributes.text("decision") or "")
    if decision:
        values = {**_tool(record, here), "decision": decision, "success": False if decision == "reject" else None,
                  "decision_source": _SOURCES.get(record.attributes.text("source") or "")}  # fmt: skip
        yield _draft("tool_call", record, values)


def _tool_result(record: Record, here: Any) -> Iterator[Draft]:
    given, tool = record.attributes, _tool(record, here)
    success = given.flag("success")
    if (
        success and tool["tool_name"] in _RUNS_COMMANDS
    ):  # true also of a command that failed; its exit code is in the output
        success = None
    values = {**tool, "success": success, "duration_ms": given.millis("duration_ms")}
    yield _draft("tool_call", record, values)


def _draft(kind: str, record: Record, values: Dict[str, Any]) -> Draft:
    key = (
        values["session_id"],
        values.get("native_id"),
        *record.key,
        values.get("input_tokens"),
        values.get("output_tokens"),
    )
    return Draft(kind, key, record.at or "", values)
