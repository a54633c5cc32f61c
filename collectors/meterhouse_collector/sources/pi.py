"""Pi: session logs, one file a session; what a fork copied belongs to the session that wrote it first.

A copied entry keeps its time and ids, so it gives the very event that the original gives. An old file is rewritten with new
entry ids when its session is resumed: the identity is the response's id or else the message's own time, never the entry's.
"""

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from meterhouse_collector.events import Draft, money
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, count_or_zero, ident, part, parts, total
from meterhouse_collector.lines import count_diff, count_lines, instant, language_of, millis_between

from ._calls import begin, call_ids, end
from ._providers import otel_provider
from ._response_ids import unused

NAME = "pi"
MARKERS = (b'"session"', b'"message"', b'"compaction"', b'"branch_summary"', b'"usage"')
BUILT_IN = frozenset(("bash", "edit", "find", "grep", "ls", "read", "write"))
_AUXILIARY = ("branch_summary", "compaction", "usage")  # entries of newer releases that hold usage of their own
_STATUS = {"aborted": "cancelled", "error": "error"}
_HTTP_STATUS = re.compile(r"([45]\d\d)\b", re.ASCII)
_EXIT_CODE = re.compile(r"(?:^|\n)Command exited with code (\d{1,6})\s*\Z", re.ASCII)
_RATE_LIMITED = 429
_TAIL = 200
_HEAD = 1 << 16  # bytes of a parent's file that hold its first line
_ANCESTORS_MAX = 50


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Logs in a folder per project, or where a variable says."""
    folder = home / ".pi" / "agent" / "sessions"
    if env.get("PI_CODING_AGENT_DIR"):
        folder = Path(env["PI_CODING_AGENT_DIR"]) / "sessions"
    if env.get("PI_CODING_AGENT_SESSION_DIR"):
        folder = Path(env["PI_CODING_AGENT_SESSION_DIR"])
    for pattern in ("*.jsonl", "*/*.jsonl"):
        yield from sorted(folder.glob(pattern))


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one line: the header, or an entry."""
    at = instant(record.get("timestamp")) if isinstance(record, dict) else None
    if at is None:
        return
    if record.get("type") == "session":
        yield from _header(record, at, state, here)
    elif "session" in state:
        yield from _entry(record, at, state, here)


