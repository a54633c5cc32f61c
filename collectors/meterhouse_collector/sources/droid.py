"""Droid: a log of messages a session, without tokens, and beside it one running total, which is told with its beginning.

No request can be told from a total, so none is. Every look at a total tells all of it since the session began, and its id is
made of the numbers: reading again, a crash or a lost spool adds nothing, and SQL takes a session's looks apart. The total is of
all models that the session used; the file names only the latest, so the total names none.
"""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, count_or_zero, ident, part, parts, total
from meterhouse_collector.lines import instant, millis_between
from meterhouse_collector.sources._apply_patch import patch_changes
from meterhouse_collector.sources._calls import begin, call_ids, change_drafts, end
from meterhouse_collector.stream import LINE_MAX

NAME = "droid"
MARKERS = (b'"session_start"', b'"message"')
BUILT_IN = frozenset((
    "ApplyPatch", "AskUser", "Create", "Edit", "Execute", "ExitSpecMode", "FetchUrl", "Glob", "Grep", "LS", "MultiEdit", "Read",
    "Skill", "Task", "TodoWrite", "WebSearch",
))  # fmt: skip
_SETTINGS = ".settings.json"
_HEAD = 50  # lines of a log among which its first message is
_REPLY_MAX = 1 << 20


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Logs and totals; newer releases keep them in a folder per project."""
    for pattern in ("*.jsonl", "*/*.jsonl", f"*{_SETTINGS}", f"*/*{_SETTINGS}"):
        yield from sorted(home.glob(f".factory/sessions/{pattern}"))


def explode(document: Any) -> Iterator[Dict[str, Any]]:
    """The whole of a settings file."""
    if isinstance(document, dict):
        yield {"settings": document}


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one line of a log, or of a total."""
    if not isinstance(record, dict):
        return
    if "settings" in record:
        yield from _look(part(record, "settings"), here)
        return
    at = instant(record.get("timestamp"))
    if record.get("type") == "session_start" and "session" not in state:
        _begin(record, state, here)
    elif record.get("type") == "message" and "session" in state and at is not None:
        yield from _message(record, at, state, here)


