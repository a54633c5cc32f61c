"""What Gemini CLI and its offspring Qwen Code share: their event names after the prefix, their attributes, their tools.

Resource attributes hold the prompt (`process.command_args`), so none is read but the service's name. Two `gen_ai…details`
events repeat every response and are left to nobody: the dialect claims them and ignores them.
"""

import re
from typing import Any, Callable, Dict, FrozenSet, Iterator, NamedTuple, Optional, Tuple

from meterhouse_collector.events import Draft
from meterhouse_collector.json_values import ident
from meterhouse_collector.otlp.records import Record

from ._shared import status_of, tool_of

_DECISIONS = {"accept": "accept", "auto_accept": "accept", "modify": "accept", "reject": "reject"}
_SOURCES = {"accept": "user", "modify": "user", "reject": "user", "auto_accept": "config"}
_EDITORS = ("replace", "write_file", "edit")
_COUNTS = ("model_added_lines", "model_removed_lines", "user_added_lines", "user_removed_lines")
_COUNT = re.compile(r'"(' + "|".join(_COUNTS) + r')": ?(\d{1,9})\b', re.ASCII)


class Family(NamedTuple):
    """Where one of them differs."""

    agent: str
    prefix: str
    provider: Optional[str]
    built_in: FrozenSet[str]
    hides_exit_code: Tuple[str, ...]  # tools that succeed although their command failed
    tokens: Callable[[Record], Dict[str, Optional[int]]]


def read_event(family: Family, record: Record, here: Any) -> Iterator[Draft]:
    """Drafts of one event."""
    if record.signal != "logs" or record.at is None or not record.name.startswith(family.prefix):
        return
    readers = {"api_response": _response, "api_error": _failure, "user_prompt": _prompt, "tool_call": _tool_call}
    reader = readers.get(record.name[len(family.prefix) :])
    if reader:
        yield from reader(family, record, here)


def _session(family: Family, record: Record) -> Dict[str, Any]:
    given = record.attributes
    return {
        "agent": family.agent,
        "session_id": given.ident("session.id") or record.resource.ident("session.id"),
        "prompt_id": given.ident("prompt_id"),
    }


def _asked(family: Family, record: Record) -> Dict[str, Any]:
    role = record.attributes.text("role") or ("subagent" if record.attributes.text("subagent_name") else "main")
    kind = role if role in ("main", "subagent") else "auxiliary"
    return {
        **_session(family, record),
        "provider": family.provider,
        "model": record.attributes.ident("model", "model_name"),
        "query_source": kind,
        "is_subagent": kind == "subagent",
        "duration_ms": record.attributes.millis("duration_ms"),
    }


def _response(family: Family, record: Record, _: Any) -> Iterator[Draft]:
    code, response_id = (
        record.attributes.count("status_code", "http.status_code"),
        record.attributes.ident("response_id"),
    )
    values = {**_asked(family, record), **status_of(code, is_error=False), **family.tokens(record), "native_id": response_id,
              "response_id": response_id, "time_to_first_token_ms": record.attributes.millis("ttft_ms")}  # fmt: skip
    yield _draft("model_request", record, values)


def _failure(family: Family, record: Record, _: Any) -> Iterator[Draft]:
    code = record.attributes.count("status_code", "http.status_code")
    values = {**_asked(family, record), **status_of(code), "error_class": record.attributes.ident("error_type")}
    if values["duration_ms"] is None:
        values["duration_ms"] = record.attributes.millis("duration")
    yield _draft("model_request", record, values)


def _prompt(family: Family, record: Record, _: Any) -> Iterator[Draft]:
    yield _draft("prompt", record, _session(family, record))


def _tool_call(family: Family, record: Record, here: Any) -> Iterator[Draft]:
    """Lines are stated in `metadata`; they count when the call did what it was asked, or was refused."""
    given, name, decided = (
        record.attributes,
        record.attributes.text("function_name"),
        record.attributes.text("decision") or "",
    )
    tool = tool_of(name, family.built_in, given.text("tool_type") == "mcp" or (name or "").startswith("mcp_"), here)
    call_id = given.ident("call_id")
    call_id = here.tool_key(call_id) if call_id and tool["tool_key"] else call_id
    ids = {**_session(family, record), **tool, "native_id": call_id, "tool_call_id": call_id}
    decision, success = _DECISIONS.get(decided), given.flag("success")
    if success and name in family.hides_exit_code:
        success = None
    values = {
        **ids, "success": False if decision == "reject" else success, "decision": decision,
        "decision_source": _SOURCES.get(decided) if decision else None, "duration_ms": given.millis("duration_ms"),
        "error_class": ident(given.text("error_type")) if success is False else None,
    }  # fmt: skip
    yield _draft("tool_call", record, values)
    if name in _EDITORS and (success or decision == "reject"):
        lines = _lines(record)
        if lines:
            yield _draft("code_change", record, _change(ids, lines, decision or "accept"))


def _change(ids: Dict[str, Any], lines: Dict[str, int], decision: str) -> Dict[str, Any]:
    added, removed = lines.get("model_added_lines"), lines.get("model_removed_lines")
    by_user = [lines.get("user_added_lines"), lines.get("user_removed_lines")]
    return {
        **{name: value for name, value in ids.items() if name != "tool_key"},
        "decision": decision,
        "lines_added": added,
        "lines_removed": removed,
        "agent_lines_added": added,
        "agent_lines_removed": removed,
        "files_changed": 1,
        "is_user_modified": any(by_user) if None not in by_user else None,
    }


def _lines(record: Record) -> Dict[str, int]:
    """The line counts of `metadata`, an object or a text of one, which may hold file names too: only these are looked for."""
    inner = record.attributes.inner("metadata")
    found = {name: inner.count(name) for name in _COUNTS}
    found.update((name, int(number)) for name, number in _COUNT.findall(record.attributes.long_text("metadata")))
    return {name: number for name, number in found.items() if number is not None}


def _draft(kind: str, record: Record, values: Dict[str, Any]) -> Draft:
    key = (values["session_id"], values.get("native_id"), *record.key, values.get("input_tokens"), values.get("output_tokens"),
           values.get("tool_name"), values.get("duration_ms"))  # fmt: skip
    return Draft(kind, key, record.at or "", values)