def _header(record: Dict[str, Any], at: str, state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """The session; the log of a fork names the file that it was copied from."""
    session_id, cwd = ident(record.get("id")), record.get("cwd")
    if session_id is None or "session" in state:
        return
    state.update(session=session_id, start=at, ancestors=_ancestors(record, here))
    state["repository"] = here.repository(cwd if isinstance(cwd, str) else None, at)
    session = _session(at, state)
    started_by = "fork" if state["ancestors"] else "fresh"
    values = {**session, "native_id": session_id, "started_by": started_by}
    yield Draft("session", (session_id, at), at, values)


def _ancestors(record: Dict[str, Any], here: Here) -> List[List[Optional[str]]]:
    """Ids and beginnings of the sessions that history was copied from, the nearest first; of a lost file only the id."""
    found: List[List[Optional[str]]] = []
    header: Dict[str, Any] = record
    while len(found) < _ANCESTORS_MAX:
        named = header.get("parentSession") or header.get("branchedFrom")
        name = re.split(r"[/\\]", named)[-1] if isinstance(named, str) else ""
        session_id = ident(name.rpartition("_")[2].rpartition(".")[0])
        if session_id is None or session_id in [known for known, _ in found]:
            break
        header = _first_line(name, here)
        found.append([ident(header.get("id")) or session_id, instant(header.get("timestamp"))])
    return found


def _first_line(name: str, here: Here) -> Dict[str, Any]:
    """The header of another log, which lies in the same folder or in that of another project."""
    for folder in (here.path.parent, *sorted(path for path in here.path.parents[1].glob("*") if path.is_dir())):
        try:
            with open(folder / name, "rb") as file:
                header = json.loads(file.readline(_HEAD))
        except (OSError, ValueError, RecursionError):
            continue
        return header if isinstance(header, dict) else {}
    return {}


def _session(at: str, state: Dict[str, Any]) -> Dict[str, Any]:
    """Whose entry it is: that of the latest session in the line of forks that had begun by then."""
    line = [[state["session"], state["start"]], *state["ancestors"]]
    place = 0
    while place + 1 < len(line) and millis_between(line[place][1], at) is None and line[place][1] is not None:
        place += 1
    session_id, start = line[place]
    return {
        "agent": NAME,
        "session_id": session_id,
        "parent_session_id": line[place + 1][0] if place + 1 < len(line) else None,
        "session_started_at": start,
        "repository": state["repository"],
    }


def _entry(record: Dict[str, Any], at: str, state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    session, message, kind = _session(at, state), part(record, "message"), record.get("type")
    role = message.get("role") if kind == "message" else None
    began = instant(message.get("timestamp"))
    native_id = str(message["timestamp"]) if began else ident(record.get("id")) or at
    if role == "user":
        state["prompt"] = native_id
        values = {**session, "native_id": native_id, "prompt_id": native_id}
        yield Draft("prompt", (session["session_id"], native_id), at, values)
        return
    session["prompt_id"] = state.get("prompt")
    if role == "assistant":
        values = {**_outcome(message), "query_source": "main", "duration_ms": count(millis_between(began, at))}
        yield _request(message, part(message, "usage"), native_id, values, session, at, state)
        yield from _calls(message, at, session, state, here)
    elif role == "toolResult":
        yield from _result(message, at, session, state, here)
    elif isinstance(kind, str) and kind in _AUXILIARY and part(record, "usage"):
        values = {"status": "ok", "query_source": "auxiliary"}
        yield _request(record, record["usage"], native_id, values, session, at, state)


def _request(
    said: Dict[str, Any], usage: Dict[str, Any], native_id: str, values: Dict[str, Any], session: Dict[str, Any], at: str,
    state: Dict[str, Any],
) -> Draft:  # fmt: skip
    """One response; the cost is the agent's own, from the list that it was built with."""
    tokens = _tokens(usage, values["status"] != "ok")
    response_id = unused(said.get("responseId"), state)
    cost = part(usage, "cost").get("total")
    is_amount = (
        isinstance(cost, (int, float)) and not isinstance(cost, bool) and cost > 0
    )  # 0 is a model without a price
    amount = money(cost) if is_amount else None
    native_id = response_id or native_id
    return Draft("model_request", (session["session_id"], native_id, *tokens.values(), values["status"]), at, {
        **session, **tokens, **values, "native_id": native_id, "response_id": response_id,
        "provider": otel_provider(said.get("provider")), "model": said.get("model"),
        "reported_cost_usd": amount, "reported_cost_basis": "client_estimate" if amount else None,
    })  # fmt: skip


def _outcome(message: Dict[str, Any]) -> Dict[str, Any]:
    """Status by the reason to stop; of an error's text only the HTTP status that it begins with."""
    reason, text = message.get("stopReason"), message.get("errorMessage")
    status = _STATUS.get(reason, "ok") if isinstance(reason, str) else "ok"
    found = _HTTP_STATUS.match(text) if isinstance(text, str) and status == "error" else None
    http_status = int(found[1]) if found else None
    return {"status": "rate_limited" if http_status == _RATE_LIMITED else status, "http_status": http_status}


def _tokens(usage: Dict[str, Any], is_failure: bool) -> Dict[str, Optional[int]]:
    """The contract's tokens: `input` leaves the cache out; the zeros of a failure are unknown."""
    fresh, read_, write = (count_or_zero(usage, name) for name in ("input", "cacheRead", "cacheWrite"))
    answer, hour = count_or_zero(usage, "output"), count(usage.get("cacheWrite1h"))
    if not usage or (is_failure and not any((fresh, read_, write, answer))):
        return {}
    return {
        "input_tokens": total(fresh, read_, write),
        "cache_read_tokens": read_,
        "cache_write_tokens": write,
        "cache_write_5m_tokens": count(write - hour) if write is not None and hour is not None else None,
        "cache_write_1h_tokens": hour,
        "output_tokens": answer,
        "reasoning_tokens": count(usage.get("reasoning")),
    }


def _calls(
    message: Dict[str, Any], at: str, session: Dict[str, Any], state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """The calls that an answer asks for; what they would write is counted now, because the result does not say it."""
    for block in parts(message.get("content")):
        call_id, name = ident(block.get("id")), block.get("name")
        if block.get("type") != "toolCall" or call_id is None or not isinstance(name, str):
            continue
        given = part(block, "arguments")
        written = count_lines(given.get("content")) if name == "write" else None
        language = language_of(given.get("path") or given.get("file_path"))
        begin(state, call_id, {"at": at, "language": language, "lines": written}, here)
        ids = {**session, **call_ids(call_id, name, BUILT_IN, here)}
        yield Draft("tool_call", (session["session_id"], ids["native_id"]), at, ids)


def _result(
    message: Dict[str, Any], at: str, session: Dict[str, Any], state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """What became of a call, and the lines that it changed."""
    call_id, name, is_error = ident(message.get("toolCallId")), message.get("toolName"), message.get("isError")
    if call_id is None or not isinstance(name, str):
        return
    call = end(state, call_id, here) or {}
    ids = {**session, **call_ids(call_id, name, BUILT_IN, here)}
    success = not is_error if isinstance(is_error, bool) else None
    exit_code = _exit_code(message) if name == "bash" else None
    key = (session["session_id"], ids["native_id"], success, exit_code)
    yield Draft("tool_call", key, at, {
        **ids, "success": success, "exit_code": exit_code, "duration_ms": count(millis_between(call.get("at"), at)),
        "is_duration_upper_bound": True,
    })  # fmt: skip
    if name in ("edit", "write") and success:
        added, removed = _lines(name, call, part(message, "details").get("diff"))
        del ids["tool_key"]
        values = {**ids, "decision": "accept", "lines_added": added, "lines_removed": removed, "files_changed": 1,
                  "operation": "update" if name == "edit" else None, "language": call.get("language")}  # fmt: skip
        yield Draft("code_change", (*key[:2], added, removed), at, values)


def _exit_code(message: Dict[str, Any]) -> Optional[int]:
    """From the line that the tool adds to what a failing command printed."""
    texts = [block.get("text") for block in parts(message.get("content"))]
    last = texts[-1] if texts else None
    found = _EXIT_CODE.search(last[-_TAIL:]) if isinstance(last, str) and message.get("isError") is True else None
    return int(found[1]) if found else None


def _lines(name: str, call: Dict[str, Any], diff: Any) -> Tuple[Optional[int], Optional[int]]:
    """Of an edit, the diff's; of a written file, its own: nobody noted what had been there."""
    if name == "write":
        return call.get("lines"), None
    return count_diff(diff.split("\n")) if isinstance(diff, str) else (None, None)
