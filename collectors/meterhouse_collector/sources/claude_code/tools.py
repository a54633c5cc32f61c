"""Claude Code's tool calls, their outcome, and the lines they changed.

A call is told twice, when it is made and when its result arrives, so that one without a result is not lost.
Commands, arguments and texts are counted here and forgotten; `state` keeps numbers and names of built-in tools only.
"""

import re
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, ident, part, parts
from meterhouse_collector.lines import changed_lines, count_diff, count_lines, language_of, millis_between
from meterhouse_collector.repository import normalise_remote

from .line import Line

PENDING_MAX = 500  # calls that wait for a result; an aborted call waits for ever
BUILT_IN = frozenset((
    "Agent", "Artifact", "AskUserQuestion", "Bash", "BashOutput", "CronCreate", "CronDelete", "CronList", "Edit",
    "EnterPlanMode", "EnterWorktree", "ExitPlanMode", "ExitWorktree", "Glob", "Grep", "KillBash", "KillShell", "LS",
    "LSP", "ListMcpResourcesTool", "Monitor", "MultiEdit", "NotebookEdit", "NotebookRead", "PowerShell", "Read",
    "ReadMcpResourceTool", "ScheduleWakeup", "SendMessage", "Skill", "SlashCommand", "StructuredOutput", "Task",
    "TaskCreate", "TaskGet", "TaskList", "TaskOutput", "TaskStop", "TaskUpdate", "TeamCreate", "TeamDelete", "TodoRead",
    "TodoWrite", "ToolSearch", "WebFetch", "WebSearch", "Workflow", "Write",
))  # fmt: skip
_EDITORS = ("Edit", "MultiEdit", "NotebookEdit", "Write")
_EXIT_CODE = re.compile(r"(?:Error: )?Exit code (-?\d{1,6})(?:\n|$)", re.ASCII)
_REJECTED = re.compile(r"(?:Error: )?(?:User rejected tool use|The user doesn't want to )")
_NOT_GRANTED = re.compile(
    r"(?:Error: )?Claude requested permissions to .{1,1000} but you haven't granted it yet", re.DOTALL
)
_NO_DENIALS = ("interrupted", "cancelled")  # values of toolDenialKind that decide nothing
_PULL_REQUEST = re.compile(r"(https?://[^\s?#]{1,180})/pull/(\d{1,9})", re.ASCII)


class Changed(NamedTuple):
    """Lines added and removed; None is unknown. Claude Code's own counter (`agent_added`) takes a final LF for a line."""

    added: Optional[int]
    removed: Optional[int]
    agent_added: Optional[int]


