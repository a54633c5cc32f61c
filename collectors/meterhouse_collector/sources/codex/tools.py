"""Tool calls and code changes in Codex rollouts: names, outcomes and line counts, never arguments, output or paths.

A call and its outcome are two observations under one call id; the models keep the one that knows the outcome.
The lines of a patch are counted once per call, however many records show the patch.
"""

import json
import re
from typing import Any, Dict, Iterator, List, Optional

from meterhouse_collector.here import Here
from meterhouse_collector.json_values import ident, part
from meterhouse_collector.lines import count_lines, count_unified_diff, language_of
from meterhouse_collector.sources._apply_patch import OPERATIONS, Change, patch_changes

from .record import Fact, integer, milliseconds

BUILT_IN = frozenset({
    "apply_patch", "assign_task", "close_agent", "container.exec", "create_goal", "exec", "exec_command", "followup_task",
    "get_goal", "grep_files", "image_generation", "interrupt_agent", "js_repl", "list_agents", "list_dir",
    "list_mcp_resource_templates", "list_mcp_resources", "local_shell", "read_file", "read_mcp_resource",
    "report_agent_job_result", "request_permissions", "request_user_input", "resume_agent", "send_input", "send_message",
    "shell", "shell_command", "spawn_agent", "spawn_agents_on_csv", "tool_search", "tool_suggest", "update_goal",
    "update_plan", "view_image", "wait", "wait_agent", "web_search", "write_stdin",
})  # fmt: skip
_CALL_TOOLS = {"local_shell_call": "local_shell", "tool_search_call": "tool_search", "web_search_call": "web_search"}
_ITEM_TOOLS = {
    "CommandExecution": "exec_command", "FileChange": "apply_patch", "ImageGeneration": "image_generation",
    "ImageView": "view_image", "WebSearch": "web_search", "exec_command_end": "shell", "patch_apply_end": "apply_patch",
    "web_search_end": "web_search",
}  # fmt: skip
_CALLS_KEPT = 64  # calls whose outcome may still come; far more than run at once

_HEAD = 600  # what the shell tools write before the command's own output is shorter
_EXIT = re.compile(r"^(?:Process exited with code|Exit code:) (-?\d{1,9})$", re.MULTILINE)
_WALL = re.compile(r"^Wall time: (\d{1,9}(?:\.\d{1,9})?) seconds$", re.MULTILINE)
_OLD_TAIL = re.compile(r'"metadata":\{"exit_code":(-?\d{1,9}),"duration_seconds":(\d{1,9}(?:\.\d{1,9})?)\}\}$')
_REJECTED = re.compile(r"^(?:exec command |patch )?rejected by user")
_FAILED = re.compile(
    r"^(?:apply_patch verification failed|patch rejected|aborted by user|execution error|failed to parse function"
    r"|unsupported (?:custom tool )?call|(?:exec_command|write_stdin) failed)"
)
_PATCHED = "Success. Updated the following files:"
_DECISIONS = {"completed": "accept", "declined": "reject"}  # a patch that failed was neither


def tool_call(payload: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Fact]:
    """A call that the model asked for; whether it succeeded is not known yet."""
    call_id = ident(payload.get("call_id")) or ident(payload.get("id"))
    name = _CALL_TOOLS.get(str(payload.get("type"))) or payload.get("name")
    if call_id is None or not isinstance(name, str):
        return
    tool = _tool(name, payload.get("namespace"), here)
    call = _call(state, call_id, name, tool, here)
    call.update(tool=tool, patch=_patch_of(payload))
    yield _observed(call["id"], tool)


def tool_output(payload: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Fact]:
    """What the model was told of a call: in files without outcome records, the only trace of exit code and patch."""
    call_id = ident(payload.get("call_id"))
    call = state.get("calls", {}).get(here.tool_key(call_id)) if call_id else None
    if call is None:
        return
    text = _text(payload.get("output"))
    outcome = {} if call["tool"][1] else _outcome_in(text)  # of other tools the text is their own
    if outcome and not call.get("done"):
        call["done"] = True
        yield _observed(call["id"], call["tool"], **outcome)
    if call.get("patch") and not call.get("patched") and _PATCHED in text:
        call["patched"] = True
        yield from _changed(call["id"], call["tool"], [Change(*change) for change in call["patch"]], "accept")


