"""Tool calls in a store of OpenCode or Kilo, their outcome, and the lines they changed.

Arguments, output and diffs are counted here and forgotten. Lines come from the tool's own diff: the diffs that a prompt
sums up hold what commands and people changed meanwhile, and a sub-agent's lines a second time.
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

from ._apply_patch import OPERATIONS, patch_changes

BUILT_IN = frozenset((
    "apply_patch", "bash", "batch", "codesearch", "edit", "glob", "grep", "invalid", "list", "lsp", "multiedit", "patch",
    "plan_enter", "plan_exit", "question", "read", "skill", "task", "todoread", "todowrite", "webfetch", "websearch", "write",
))  # fmt: skip
_EDITORS = ("apply_patch", "edit", "multiedit", "patch", "write")
_SUCCESS = {"completed": True, "error": False}
_BY_PERSON = re.compile(r"(?:[A-Z][A-Za-z]{0,40}Error: )?The user rejected permission")
_BY_RULE = re.compile(
    r"(?:[A-Z][A-Za-z]{0,40}Error: )?(?:The user has specified a rule|Rule prevents|Permission denied by)"
)
_SETTINGS = ("config", "global", "project")


def tool_drafts(item: Dict[str, Any], session: Dict[str, Any], at: str, here: Here) -> Iterator[Draft]:
    """The call that a part holds, with its outcome; other parts hold none."""
    call_id, name, call = ident(item.get("callID")), item.get("tool"), part(item, "state")
    if item.get("type") != "tool" or call_id is None or not isinstance(name, str):
        return
    started, ended = (instant(part(call, "time").get(edge)) for edge in ("start", "end"))
    outcome = _outcome(call)
    when = ended or started or at
    tool_name, tool_key = (name, None) if name in BUILT_IN else ("custom_tool", here.tool_key(name))
    call_id = here.tool_key(call_id) if tool_key and name in call_id else call_id  # some engines build ids from names
    ids = {**session, "native_id": call_id, "tool_call_id": call_id, "tool_name": tool_name}
    key = (session["session_id"], call_id, outcome["success"], outcome["exit_code"], outcome["decision"])
    duration = count(millis_between(started, ended))
    yield Draft("tool_call", key, when, {**ids, "tool_key": tool_key, **outcome, "duration_ms": duration})
    if name in _EDITORS and (outcome["success"] or outcome["decision"] == "reject"):
        decision = "reject" if outcome["decision"] == "reject" else "accept"
        changes = _changes(name, part(call, "input"), part(call, "metadata"))
        for index, change in enumerate(changes):
            native_id = call_id if len(changes) == 1 else f"{call_id}:{index}"
            values = {**ids, "native_id": native_id, "decision": decision, "files_changed": 1, **change}
            key = (session["session_id"], native_id, decision, change["lines_added"], change["lines_removed"])
            yield Draft("code_change", key, when, values)


def _outcome(call: Dict[str, Any]) -> Dict[str, Any]:
    """A command that exits other than 0 is recorded as completed: its exit code decides."""
    status, metadata, error = call.get("status"), part(call, "metadata"), call.get("error")
    success = _SUCCESS.get(status) if isinstance(status, str) else None
    exit_code = metadata.get("exit")
    exit_code = exit_code if isinstance(exit_code, int) and not isinstance(exit_code, bool) else None
    decision, source = _approval(part(metadata, "approval"))
    if isinstance(error, str) and status == "error":
        if _BY_RULE.match(error):
            decision, source = "reject", "config"
        elif _BY_PERSON.match(error):  # or nobody was there to be asked
            decision, source = "reject", None
    return {
        "success": False if exit_code else success,
        "exit_code": exit_code,
        "decision": decision,
        "decision_source": source,
    }


def _approval(approval: Dict[str, Any]) -> Tuple[Optional[str], Optional[str]]:
    """Kilo notes which rule let a call run."""
    if part(approval, "rule").get("action") != "allow":
        return None, None
    return "accept", "config" if approval.get("source") in _SETTINGS else None


def _changes(name: str, given: Dict[str, Any], metadata: Dict[str, Any]) -> List[Dict[str, Any]]:
    """What the call did to each file, or would have."""
    files = parts(metadata.get("files"))
    if files:
        return [_change(_diff(file), file, _word(file.get("type")), file.get("filePath")) for file in files]
    patched = patch_changes(given.get("patchText"))
    if patched:
        return [change._asdict() for change in patched]
    path, exists = given.get("filePath"), metadata.get("exists")
    operation = "create" if exists is False or given.get("oldString") == "" else "update"
    diff = _diff(metadata)
    if diff is None and name == "multiedit":
        diffs = [_diff(part(edit, "metadata") or edit) for edit in parts(metadata.get("results"))]
        known = [pair for pair in diffs if pair]
        diff = (sum(pair[0] for pair in known), sum(pair[1] for pair in known)) if known else None
    if diff is None and name == "edit" and isinstance(given.get("oldString"), str):
        diff = changed_lines(given["oldString"], given.get("newString"))
    if diff is None and name == "write":
        # nobody wrote down what an overwritten file held
        return [_change((count_lines(given.get("content")), 0 if exists is False else None), {},
                        operation if isinstance(exists, bool) else None, path)]  # fmt: skip
    return [_change(diff or (None, None), part(metadata, "filediff"), operation, path)]


def _change(
    lines: Optional[Tuple[Optional[int], Optional[int]]], counted: Dict[str, Any], operation: Optional[str], path: Any
) -> Dict[str, Any]:
    added, removed = lines or (None, None)
    return {
        "lines_added": count(added),
        "lines_removed": count(removed),
        "agent_lines_added": count(counted.get("additions")),
        "agent_lines_removed": count(counted.get("deletions")),
        "operation": operation,
        "language": language_of(path),
    }


def _diff(holder: Dict[str, Any]) -> Optional[Tuple[int, int]]:
    """Lines of the diff that a tool left behind, under the names that releases gave it."""
    for text in (holder.get("diff"), holder.get("patch"), part(holder, "filediff").get("patch")):
        if isinstance(text, str) and text:
            return count_unified_diff(text)
    return None


def _word(kind: Any) -> Optional[str]:
    return OPERATIONS.get(kind, "update") if isinstance(kind, str) else None