def tool_calls(line: Line, state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """The tool calls that an answer asks for."""
    for block in parts(line.message.get("content")):
        call_id, name = ident(block.get("id")), block.get("name")
        if block.get("type") != "tool_use" or call_id is None or not isinstance(name, str):
            continue
        call = {"id": call_id, "tool_name": name, "tool_key": None, "at": line.at}
        if name not in BUILT_IN:
            call.update(
                tool_name="mcp_tool" if name.startswith("mcp__") else "custom_tool", tool_key=here.tool_key(name)
            )
            call["id"] = here.tool_key(call_id) if name in call_id else call_id  # some engines build ids from names
        if name in _EDITORS:
            call.update(_proposal(name, part(block, "input")))
        calls = state.setdefault("calls", {})
        calls[here.tool_key(call_id)] = call  # the id may be made of a tool's name, which is not kept either
        if len(calls) > PENDING_MAX:
            del calls[next(iter(calls))]
        yield _tool_call(line, call, {})


def tool_results(line: Line, state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """What became of the calls whose results this line holds."""
    for block in parts(line.message.get("content")):
        call_id = ident(block.get("tool_use_id")) if block.get("type") == "tool_result" else None
        call = state.get("calls", {}).pop(here.tool_key(call_id), None) if call_id else None
        if call is None:
            continue
        outcome = _outcome(line, block, call)
        yield _tool_call(line, call, outcome)
        if call["tool_name"] in _EDITORS:
            yield from _code_change(line, call, outcome)
        if outcome["success"]:
            yield from _pull_request(line)


def _tool_call(line: Line, call: Dict[str, Any], outcome: Dict[str, Any]) -> Draft:
    key = (call["id"], outcome.get("success"), outcome.get("exit_code"), outcome.get("decision"))
    return line.draft("tool_call", *key, native_id=call["id"], tool_call_id=call["id"],
                      tool_name=call["tool_name"], tool_key=call["tool_key"], **outcome)  # fmt: skip


def _outcome(line: Line, block: Dict[str, Any], call: Dict[str, Any]) -> Dict[str, Any]:
    """Success, exit code, decision and duration; a refused call did not do what it was asked."""
    result = line.record.get("toolUseResult")
    is_error = block.get("is_error") is True
    texts = _texts(result, block.get("content")) if is_error else []
    exit_code = next((int(found[1]) for found in map(_EXIT_CODE.match, texts) if found), None)
    decision, source = _decision(line.record, texts)
    interrupted = isinstance(result, dict) and result.get("interrupted") is True
    return {
        "success": not is_error and not interrupted and decision != "reject",
        "exit_code": exit_code if call["tool_name"] in ("Bash", "PowerShell") else None,
        "decision": decision,
        "decision_source": source,
        "duration_ms": count(millis_between(call["at"], line.at)),
        "is_duration_upper_bound": True,
    }


def _texts(*values: Any) -> List[str]:
    """The texts of an error, in its several shapes, to be matched at their beginning."""
    found = []
    for value in values:
        found += [value] if isinstance(value, str) else [item.get("text") for item in parts(value)]
    return [text for text in found if isinstance(text, str)]


def _decision(record: Dict[str, Any], texts: List[str]) -> "tuple[Optional[str], Optional[str]]":
    """Who let the call run or refused it: as recorded, by kind of denial, or (before 2.1.215) by the error's wording."""
    permission = part(record, "permissionDecision")
    decision, source, kind = permission.get("decision"), permission.get("source"), record.get("toolDenialKind")
    if decision in ("accept", "reject"):
        if permission.get("ruleSource") == "policySettings":
            return decision, "policy"
        known = [name for name in ("config", "hook", "user") if isinstance(source, str) and source.startswith(name)]
        return decision, known[0] if known else None
    if isinstance(kind, str) and kind not in _NO_DENIALS:
        return "reject", "user" if kind.startswith("user") else "policy" if kind.startswith("automode") else None
    if any(map(_REJECTED.match, texts)):
        return "reject", "user"
    return ("reject", "config") if any(map(_NOT_GRANTED.match, texts)) else (None, None)


def _proposal(name: str, given: Dict[str, Any]) -> Dict[str, Any]:
    """What an edit would change, counted from its arguments: all that is known of one that is refused."""
    if name == "Write":  # over an existing file, so nobody knows what it removes
        lines = Changed(count_lines(given.get("content")), None, None)
    elif name == "NotebookEdit":
        lines = Changed(count_lines(given.get("new_source")), None, None)
    else:
        edits = parts(given.get("edits")) if name == "MultiEdit" else [given]
        pairs = [changed_lines(edit.get("old_string"), edit.get("new_string")) for edit in edits]
        lines = Changed(sum(added for added, _ in pairs), sum(removed for _, removed in pairs), None)
    return {"language": language_of(given.get("file_path") or given.get("notebook_path")), "proposed": list(lines)}


def _code_change(line: Line, call: Dict[str, Any], outcome: Dict[str, Any]) -> Iterator[Draft]:
    """Lines that were changed, or that a person or rule refused; an edit that failed did neither."""
    result = part(line.record, "toolUseResult")
    if outcome["decision"] == "reject":
        decision, lines = "reject", Changed(*call["proposed"])
    elif outcome["success"] and (result or not line.is_fallback):  # without a result, as proposed
        decision, lines = "accept", _applied(call, result)
    else:
        return
    modified = result.get("userModified")
    yield line.draft(
        "code_change", call["id"], decision, lines.added, lines.removed, native_id=call["id"], tool_call_id=call["id"],
        tool_name=call["tool_name"], decision=decision, lines_added=lines.added, lines_removed=lines.removed,
        agent_lines_added=lines.agent_added,
        agent_lines_removed=None if lines.agent_added is None else lines.removed,
        operation=_operation(call["tool_name"], result), language=call["language"], files_changed=1,
        is_user_modified=modified if isinstance(modified, bool) else None,
    )  # fmt: skip


def _operation(tool_name: str, result: Dict[str, Any]) -> Optional[str]:
    """A refused Write would have created or replaced its file; nobody knows which."""
    if tool_name == "Write" and not result:
        return None
    return "create" if result.get("type") == "create" else "update"


def _applied(call: Dict[str, Any], result: Dict[str, Any]) -> Changed:
    """Lines of an edit that was applied: from the patch; a new file has none, so its content is counted."""
    content, patch = result.get("content"), result.get("structuredPatch")
    if result.get("type") == "create" and isinstance(content, str):
        return Changed(count_lines(content), 0, content.count("\n") + 1)
    if not isinstance(patch, list):
        return Changed(*call["proposed"])
    pairs = [count_diff(hunk.get("lines")) for hunk in parts(patch)]
    added, removed = sum(added for added, _ in pairs), sum(removed for _, removed in pairs)
    return Changed(added, removed, added)


def _pull_request(line: Line) -> Iterator[Draft]:
    """A pull request that a command opened; without session in the key, so that a fork's copy is the same event."""
    opened = part(part(part(line.record, "toolUseResult"), "gitOperation"), "pr")
    url = opened.get("url") if opened.get("action") == "created" else None
    found = _PULL_REQUEST.match(url) if isinstance(url, str) else None
    repository = normalise_remote(found[1]) if found else None
    if found and repository:
        values = {name: value for name, value in line.session.items() if name != "session_started_at"}
        values.update(native_id=f"{repository}#{found[2]}", repository=repository, pull_request_number=int(found[2]),
                      pull_request_state="open", opened_at=line.at)  # fmt: skip
        yield Draft("pull_request", (repository, int(found[2]), "open"), line.at, values)