def tool_item(payload: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Fact]:
    """The outcome of a call as its own record: `item_completed`, or an older `…_end` event."""
    call_id = ident(payload.get("call_id")) or ident(payload.get("id"))
    tool = _item_tool(payload, here)
    if call_id is None or tool is None or payload.get("source") == "user_shell":  # a command that the person typed
        return
    call = _call(state, call_id, _item_name(payload), tool, here)
    patches = isinstance(payload.get("changes"), dict)
    if not patches or call["tool"] == tool:  # a patch inside a shell command is not that command's outcome
        call["done"] = True
        yield _observed(call["id"], tool if tool[1] else call["tool"], **_outcome_of(payload))
    if patches and not call.get("patched"):
        call["patched"] = True
        decision = _DECISIONS.get(_status(payload) or "")
        if decision:  # a patch that failed changed nothing
            yield from _changed(call["id"], call["tool"], _file_changes(payload["changes"]), decision)


def _call(state: Dict[str, Any], call_id: str, name: str, tool: List[Optional[str]], here: Here) -> Dict[str, Any]:
    """What is kept of a call until its outcome has come; its id may be made of a tool's name, which is not kept either."""
    calls, kept_as, own_name = state.setdefault("calls", {}), here.tool_key(call_id), name.rpartition("__")[2]
    call = calls.setdefault(kept_as, {"id": call_id, "tool": tool})
    if tool[1] and own_name and own_name in call_id:  # some engines build ids from names
        call["id"] = kept_as
    while len(calls) > _CALLS_KEPT:
        del calls[next(iter(calls))]
    return call


def _observed(call_id: str, tool: List[Optional[str]], **outcome: Any) -> Fact:
    values = {"native_id": call_id, "tool_call_id": call_id, "tool_name": tool[0], "tool_key": tool[1], **outcome}
    key = (call_id, *(outcome.get(name) for name in ("success", "exit_code", "decision")))
    return Fact("tool_call", key, values)


def _tool(name: str, namespace: Any, here: Here) -> List[Optional[str]]:
    """Name and key as they may leave: only built-in tools by name. A list, as the state is JSON."""
    full = f"{namespace}__{name}" if isinstance(namespace, str) and namespace.startswith("mcp__") else name
    if full.startswith("mcp__"):
        server, _, tool = full[len("mcp__") :].partition("__")
        return ["mcp_tool", here.tool_key(f"{server}/{tool}")]
    return [name, None] if name in BUILT_IN else ["custom_tool", here.tool_key(name)]


def _item_tool(payload: Dict[str, Any], here: Here) -> Optional[List[Optional[str]]]:
    """The tool that an outcome record is about; None for messages, reasoning and the like."""
    kind = payload.get("type")
    if kind in ("McpToolCall", "mcp_tool_call_end"):
        named = part(payload, "invocation") or payload
        return _tool(named["tool"], f"mcp__{named.get('server')}", here) if isinstance(named.get("tool"), str) else None
    if kind in ("CollabAgentToolCall", "DynamicToolCall"):
        return _tool(payload["tool"], None, here) if isinstance(payload.get("tool"), str) else None
    return [_ITEM_TOOLS[kind], None] if isinstance(kind, str) and kind in _ITEM_TOOLS else None


def _item_name(payload: Dict[str, Any]) -> str:
    """The tool's own name in an outcome record; empty where the record's type is all there is."""
    return str((part(payload, "invocation") or payload).get("tool") or "")


def _status(payload: Dict[str, Any]) -> Optional[str]:
    """completed, failed or declined, from whichever field this version has."""
    if isinstance(payload.get("status"), str):
        return payload["status"]
    result = payload.get("result")
    if isinstance(result, dict):  # mcp_tool_call_end: {"Ok": {"isError": …}} or {"Err": …}
        return "completed" if "Ok" in result and part(result, "Ok").get("isError") is not True else "failed"
    success = payload.get("success")
    return None if not isinstance(success, bool) else "completed" if success else "failed"


