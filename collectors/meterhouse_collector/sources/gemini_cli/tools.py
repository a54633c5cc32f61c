"""Gemini CLI's tool calls, their outcome, and the lines they changed.

Arguments, results and diffs are counted here and forgotten. A call's id holds the tool's name: of a tool that is not
built in, it leaves as a hash, or an MCP server's name would leave with it.
"""

import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, ident, part, parts
from meterhouse_collector.lines import (
    changed_lines,
    count_lines,
    count_unified_diff,
    instant,
    language_of,
    millis_between,
)

BUILT_IN = frozenset((
    "activate_skill", "ask_user", "codebase_investigator", "complete_task", "delegate_to_agent", "enter_plan_mode",
    "exit_plan_mode", "get_internal_docs", "glob", "google_web_search", "grep_search", "invoke_agent",
    "list_background_processes", "list_directory", "read_background_output", "read_file", "read_many_files", "replace",
    "run_shell_command", "save_memory", "search_file_content", "update_topic", "web_fetch", "write_file", "write_todos",
))  # fmt: skip
_EDITORS = ("replace", "write_file")
_SUCCESS = {"success": True, "error": False, "cancelled": False}
_TAIL = 1000  # the shell tool adds its lines at the end
_EXIT_CODE = re.compile(
    r"(?:^|\n)Exit Code: (-?\d{1,6})(?:\n(?:Signal|Background PIDs|Process Group PGID): [^\n]*)*"
    r"(?:\n</untrusted_context>)?\s*\Z|\ACommand exited with code: (-?\d{1,6})\Z",
    re.ASCII,
)


def tool_drafts(message: Dict[str, Any], at: str, session: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Tool calls of one answer; the message is written again with each change, so a known outcome is a known event."""
    for call in parts(message.get("toolCalls")):
        call_id, name = ident(call.get("id")), call.get("name")
        if call_id is None or not isinstance(name, str):
            continue
        native_id = call_id if name in BUILT_IN else here.tool_key(call_id)
        ended = instant(call.get("timestamp")) or at
        ids = {**session, "native_id": native_id, "tool_call_id": native_id, "tool_name": _tool_name(name)}
        outcome = _outcome(call, name)
        key = (session["session_id"], native_id, *outcome.values())
        outcome.update(decision_source="user" if outcome["decision"] else None, is_duration_upper_bound=True,
                       duration_ms=count(millis_between(at, ended)))  # fmt: skip
        tool_key = None if name in BUILT_IN else here.tool_key(name)
        yield Draft("tool_call", key, ended, {**ids, "tool_key": tool_key, **outcome})
        if name in _EDITORS and (outcome["success"] or outcome["decision"] == "reject"):
            change = _change(call, name, outcome["decision"] or "accept")
            yield Draft("code_change", (*key[:2], *change.values()), ended, {**ids, **change})


def _tool_name(name: str) -> str:
    return name if name in BUILT_IN else "mcp_tool" if name.startswith("mcp_") else "custom_tool"


def _outcome(call: Dict[str, Any], name: str) -> Dict[str, Any]:
    """A shell command that fails is recorded as a success of the shell tool: its exit code decides."""
    status = call.get("status")
    success = _SUCCESS.get(status) if isinstance(status, str) else None
    exit_code = _exit_code(call) if name == "run_shell_command" else None
    return {
        "success": False if exit_code else success,
        "exit_code": exit_code,
        "decision": "reject" if status == "cancelled" else None,
    }


def _exit_code(call: Dict[str, Any]) -> Optional[int]:
    """From the lines that the shell tool writes after a command's output."""
    texts: List[Any] = [
        part(part(block, "functionResponse"), "response").get("output") for block in parts(call.get("result"))
    ]
    for text in (*texts, call.get("resultDisplay")):
        found = _EXIT_CODE.search(text[-_TAIL:]) if isinstance(text, str) else None
        if found:
            return int(found[1] or found[2])
    return None


def _change(call: Dict[str, Any], name: str, decision: str) -> Dict[str, Any]:
    """The model's lines, which the person may have changed before they were applied."""
    display, given = part(call, "resultDisplay"), part(call, "args")
    stat, is_new = part(display, "diffStat"), display.get("isNewFile")
    added, removed = _lines(display, given, name)
    by_user = [count(stat.get(side)) for side in ("user_added_lines", "user_removed_lines")]
    return {
        "decision": decision,
        "lines_added": added,
        "lines_removed": removed,
        "agent_lines_added": _by_model(stat, "added"),
        "agent_lines_removed": _by_model(stat, "removed"),
        "operation": "create" if is_new is True else "update" if is_new is False or name == "replace" else None,
        "language": language_of(given.get("file_path") or display.get("filePath")),
        "files_changed": 1,
        "is_user_modified": any(by_user) if None not in by_user else None,
    }


def _lines(display: Dict[str, Any], given: Dict[str, Any], name: str) -> Tuple[Optional[int], Optional[int]]:
    """From the agent's own counts, or else its diff, or else the arguments."""
    stat = part(display, "diffStat")
    by_model = _by_model(stat, "added"), _by_model(stat, "removed")
    if None not in by_model:
        return by_model
    if isinstance(display.get("fileDiff"), str):
        return count_unified_diff(display["fileDiff"])
    if name == "replace":
        return changed_lines(given.get("old_string"), given.get("new_string"))
    return count_lines(given.get("content")), None


def _by_model(stat: Dict[str, Any], side: str) -> Optional[int]:
    """The agent's own count; early versions say `ai` for the model."""
    return count(stat.get(f"model_{side}_lines", stat.get(f"ai_{side}_lines")))
