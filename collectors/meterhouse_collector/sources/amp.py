"""Amp: one document a thread, rewritten whole as it grows; each answer counts once, also one that a person edited away.

Only the time in its usage tells an answer from another of the same number, because an edited thread gives numbers again. Cost
is in credits and what Amp's own sub-agents spend is not in the thread, so neither is told. The usage under `~debug` is a copy.
"""

from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional
from urllib.parse import unquote, urlsplit

from meterhouse_collector.events import Draft, fits
from meterhouse_collector.fields import FIELDS
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, count_or_zero, ident, part, parts, total, word
from meterhouse_collector.lines import instant
from meterhouse_collector.repository import normalise_remote
from meterhouse_collector.sources._calls import begin, call_ids, end

NAME = "amp"
BUILT_IN = frozenset((
    "Bash", "Grep", "Read", "Task", "create_file", "edit_file", "finder", "format_file", "get_diagnostics", "glob", "librarian",
    "list_directory", "look_at", "mermaid", "oracle", "read_web_page", "skill", "todo_read", "todo_write", "undo_edit",
    "web_search",
))  # fmt: skip
_UNFINISHED = "streaming"
_STATUS = {"cancelled": "cancelled", "error": "error", _UNFINISHED: "cancelled"}  # the last: its agent was killed
_SUCCESS = {"done": True, "error": False, "cancelled": False, "rejected-by-user": False}
_BRANCH = "refs/heads/"


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Threads below the user's data folder."""
    folder = Path(env["XDG_DATA_HOME"]) if env.get("XDG_DATA_HOME") else home / ".local" / "share"
    yield from sorted(folder.glob("amp/threads/T-*.json"))


def explode(document: Any) -> Iterator[Dict[str, Any]]:
    """The thread without its messages, then each of them; the last may still be in the making."""
    if not isinstance(document, dict):
        return
    yield {"thread": {name: document.get(name) for name in ("id", "created", "env")}}
    messages = parts(document.get("messages"))
    for number, message in enumerate(messages, 1):
        yield {"message": message, "is_last": number == len(messages)}


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of the thread, or of one message."""
    if not isinstance(record, dict):
        return
    if "thread" in record:
        yield from _begin(part(record, "thread"), state, here)
        return
    message = part(record, "message")
    number = count(message.get("messageId"))
    if "session" not in state or number is None:
        return
    session = {**state["session"], "prompt_id": state.get("prompt")}
    if message.get("role") == "user":
        yield from _prompt(message, number, session, state)
        yield from _results(message, session, state, here)
    elif message.get("role") == "assistant" and not (record.get("is_last") is True and _state(message) == _UNFINISHED):
        yield from _answer(message, number, session, state, here)


def _begin(thread: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """The session, where and with which release it began."""
    session_id, at = ident(thread.get("id")) or ident(here.path.stem), instant(thread.get("created"))
    if session_id is None or at is None:
        return
    initial = part(part(thread, "env"), "initial")
    tree, platform = next(iter(parts(initial.get("trees"))), {}), part(initial, "platform")
    repository, ref = part(tree, "repository"), part(tree, "repository").get("ref")
    state["at"] = at
    session = state["session"] = {
        "agent": NAME,
        "agent_version": ident(platform.get("clientVersion")),
        "surface": word(platform.get("clientType")),
        "session_id": session_id,
        "session_started_at": at,
        "repository": here.repository(_path(tree.get("uri")), at) or normalise_remote(repository.get("url")),
        "branch": ref[len(_BRANCH) :] if isinstance(ref, str) and ref.startswith(_BRANCH) else None,
    }
    yield Draft("session", (session_id, at), at, {**session, "native_id": session_id, "started_by": "fresh"})


def _path(uri: Any) -> Optional[str]:
    """The folder that a file URI names."""
    try:
        parsed = urlsplit(uri) if isinstance(uri, str) else None
    except ValueError:  # brackets that are no address
        return None
    return unquote(parsed.path) if parsed is not None and parsed.scheme == "file" else None


def _state(message: Dict[str, Any]) -> Any:
    return part(message, "state").get("type")


def _prompt(message: Dict[str, Any], number: int, session: Dict[str, Any], state: Dict[str, Any]) -> Iterator[Draft]:
    """What a person or script asked; a message of tools' results is none."""
    kinds = [block.get("type") for block in parts(message.get("content"))]
    sent = instant(part(message, "meta").get("sentAt"))
    if "tool_result" in kinds or not kinds:
        return
    at = state["at"] = sent or state["at"]
    native_id = state["prompt"] = f"{session['session_id']}:{number}:{at}"
    values = {**session, "native_id": native_id, "prompt_id": native_id}
    yield Draft("prompt", (session["session_id"], native_id), at, values)


def _answer(
    message: Dict[str, Any], number: int, session: Dict[str, Any], state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """One response; the failed and the cut off may have no usage, and then no time of their own."""
    usage, kind = part(message, "usage"), _state(message)
    status = _STATUS.get(kind, "ok") if isinstance(kind, str) else "ok"
    at = state["at"] = instant(usage.get("timestamp")) or state["at"]
    native_id, tokens = f"{session['session_id']}:{number}:{at}", _tokens(usage)
    yield Draft("model_request", (session["session_id"], native_id, *tokens.values(), status), at, {
        **session, **tokens, "native_id": native_id, "status": status, "model": usage.get("model"), "query_source": "main",
    })  # fmt: skip
    yield from _calls(message, at, session, state, here)


def _tokens(usage: Dict[str, Any]) -> Dict[str, Optional[int]]:
    """The contract's tokens: `inputTokens` leaves the cache out; `totalInputTokens` is the sum of all three."""
    names = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    fresh, read_, write = (count_or_zero(usage, name) for name in names)
    answer = count_or_zero(usage, "outputTokens")
    if not usage or not any((fresh, read_, write, answer)):
        return {}
    return {
        "input_tokens": total(fresh, read_, write),
        "cache_read_tokens": read_,
        "cache_write_tokens": write,
        "output_tokens": answer,
    }


def _calls(
    message: Dict[str, Any], at: str, session: Dict[str, Any], state: Dict[str, Any], here: Here
) -> Iterator[Draft]:
    """The calls that an answer asks for."""
    for block in parts(message.get("content")):
        call_id, name = ident(block.get("id")), block.get("name")
        if block.get("type") != "tool_use" or call_id is None or not isinstance(name, str):
            continue
        ids = call_ids(call_id, name, BUILT_IN, here)
        begin(state, call_id, {"at": at, "ids": ids}, here)
        yield Draft("tool_call", (session["session_id"], ids["native_id"]), at, {**session, **ids})


def _results(message: Dict[str, Any], session: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """What became of calls; results have no time, so they stand at that of their call."""
    for block in parts(message.get("content")):
        call_id, run = ident(block.get("toolUseID")), part(block, "run")
        status, exit_code = run.get("status"), part(run, "result").get("exitCode")
        if block.get("type") != "tool_result" or not isinstance(status, str) or status not in _SUCCESS:
            continue  # it is still running
        call = end(state, call_id, here)
        if call is None:
            continue
        exit_code = exit_code if fits(FIELDS["exit_code"], exit_code) else None
        success = _SUCCESS[status] and not exit_code
        decision = "reject" if status == "rejected-by-user" else None
        values = {**session, **call["ids"], "success": success, "exit_code": exit_code, "decision": decision,
                  "decision_source": "user" if decision else None}  # fmt: skip
        key = (session["session_id"], call["ids"]["native_id"], success, exit_code, decision)
        yield Draft("tool_call", key, call["at"], values)