def _begin(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> None:
    session_id, cwd = ident(record.get("id")) or ident(here.path.stem), record.get("cwd")
    if session_id is not None:
        state["session"] = {"agent": NAME, "session_id": session_id}
        state["cwd"] = cwd if isinstance(cwd, str) else None


def _message(record: Dict[str, Any], at: str, state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """A prompt, calls of tools or their results; the first line has no time, so the first message begins the session."""
    is_new = "start" not in state
    start = state.setdefault("start", at)
    if is_new:  # the folder is forgotten, its repository kept
        state["session"]["repository"] = here.repository(state.pop("cwd", None), at)
    session = {**state["session"], "session_started_at": start}
    if is_new:
        values = {**session, "native_id": session["session_id"], "started_by": "fresh"}
        yield Draft("session", (session["session_id"], start), start, values)
    message, native_id = part(record, "message"), ident(record.get("id"))
    blocks = parts(message.get("content"))
    kinds = [block.get("type") for block in blocks]
    if message.get("role") == "user" and native_id and "text" in kinds and "tool_result" not in kinds:
        state["prompt"] = native_id
        values = {**session, "native_id": native_id, "prompt_id": native_id}
        yield Draft("prompt", (session["session_id"], native_id), at, values)
    session["prompt_id"] = state.get("prompt")
    for block in blocks:
        if block.get("type") == "tool_use" and message.get("role") == "assistant":
            yield from _call(block, at, session, state, here)
        elif block.get("type") == "tool_result" and message.get("role") == "user":
            yield from _result(block, at, session, state, here)


def _call(
    block: Dict[str, Any], at: str, session: Dict[str, Any], state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """A call, and what its patch would change; the arguments of other editors are not verified, so their lines are unknown."""
    call_id, name = ident(block.get("id")), block.get("name")
    if call_id is None or not isinstance(name, str):
        return
    patch = part(block, "input").get("input") if name == "ApplyPatch" else None
    ids = call_ids(call_id, name, BUILT_IN, here)
    changes = [change._asdict() for change in patch_changes(patch)]
    begin(state, call_id, {"at": at, "ids": ids, "changes": changes}, here)
    yield Draft("tool_call", (session["session_id"], ids["native_id"]), at, {**session, **ids})


def _result(
    block: Dict[str, Any], at: str, session: Dict[str, Any], state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """What became of a call; only an error or a reply that says so tells success."""
    call_id = ident(block.get("tool_use_id"))
    call = end(state, call_id, here)
    if call is None:
        return
    ids, success = call["ids"], _success(block)
    yield Draft("tool_call", (session["session_id"], ids["native_id"], success), at, {
        **session, **ids, "success": success, "duration_ms": count(millis_between(call["at"], at)),
        "is_duration_upper_bound": True,
    })  # fmt: skip
    if success:
        yield from change_drafts(call, at, session)


def _success(block: Dict[str, Any]) -> Optional[bool]:
    is_error, content = block.get("is_error"), block.get("content")
    if isinstance(is_error, bool):
        return not is_error
    try:
        reply = json.loads(content) if isinstance(content, str) and len(content) <= _REPLY_MAX else None
    except (ValueError, RecursionError):
        return None
    success = reply.get("success") if isinstance(reply, dict) else None
    return success if isinstance(success, bool) else None


def _look(settings: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """The total as it was written; the moment of the look is the file's own time, never a made-up one.

    Where a total begins tells it from another total of the session, so only one clock may say it: that of the log.
    """
    tokens = _tokens(part(settings, "tokenUsage"))
    if not tokens:
        return
    head, written = _head(here), instant(here.path.stat().st_mtime_ns // 1_000_000)
    session_id = ident(head.get("id")) or ident(here.path.name[: -len(_SETTINGS)])
    began, cwd = instant(head.get("timestamp")), head.get("cwd")
    if session_id is None or began is None:
        raise ValueError("a total without a log that says when it began")
    until = began if millis_between(began, written) is None else written
    numbers = "-".join("" if number is None else str(number) for number in tokens.values())
    yield Draft("usage_delta", (session_id, began, *tokens.values()), until or began, {
        "agent": NAME, "session_id": session_id, "repository": here.repository(cwd if isinstance(cwd, str) else None, began),
        "native_id": f"look-{numbers}", "window_start": began, "window_end": until, **tokens,
    })  # fmt: skip


def _head(here: Here) -> Dict[str, Any]:
    """Id, folder and first time of the log beside a total."""
    found: Dict[str, Any] = {}
    try:
        with open(here.path.with_name(here.path.name[: -len(_SETTINGS)] + ".jsonl"), "rb") as file:
            for _ in range(_HEAD):
                record = _json(file.readline(LINE_MAX))
                if record.get("type") == "session_start" and not found:
                    found.update(id=record.get("id"), cwd=record.get("cwd"))
                elif record.get("type") == "message" and instant(record.get("timestamp")):
                    return {**found, "timestamp": record["timestamp"]}
    except OSError:
        pass
    return found


def _json(line: bytes) -> Dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):  # the agent is in the middle of it
        return {}
    return record if isinstance(record, dict) else {}


def _tokens(usage: Dict[str, Any]) -> Dict[str, Optional[int]]:
    """The contract's tokens: `inputTokens` leaves the cache out; thinking is taken for a part of the output, as providers count it."""
    names = ("inputTokens", "cacheReadTokens", "cacheCreationTokens", "outputTokens", "thinkingTokens")
    fresh, read_, write, output, thinking = (count_or_zero(usage, name) for name in names)
    if not any((fresh, read_, write, output)):
        return {}
    return {
        "input_tokens": total(fresh, read_, write),
        "cache_read_tokens": read_,
        "cache_write_tokens": write,
        "output_tokens": output,
        "reasoning_tokens": thinking if thinking is not None and thinking <= (output or 0) else None,
    }
