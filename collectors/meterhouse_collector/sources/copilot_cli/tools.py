"""Copilot CLI's tool calls, their outcome, and the lines they changed.

A call is told twice, when it starts and when it completes. Arguments and diffs are counted here and forgotten. The agent's
own counts take the line feed at the end of a new file for a line, so lines are counted from the arguments.
"""

from typing import Any, Dict, Iterator, List, Optional

from meterhouse_collector.events import Draft, fits
from meterhouse_collector.fields import FIELDS
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, ident, part, parts
from meterhouse_collector.lines import changed_lines, count_lines, language_of, millis_between
from meterhouse_collector.sources._apply_patch import patch_changes

BUILT_IN = frozenset((
    "apply_patch", "bash", "create", "edit", "fetch_copilot_cli_documentation", "glob", "grep", "list_agents", "list_bash",
    "powershell", "read_agent", "read_bash", "report_intent", "rg", "session_store_sql", "skill", "sql", "stop_bash",
    "store_memory", "str_replace", "str_replace_editor", "task", "update_todo", "view", "web_fetch", "web_search",
    "write_agent", "write_bash",
))  # fmt: skip
_PENDING_MAX = 500
_FAILED = ("failure", "error", "rejected", "denied")


def tool_drafts(
    kind: str, data: Dict[str, Any], at: str, session: Dict[str, Any], state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """What one line says of a tool."""
    call_id, waiting = ident(data.get("toolCallId")), state.setdefault("calls", {})
    if call_id is None:
        return
    kept_as = here.tool_key(call_id)  # the id may be made of a tool's name, which is not kept either
    if kind == "tool.execution_start" and isinstance(data.get("toolName"), str):
        name = data["toolName"]
        call = {"at": at, "changes": _changes(name, data.get("arguments")), **_named(call_id, name, data, here)}
        waiting[kept_as] = call
        if len(waiting) > _PENDING_MAX:
            del waiting[next(iter(waiting))]
        yield Draft("tool_call", (session["session_id"], call["native_id"]), at, {**session, **_ids(call)})
    elif kind == "tool.execution_complete" and kept_as in waiting:
        yield from _completed(waiting.pop(kept_as), data, at, session)


def _named(call_id: str, name: str, data: Dict[str, Any], here: Here) -> Dict[str, Any]:
    is_mcp = isinstance(data.get("mcpServerName"), str)
    is_known = name in BUILT_IN and not is_mcp
    return {
        "native_id": here.tool_key(call_id) if not is_known and name in call_id else call_id,
        "tool_name": name if is_known else "mcp_tool" if is_mcp else "custom_tool",
        "tool_key": None if is_known else here.tool_key(name),
    }


def _ids(call: Dict[str, Any]) -> Dict[str, Any]:
    return {"native_id": call["native_id"], "tool_call_id": call["native_id"], "tool_name": call["tool_name"],
            "tool_key": call["tool_key"]}  # fmt: skip


def _completed(call: Dict[str, Any], data: Dict[str, Any], at: str, session: Dict[str, Any]) -> Iterator[Draft]:
    """Outcome and lines; a command that exits other than 0 did not do what it was asked."""
    exit_code, success = part(data, "shellExecution").get("exitCode"), data.get("success")
    exit_code = exit_code if fits(FIELDS["exit_code"], exit_code) else None
    older = part(data, "result").get("result_type")
    if not isinstance(success, bool):
        success = older == "success" if isinstance(older, str) and older in (*_FAILED, "success") else None
    success = False if exit_code else success
    decision = (
        "reject"
        if older in ("rejected", "denied") or part(data, "error").get("code") in ("rejected", "denied")
        else None
    )
    ids, key = _ids(call), (session["session_id"], call["native_id"], success, exit_code, decision)
    yield Draft("tool_call", key, at, {
        **session, **ids, "success": success, "exit_code": exit_code, "decision": decision,
        "duration_ms": count(millis_between(call["at"], at)), "is_duration_upper_bound": True,
    })  # fmt: skip
    if not success and decision != "reject":
        return
    del ids["tool_key"]
    metrics = part(part(data, "toolTelemetry"), "metrics")
    for index, change in enumerate(call["changes"]):
        native_id = call["native_id"] if len(call["changes"]) == 1 else f"{call['native_id']}:{index}"
        values = {
            **session,
            **ids,
            **change,
            "native_id": native_id,
            "decision": decision or "accept",
            "files_changed": 1,
        }
        if len(call["changes"]) == 1:
            values["agent_lines_added"] = count(metrics.get("linesAdded"))
            values["agent_lines_removed"] = count(metrics.get("linesRemoved"))
        key = (session["session_id"], native_id, change["lines_added"], change["lines_removed"])
        yield Draft("code_change", key, at, values)


def _changes(name: str, given: Any) -> List[Dict[str, Optional[Any]]]:
    """What a call would do to files, counted from its arguments."""
    if name == "apply_patch":
        text = given if isinstance(given, str) else next(
            (value for value in given.values() if isinstance(value, str)), None) if isinstance(given, dict) else None  # fmt: skip
        return [change._asdict() for change in patch_changes(text)]
    if not isinstance(given, dict):
        return []
    command = given.get("command") if name == "str_replace_editor" else name
    language = language_of(given.get("path"))
    if command == "create":
        return [{"operation": "create", "language": language, "lines_added": count_lines(given.get("file_text")),
                 "lines_removed": 0}]  # fmt: skip
    if command in ("edit", "str_replace"):
        pairs = [changed_lines(one.get("old_str"), one.get("new_str")) for one in parts(given.get("edits")) or [given]]
        return [{"operation": "update", "language": language, "lines_added": sum(pair[0] for pair in pairs),
                 "lines_removed": sum(pair[1] for pair in pairs)}]  # fmt: skip
    return []