def _outcome_of(payload: Dict[str, Any]) -> Dict[str, Any]:
    status, exit_code = _status(payload), integer(payload.get("exit_code"))
    if status == "declined":  # never ran, whatever exit code stands there
        return {"success": False, "decision": "reject"}
    success = status == "completed" if status in ("completed", "failed") else None
    return {
        "success": exit_code == 0 if exit_code is not None else success,
        "exit_code": exit_code,
        "duration_ms": milliseconds(payload.get("duration")),
    }


def _text(output: Any) -> str:
    """What the model read as the result; newer files hold it as a list of texts."""
    if isinstance(output, dict):
        output = output.get("content")
    if isinstance(output, list):
        texts = [item.get("text") for item in output if isinstance(item, dict)]
        output = next((text for text in texts if isinstance(text, str)), "")
    return output if isinstance(output, str) else ""


def _outcome_in(text: str) -> Dict[str, Any]:
    """Exit code and duration out of a shell tool's own lines; what the command printed is not looked at."""
    old = _OLD_TAIL.search(text[-200:]) if text.startswith('{"output":') else None
    head, end_of_head, _ = text[:_HEAD].partition("\nOutput:")
    code = old or (_EXIT.search(head) if end_of_head else None)
    if code:
        seconds = old[2] if old else _first(_WALL, head)
        duration = milliseconds(float(seconds)) if seconds else None
        return {"success": int(code[1]) == 0, "exit_code": int(code[1]), "duration_ms": duration}
    if _REJECTED.match(head):
        return {"success": False, "decision": "reject"}
    return {"success": False} if _FAILED.match(head) else {}


def _first(pattern: "re.Pattern[str]", text: str) -> Optional[str]:
    found = pattern.search(text)
    return found[1] if found else None


def _file_changes(changes: Dict[str, Any]) -> List[Change]:
    """What a patch did, in the order of the sorted paths: the place in it is all that tells one file from another."""
    return [_file_change(path, part(changes, path)) for path in sorted(changes)]


def _file_change(path: str, change: Dict[str, Any]) -> Change:
    if len(change) == 1:  # early versions write {"add": {"content": …}} for {"type": "add", "content": …}
        ((kind, told),) = change.items()
        change = {"type": kind, **told} if kind in OPERATIONS and isinstance(told, dict) else change
    kind, content, diff = change.get("type"), change.get("content"), change.get("unified_diff")
    added = removed = None
    if isinstance(diff, str):
        added, removed = count_unified_diff(diff)
    elif isinstance(content, str):
        lines = count_lines(content)
        added, removed = (0, lines) if kind == "delete" else (lines, 0)
    return Change(OPERATIONS.get(kind) if isinstance(kind, str) else None, language_of(path), added, removed)


def _patch_of(payload: Dict[str, Any]) -> List[Change]:
    """What a call's own patch would do; old versions and some models pass it to `apply_patch` inside a shell command."""
    text = payload.get("input") if payload.get("type") == "custom_tool_call" else payload.get("arguments")
    if not isinstance(text, str) or "*** Begin Patch" not in text:
        return []
    if payload.get("type") != "custom_tool_call":
        text = _command(text)
    return patch_changes(text)


def _command(arguments: str) -> str:
    """The texts in a call's arguments, such as a command's words, one after the other."""
    try:
        values = json.loads(arguments)
    except (ValueError, RecursionError):  # the model's own JSON: cut off or nested without end
        return ""
    values = values.values() if isinstance(values, dict) else ()
    words = (word for value in values for word in (value if isinstance(value, list) else [value]))
    return "\n".join(word for word in words if isinstance(word, str))


def _changed(call_id: str, tool: List[Optional[str]], changes: List[Change], decision: str) -> Iterator[Fact]:
    for index, change in enumerate(changes):
        native_id = f"{call_id}:{index}"
        values = {"native_id": native_id, "tool_call_id": call_id, "tool_name": tool[0], "decision": decision,
                  "files_changed": 1, **change._asdict()}  # fmt: skip
        yield Fact("code_change", (native_id, decision, change.lines_added, change.lines_removed), values)
