"""Cline's tool calls, their outcome, and the lines they changed.

Arguments and results are counted here and forgotten. A result's diff shows the whole replaced block as changed, so lines are
counted from the arguments.
"""

import json
import re
from typing import Any, Dict, Iterator, List, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, ident, parts
from meterhouse_collector.lines import changed_lines, count_lines, language_of, millis_between
from meterhouse_collector.sources._apply_patch import patch_changes
from meterhouse_collector.sources._calls import begin, call_ids, change_drafts, end

BUILT_IN = frozenset((
    "apply_patch", "ask_question", "editor", "fetch_web_content", "read_files", "run_commands", "search_codebase", "skills",
    "spawn_agent", "submit_and_exit", "team_broadcast", "team_run_task", "team_send_message", "team_spawn_teammate",
    "team_status", "team_task",
))  # fmt: skip
_EXIT_CODE = re.compile(r"Command exited with code (\d{1,6})", re.ASCII)
_REPLY_MAX = 1 << 20


def call_drafts(
    message: Dict[str, Any], at: str, session: Dict[str, Any], state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """The calls that an answer asks for; what they would change is counted now, because the result does not say it."""
    for block in parts(message.get("content")):
        call_id, name = ident(block.get("id")), block.get("name")
        if block.get("type") != "tool_use" or call_id is None or not isinstance(name, str):
            continue
        ids = call_ids(call_id, name, BUILT_IN, here)
        begin(state, call_id, {"at": at, "ids": ids, "changes": _changes(name, block.get("input"))}, here)
        yield Draft("tool_call", (session["session_id"], ids["native_id"]), at, {**session, **ids})


def result_drafts(
    message: Dict[str, Any], at: str, session: Dict[str, Any], state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """What became of calls, and the lines that they changed; a result whose call is gone has nothing to say."""
    for block in parts(message.get("content")):
        call_id = ident(block.get("tool_use_id")) if block.get("type") == "tool_result" else None
        call = end(state, call_id, here)
        if call is None:
            continue
        ids, (success, exit_code) = call["ids"], _outcome(block)
        key = (session["session_id"], ids["native_id"], success, exit_code)
        yield Draft("tool_call", key, at, {
            **session, **ids, "success": success, "exit_code": exit_code,
            "duration_ms": count(millis_between(call["at"], at)), "is_duration_upper_bound": True,
        })  # fmt: skip
        if success:
            yield from change_drafts(call, at, session)


def _outcome(block: Dict[str, Any]) -> "tuple[Optional[bool], Optional[int]]":
    """Success and exit code; one tool takes several commands or files, and each must have succeeded."""
    replies = _replies(block.get("content"))
    flags = [reply["success"] for reply in replies if isinstance(reply.get("success"), bool)]
    errors = [reply["error"] for reply in replies if isinstance(reply.get("error"), str)]
    codes = [int(found[1]) for found in map(_EXIT_CODE.match, errors) if found]
    has_failed = block.get("is_error") is True or bool(errors) or False in flags
    return (False if has_failed else True if flags else None), (codes[0] if codes else None)


def _replies(content: Any) -> List[Dict[str, Any]]:
    """One object, as JSON in a text, or a list of them."""
    if not isinstance(content, str):
        return parts(content)
    try:
        return parts([json.loads(content)]) if len(content) <= _REPLY_MAX else []
    except (ValueError, RecursionError):
        return []


def _changes(name: str, given: Any) -> List[Dict[str, Any]]:
    """What a call would do to files; of a text without an older one nobody noted what had been there."""
    if not isinstance(given, dict):
        return []
    if name == "apply_patch":
        return [change._asdict() for change in patch_changes(given.get("input"))]
    old, new = given.get("old_text"), given.get("new_text")
    if name != "editor" or not isinstance(new, str):
        return []
    is_edit = isinstance(old, str) and old != ""
    added, removed = changed_lines(old, new) if is_edit else (count_lines(new), None)
    return [{"operation": "update" if is_edit else None, "language": language_of(given.get("path")),
             "lines_added": added, "lines_removed": removed}]  # fmt: skip
