"""Gemini CLI: chat logs under tmp/<project>/chats/; a file is a log, and what was spent stays spent.

A message is appended again when its tools finish, a resume appends a new header and a checkpoint without tokens, and a
rewind removes messages: keys of session, message and token numbers make each of them count once, and never less.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count_or_zero, ident, part, parts, total
from meterhouse_collector.lines import instant

from .tools import tool_drafts

NAME = "gemini_cli"
MARKERS = (b'"gemini"', b'"user"', b'"sessionId"')  # within a text the quotes would be escaped
_NO_PROMPTS = ("<session_context>", "This is the Gemini CLI. We are setting up the context", "System: Please continue")


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Logs, older whole documents, and the sub-agents' logs in a folder named after their session."""
    root = Path(env["GEMINI_CLI_HOME"]) if env.get("GEMINI_CLI_HOME") else home
    for pattern in ("session-*.jsonl", "session-*.json", "*/*.jsonl", "*/*.json"):
        yield from sorted(root.glob(f".gemini/tmp/*/chats/{pattern}"))


def explode(document: Any) -> Iterator[Dict[str, Any]]:
    """An older file is one document: its header, then its messages."""
    if isinstance(document, dict):
        yield {name: value for name, value in document.items() if name != "messages"}
        yield from parts(document.get("messages"))


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one line: a header, a patch of the header, or a message."""
    if not isinstance(record, dict):
        return
    patch = part(record, "$set")
    header = patch or record
    if ident(header.get("sessionId")):
        state["session"] = header["sessionId"]
        state["is_subagent"] = state.get("is_subagent", _parent(here) is not None) or header.get("kind") == "subagent"
    _note_start(header.get("startTime"), state)
    for message in parts(patch.get("messages")) if patch else [record]:
        yield from _message(message, state, here, is_checkpoint=bool(patch))


def _message(message: Dict[str, Any], state: Dict[str, Any], here: Here, is_checkpoint: bool) -> Iterator[Draft]:
    """A checkpoint's messages are copies of earlier lines; whatever of them is new to us still counts."""
    message_id, kind, at = ident(message.get("id")), message.get("type"), instant(message.get("timestamp"))
    if message_id is None or at is None or kind not in ("gemini", "user") or "session" not in state:
        return
    _note_start(at, state)
    session = _session(state, here, at)
    if not is_checkpoint and state.get("told") != state["session"]:
        state["told"] = state["session"]
        started_by = "subagent" if state["is_subagent"] else "fresh"
        values = {**session, "native_id": state["session"], "started_by": started_by, "prompt_id": None}
        yield Draft("session", (state["session"], state["start"]), state["start"], values)
    if kind == "user":
        yield from _prompt(message, message_id, at, session, state)
    else:
        yield from _request(message, message_id, at, session)
        yield from tool_drafts(message, at, session, here)


def _note_start(value: Any, state: Dict[str, Any]) -> None:
    """The first time found in the file is the session's; a resume's header comes later."""
    at = instant(value) if "start" not in state else None
    if at is not None:
        state["start"] = at


def _session(state: Dict[str, Any], here: Here, at: str) -> Dict[str, Any]:
    """The fields that all drafts of a message share; branch, version and user are not in the file."""
    if "project" not in state:
        state["project"] = _project(here)
    return {
        "agent": NAME,
        "session_id": state["session"],
        "parent_session_id": _parent(here),
        "session_started_at": state["start"],
        "repository": here.repository(state["project"], at),
        "is_subagent": state["is_subagent"],
        "prompt_id": state.get("prompt"),
    }


def _parent(here: Here) -> Optional[str]:
    """The session that a sub-agent works for; only the folder tells."""
    folder = here.path.parent
    return ident(folder.name) if folder.name != "chats" and folder.parent.name == "chats" else None


def _project(here: Here) -> Optional[str]:
    """The project's folder: as noted beside the chats, or else from the list of projects by its short name or hash."""
    chats = next((folder for folder in here.path.parents if folder.name == "chats"), here.path.parent)
    noted = _text(chats.parent / ".project_root").strip()
    if noted:
        return noted
    try:
        projects = part(json.loads(_text(chats.parents[2] / "projects.json") or "{}"), "projects")
    except (ValueError, IndexError, RecursionError):  # damaged, or the file lies somewhere else
        return None
    for path, name in projects.items():
        if chats.parent.name in (name, hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()):
            return path
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # older versions write neither file
        return ""


def _prompt(
    message: Dict[str, Any], message_id: str, at: str, session: Dict[str, Any], state: Dict[str, Any]
) -> Iterator[Draft]:
    """What a person typed or a script passed: the file does not tell which. Tool results are none, nor injected texts."""
    content = message.get("content")
    texts: List[Any] = [content] if isinstance(content, str) else [block.get("text") for block in parts(content)]
    answers = any(
        "functionResponse" in block for name in ("content", "displayContent") for block in parts(message.get(name))
    )
    if session["is_subagent"] or answers or not texts or str(texts[0]).startswith(_NO_PROMPTS):
        return
    state["prompt"] = message_id
    values = {**session, "native_id": message_id, "prompt_id": message_id}
    yield Draft("prompt", (session["session_id"], message_id), at, values)


def _request(message: Dict[str, Any], message_id: str, at: str, session: Dict[str, Any]) -> Iterator[Draft]:
    """One observation of one answer. The id is the client's own, so it is no response id of the provider."""
    tokens = _tokens(part(message, "tokens"))
    if tokens is None:
        return
    values = {
        **session, **tokens, "native_id": message_id, "status": "ok", "provider": "gcp.gemini",
        "model": message.get("model"), "query_source": "subagent" if session["is_subagent"] else "main",
    }  # fmt: skip
    yield Draft("model_request", (session["session_id"], message_id, *tokens.values()), at, values)


def _tokens(given: Dict[str, Any]) -> Optional[Dict[str, Optional[int]]]:
    """The contract's tokens: `input` holds the cache but not what tools fed in, `output` leaves the thoughts out."""
    if not given:
        return None
    prompt, tool, cached = (count_or_zero(given, name) for name in ("input", "tool", "cached"))
    answer, thoughts = count_or_zero(given, "output"), count_or_zero(given, "thoughts")
    return {
        "input_tokens": total(prompt, tool),
        "cache_read_tokens": cached,
        "cache_write_tokens": 0,  # the API caches by itself and charges no writes
        "output_tokens": total(answer, thoughts),
        "reasoning_tokens": thoughts,
    }
