"""Qwen Code: chats under projects/<folder>/chats/, one file a session, which a resume goes on with.

Each response is written down twice, as the agent's own telemetry and as the assistant's message; auxiliary calls only as
telemetry. So telemetry counts, and a message only in files of releases that wrote none. The totals in usage_record.jsonl
grow over resumes and count nothing.
"""

import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

from meterhouse_collector.events import Draft, fits
from meterhouse_collector.fields import FIELDS
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, count_or_zero, ident, part, parts, total
from meterhouse_collector.lines import changed_lines, count_lines, count_unified_diff, instant, language_of

from ._response_ids import unused

NAME = "qwen_code"
MARKERS = (b'"assistant"', b'"user"', b'"tool_result"', b'"ui_telemetry"')
BUILT_IN = frozenset((
    "agent", "ask_user_question", "cron_create", "cron_delete", "cron_list", "edit", "exit_plan_mode", "glob", "grep_search",
    "list_directory", "lsp", "monitor", "read_file", "read_many_files", "run_shell_command", "save_memory", "send_message",
    "skill", "structured_output", "task", "task_stop", "todo_write", "tool_search", "web_fetch", "web_search", "write_file",
))  # fmt: skip
_EDITORS = ("edit", "write_file")
_PROVIDERS = {"anthropic": "anthropic", "gemini": "gcp.gemini", "vertex-ai": "gcp.vertex_ai", "qwen-oauth": "qwen"}
_DECISIONS = {"accept": ("accept", "user"), "auto_accept": ("accept", "config"), "modify": ("accept", "user"),
              "reject": ("reject", "user")}  # fmt: skip
_SUCCESS = {"success": True, "error": False, "cancelled": False}
_AUXILIARY = "managed-"  # begins the names of agents that the program itself starts
_CLASS = re.compile(r"[A-Za-z][A-Za-z_]{0,59}", re.ASCII)
_RATE_LIMITED = 429
# session, name of the sub-agent, its turn; the main conversation has no name there
_BY_SUBAGENT = re.compile(r"[^#]+#[^#]+#\d+", re.ASCII)
_KEPT = 500  # telemetry of tools whose result is still to come


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Chats of all projects."""
    yield from sorted(home.glob(".qwen/projects/*/chats/*.jsonl"))


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one line."""
    if not isinstance(record, dict):
        return
    at, session_id, kind = instant(record.get("timestamp")), ident(record.get("sessionId")), record.get("type")
    if at is None or session_id is None:
        return
    session = _session(record, session_id, at, state, here)
    if state.get("told") != session_id:
        state["told"] = session_id
        values = {**session, "native_id": session_id, "started_by": "fresh", "prompt_id": None}
        yield Draft("session", (session_id, session["session_started_at"]), session["session_started_at"], values)
    if kind == "user":
        yield from _prompt(record, session, at, state)
    elif kind == "assistant":
        yield from _message(record, session, at, state)
        yield from _calls(record, session, at, here)
    elif kind == "tool_result":
        yield from _result(record, session, at, state, here)
    elif record.get("subtype") == "ui_telemetry":
        yield from _telemetry(part(part(record, "systemPayload"), "uiEvent"), record, session, at, state, here)


def _session(record: Dict[str, Any], session_id: str, at: str, state: Dict[str, Any], here: Here) -> Dict[str, Any]:
    """The fields that all drafts of a line share."""
    if state.get("session") != session_id:
        state.update(session=session_id, start=at, prompt=None)
    cwd, branch = record.get("cwd"), record.get("gitBranch")
    return {
        "agent": NAME,
        "agent_version": ident(record.get("version")),
        "session_id": session_id,
        "session_started_at": state["start"],
        "repository": here.repository(cwd if isinstance(cwd, str) else None, at),
        "branch": branch if isinstance(branch, str) else None,
        "is_subagent": False,
        "prompt_id": state.get("prompt"),
    }


def _prompt(record: Dict[str, Any], session: Dict[str, Any], at: str, state: Dict[str, Any]) -> Iterator[Draft]:
    """What a person or script asked; newer releases say where a message comes from."""
    native_id, said = ident(record.get("uuid")), parts(part(record, "message").get("parts"))
    if native_id is None or record.get("provenance", "real_user") != "real_user" or not said:
        return
    if not any("functionResponse" in item for item in said):
        state["prompt"] = native_id
        values = {**session, "native_id": native_id, "prompt_id": native_id}
        yield Draft("prompt", (session["session_id"], native_id), at, values)


def _telemetry(
    event: Dict[str, Any], record: Dict[str, Any], session: Dict[str, Any], at: str, state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """The agent's own word on a response, on a failure or on a tool."""
    name = event.get("event.name")
    if name == "qwen-code.api_response":
        state["has_telemetry"] = True
        yield from _response(event, record, session, at, state)
    elif name == "qwen-code.api_error":
        http_status, kind = count(event.get("status_code")), event.get("error_type")
        status = "rate_limited" if http_status == _RATE_LIMITED else "error"
        values = {
            **_envelope(event, session), "native_id": ident(record.get("uuid")), "status": status, "http_status": http_status,
            "error_class": kind if isinstance(kind, str) and _CLASS.fullmatch(kind) else None,
        }  # fmt: skip
        yield Draft("model_request", (session["session_id"], values["native_id"], status), at, values)
    elif name == "qwen-code.tool_call" and isinstance(event.get("function_name"), str):
        tool, decision = event["function_name"], event.get("decision")
        told = {"id": ident(event.get("call_id")), "name": tool if tool in BUILT_IN else None,
                "status": ident(event.get("status")), "duration_ms": count(event.get("duration_ms")),
                "decision": decision if isinstance(decision, str) and decision in _DECISIONS else None}  # fmt: skip
        if _BY_SUBAGENT.fullmatch(str(event.get("prompt_id"))):
            yield from _call_of_subagent(told, tool, ident(record.get("uuid")), session, at, here)
        else:
            kept_as = here.tool_key(told["id"]) if told["id"] else None  # it may be made of a name, which is not kept
            state["tools"] = [*state.get("tools", []), {**told, "id": kept_as}][-_KEPT:]


def _call_of_subagent(
    told: Dict[str, Any], tool: str, native_id: Optional[str], session: Dict[str, Any], at: str, here: Here
) -> Iterator[Draft]:
    """A call that a sub-agent made: the chat holds neither message nor result of it, and no result may take its telemetry."""
    call_id = told["id"] or native_id
    if call_id is not None:
        ids = {**_ids(call_id, tool, session, here), "is_subagent": True}
        decision, source = _DECISIONS.get(told["decision"] or "", (None, None))
        outcome = {"success": _SUCCESS.get(told["status"] or ""), "decision": decision, "decision_source": source,
                   "duration_ms": told["duration_ms"]}  # fmt: skip
        yield Draft("tool_call", (session["session_id"], ids["native_id"]), at, {**ids, **outcome})


def _envelope(event: Dict[str, Any], session: Dict[str, Any]) -> Dict[str, Any]:
    """What responses and failures share. A sub-agent's own name is the person's and stays here."""
    agent, auth = event.get("subagent_name"), event.get("auth_type")
    is_auxiliary = isinstance(agent, str) and agent.startswith(_AUXILIARY)
    return {
        **session, "model": event.get("model"), "provider": _PROVIDERS.get(auth) if isinstance(auth, str) else None,
        "is_subagent": isinstance(agent, str) and not is_auxiliary,
        "query_source": "auxiliary" if is_auxiliary else "subagent" if isinstance(agent, str) else "main",
        "duration_ms": count(event.get("duration_ms")), "time_to_first_token_ms": count(event.get("ttft_ms")),
    }  # fmt: skip


def _response(
    event: Dict[str, Any], record: Dict[str, Any], session: Dict[str, Any], at: str, state: Dict[str, Any]
) -> Iterator[Draft]:
    """One response, by its id, or else by that of its record."""
    tokens = _tokens(event, "input_token_count", "output_token_count", "cached_content_token_count", "thoughts_token_count",
                     "total_token_count")  # fmt: skip
    response_id = unused(event.get("response_id"), state)
    native_id = response_id or ident(record.get("uuid"))
    values = {**_envelope(event, session), **tokens, "native_id": native_id, "response_id": response_id, "status": "ok"}
    yield Draft("model_request", (session["session_id"], native_id, *tokens.values()), at, values)


def _message(record: Dict[str, Any], session: Dict[str, Any], at: str, state: Dict[str, Any]) -> Iterator[Draft]:
    """The usage that stands at a message, in files without telemetry."""
    usage, native_id = part(record, "usageMetadata"), ident(record.get("uuid"))
    if not usage or native_id is None or state.get("has_telemetry"):
        return
    tokens = _tokens(usage, "promptTokenCount", "candidatesTokenCount", "cachedContentTokenCount", "thoughtsTokenCount",
                     "totalTokenCount")  # fmt: skip
    values = {
        **session,
        **tokens,
        "native_id": native_id,
        "status": "ok",
        "model": record.get("model"),
        "query_source": "main",
    }
    yield Draft("model_request", (session["session_id"], native_id, *tokens.values()), at, values)


def _tokens(given: Dict[str, Any], *names: str) -> Dict[str, Optional[int]]:
    """The contract's tokens: the prompt holds the cache; whether the answer holds the thoughts shows in the total."""
    prompt, answer, cached, thoughts, whole = (count_or_zero(given, name) for name in names)
    apart = total(prompt, answer, thoughts)
    return {
        "input_tokens": prompt,
        "cache_read_tokens": cached,
        "cache_write_tokens": 0,  # the API caches by itself and charges no writes
        "output_tokens": total(answer, thoughts) if thoughts and whole == apart else answer,
        "reasoning_tokens": thoughts,
    }


def _ids(call_id: str, name: str, session: Dict[str, Any], here: Here) -> Dict[str, Any]:
    is_known = name in BUILT_IN
    native_id = (
        here.tool_key(call_id) if not is_known and name in call_id else call_id
    )  # some engines build ids from names
    tool_name = name if is_known else "mcp_tool" if name.startswith("mcp__") else "custom_tool"
    return {**session, "native_id": native_id, "tool_call_id": native_id, "tool_name": tool_name,
            "tool_key": None if is_known else here.tool_key(name)}  # fmt: skip


def _calls(record: Dict[str, Any], session: Dict[str, Any], at: str, here: Here) -> Iterator[Draft]:
    """The calls that a message asks for, so that one without a result is not lost."""
    for item in parts(part(record, "message").get("parts")):
        call = part(item, "functionCall")
        call_id, name = ident(call.get("id")), call.get("name")
        if call_id is not None and isinstance(name, str):
            ids = _ids(call_id, name, session, here)
            yield Draft("tool_call", (session["session_id"], ids["native_id"]), at, ids)


def _result(
    record: Dict[str, Any], session: Dict[str, Any], at: str, state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """What became of a call; older releases write no call id into the telemetry, there tool and outcome must do."""
    result, said = part(record, "toolCallResult"), parts(part(record, "message").get("parts"))
    answer = next((part(item, "functionResponse") for item in said if part(item, "functionResponse")), {})
    call_id, name, status = ident(result.get("callId")), answer.get("name"), result.get("status")
    if call_id is None or not isinstance(name, str):
        return
    told = _told(state, here.tool_key(call_id), name, status)
    decision, source = _DECISIONS.get(told.get("decision") or "", (None, None))
    if status == "cancelled" and decision is None:
        decision, source = "reject", "user"
    display, exit_code = part(result, "resultDisplay"), part(result, "resultDisplay").get("exitCode")
    outcome = {
        "success": _SUCCESS.get(status) if isinstance(status, str) else None,
        "exit_code": exit_code if fits(FIELDS["exit_code"], exit_code) else None, "decision": decision,
        "decision_source": source, "duration_ms": told.get("duration_ms"),
    }  # fmt: skip
    ids = _ids(call_id, name, session, here)
    key = (session["session_id"], ids["native_id"], outcome["success"], outcome["exit_code"], decision)
    yield Draft("tool_call", key, at, {**ids, **outcome})
    if name in _EDITORS and display and (outcome["success"] or decision == "reject"):
        change = {"decision": decision or "accept", **_change(display, name)}
        del ids["tool_key"]
        yield Draft("code_change", (*key[:2], *change.values()), at, {**ids, **change})


def _told(state: Dict[str, Any], kept_as: str, name: str, status: Any) -> Dict[str, Any]:
    """The telemetry that belongs to a result, which is taken out of the state."""
    waiting: List[Dict[str, Any]] = state.get("tools", [])
    known = name if name in BUILT_IN else None
    for one in waiting:
        if one["id"] == kept_as or (one["id"] is None and (one["name"], one["status"]) == (known, status)):
            state["tools"] = [other for other in waiting if other is not one]
            return one
    return {}


def _change(display: Dict[str, Any], name: str) -> Dict[str, Any]:
    """Lines of the diff as it was applied; the agent's own counts are of the model's proposal."""
    stat, before = part(display, "diffStat"), display.get("originalContent")
    if isinstance(display.get("fileDiff"), str):
        added, removed = count_unified_diff(display["fileDiff"])
    elif isinstance(display.get("newContent"), str):
        added, removed = changed_lines(before, display["newContent"])
    else:
        added, removed = count(stat.get("model_added_lines")), count(stat.get("model_removed_lines"))
    by_user = [count(stat.get(side)) for side in ("user_added_lines", "user_removed_lines")]
    is_new = name == "write_file" and isinstance(before, str) and count_lines(before) == 0
    return {
        "lines_added": added,
        "lines_removed": removed,
        "agent_lines_added": count(stat.get("model_added_lines")),
        "agent_lines_removed": count(stat.get("model_removed_lines")),
        "operation": "create" if is_new else "update",
        "language": language_of(display.get("filePath") or display.get("fileName")),
        "files_changed": 1,
        "is_user_modified": any(by_user) if None not in by_user else None,
    }
