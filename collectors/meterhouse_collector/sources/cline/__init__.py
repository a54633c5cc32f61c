"""Cline's CLI: one document of messages a session, rewritten whole as it grows; each answer counts once, whoever copied it.

A fork begins with its origin's messages: what is older than the fork belongs to the session that wrote it. A sub-agent has a
document of its own in its session's folder. The totals beside the messages repeat them and count nothing, nor does their
`totalCost`, which is 0 where no price is known.
"""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

from meterhouse_collector.events import Draft, money
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, count_or_zero, ident, part, parts, word
from meterhouse_collector.lines import instant, millis_between
from meterhouse_collector.repository import normalise_remote
from meterhouse_collector.sources._providers import otel_provider

from .tools import call_drafts, result_drafts

NAME = "cline"
_MESSAGES = ".messages.json"
_MANIFEST_MAX = 1 << 20  # bytes; it holds the first prompt
_ANCESTORS_MAX = 50


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Messages of all sessions and of their sub-agents, where variables say."""
    folder = Path(env["CLINE_DIR"]) if env.get("CLINE_DIR") else home / ".cline"
    data = Path(env["CLINE_DATA_DIR"]) if env.get("CLINE_DATA_DIR") else folder / "data"
    sessions = Path(env["CLINE_SESSION_DATA_DIR"]) if env.get("CLINE_SESSION_DATA_DIR") else data / "sessions"
    yield from sorted(sessions.glob(f"*/*{_MESSAGES}"))


def explode(document: Any) -> Iterator[Dict[str, Any]]:
    """The document without its messages, then each of them."""
    if isinstance(document, dict):
        yield {"document": {name: value for name, value in document.items() if name != "messages"}}
        for message in parts(document.get("messages")):
            yield {"message": message}


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one message."""
    if not isinstance(record, dict):
        return
    if "document" in record:
        _begin(part(record, "document"), state, here)
        return
    message = part(record, "message")
    at = instant(message.get("ts"))
    if at is None or "session" not in state:
        return
    state.setdefault("start", at)  # where the manifest is gone, its first message begins a session
    yield from _told(state)
    session, native_id = _owner(at, state), ident(message.get("id")) or str(message["ts"])
    if message.get("role") == "assistant":
        session["prompt_id"] = state.get("prompt")
        yield _request(message, native_id, session, at)
        yield from call_drafts(message, at, session, state, here)
    elif message.get("role") == "user":
        if _is_prompt(message) and not session["is_subagent"]:
            state["prompt"] = native_id
            values = {**session, "native_id": native_id, "prompt_id": native_id}
            yield Draft("prompt", (session["session_id"], native_id), at, values)
        session["prompt_id"] = state.get("prompt")
        yield from result_drafts(message, at, session, state, here)


def _begin(document: Dict[str, Any], state: Dict[str, Any], here: Here) -> None:
    """Whose messages they are: the folder names the session, the file its sub-agent, the manifest the rest."""
    root, stem = ident(here.path.parent.name), ident(here.path.name[: -len(_MESSAGES)])
    session_id, origin = ident(document.get("sessionId")) or stem, part(document, "origin")
    is_subagent = None not in (root, stem) and stem != root
    if session_id is None:
        return
    manifest = _manifest(here, root)
    metadata, cwd = part(manifest, "metadata"), manifest.get("cwd")
    state["session"] = {
        "agent": NAME,
        "agent_version": ident(origin.get("version")) or ident(part(metadata, "sessionHistoryOrigin").get("version")),
        "surface": word(origin.get("source")) or word(manifest.get("source")),
        "session_id": f"{root}__{stem}" if is_subagent and session_id == root else session_id,
        "parent_session_id": root if is_subagent else None,
        "is_subagent": is_subagent,
        "branch": part(metadata, "git").get("branch"),
    }
    state["ancestors"] = [] if is_subagent else _ancestors(manifest, here)
    began, place = instant(manifest.get("started_at")), cwd if isinstance(cwd, str) else None
    found = here.repository(place, began) if began is not None else None
    state["session"]["repository"] = found or normalise_remote(part(metadata, "git").get("url"))
    if began is not None and not is_subagent:
        state["start"] = began


def _manifest(here: Here, session_id: Optional[str]) -> Dict[str, Any]:
    """What a session says of itself beside its messages; of a lost or half-written one nothing."""
    if session_id is None or Path(session_id).name != session_id:
        return {}
    try:
        with open(here.path.parents[1] / session_id / f"{session_id}.json", "rb") as file:
            manifest = json.loads(file.read(_MANIFEST_MAX).decode("utf-8", "replace"))
    except (OSError, ValueError, IndexError, RecursionError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _ancestors(manifest: Dict[str, Any], here: Here) -> List[List[Optional[str]]]:
    """Sessions that history was copied from, the nearest first: until when, its id, its beginning."""
    found: List[List[Optional[str]]] = []
    while len(found) < _ANCESTORS_MAX:
        fork = part(part(manifest, "metadata"), "fork")
        until, session_id = instant(fork.get("forkedAt")), ident(fork.get("forkedFromSessionId"))
        if until is None or session_id is None or session_id in [known for _, known, _ in found]:
            break
        manifest = _manifest(here, session_id)
        found.append([until, session_id, instant(manifest.get("started_at"))])
    return found


def _owner(at: str, state: Dict[str, Any]) -> Dict[str, Any]:
    """The session that wrote a message of that time."""
    session = {**state["session"], "session_started_at": state["start"]}
    line = [entry[1] for entry in state["ancestors"]]
    for place, (until, session_id, start) in enumerate(state["ancestors"]):
        if place == 0:
            session["parent_session_id"] = session_id
        if millis_between(until, at) is not None:
            break
        parent = line[place + 1] if place + 1 < len(line) else None
        session.update(session_id=session_id, session_started_at=start, parent_session_id=parent)
    return session


def _told(state: Dict[str, Any]) -> Iterator[Draft]:
    """The session itself, once a look; the last of its line of forks, whoever wrote the message at hand."""
    if state.get("is_told"):
        return
    state["is_told"] = True
    start = state["start"]
    session = {**state["session"], "session_started_at": start}
    if state["ancestors"]:
        session["parent_session_id"] = state["ancestors"][0][1]
    started_by = "subagent" if session["is_subagent"] else "fork" if state["ancestors"] else "fresh"
    values = {**session, "native_id": session["session_id"], "started_by": started_by}
    yield Draft("session", (session["session_id"], start), start, values)


def _is_prompt(message: Dict[str, Any]) -> bool:
    """What a person or script asked; answers of tools come in messages of their own."""
    content = message.get("content")
    kinds = ["text"] if isinstance(content, str) else [block.get("type") for block in parts(content)]
    return "text" in kinds and "tool_result" not in kinds


def _request(message: Dict[str, Any], native_id: str, session: Dict[str, Any], at: str) -> Draft:
    """One answer, or one failure, which has no metrics. The ids are the client's own."""
    metrics, model = part(message, "metrics"), part(message, "modelInfo")
    tokens, cost = _tokens(metrics), metrics.get("cost")
    is_amount = isinstance(cost, (int, float)) and not isinstance(cost, bool) and cost > 0
    amount = money(cost) if is_amount else None  # 0 is a model without a price
    status = "ok" if metrics else "error"
    return Draft("model_request", (session["session_id"], native_id, *tokens.values(), status), at, {
        **session, **tokens, "native_id": native_id, "status": status, "provider": otel_provider(model.get("provider")),
        "model": model.get("id"), "query_source": "subagent" if session["is_subagent"] else "main",
        "reported_cost_usd": amount, "reported_cost_basis": "client_estimate" if amount else None,
    })  # fmt: skip


def _tokens(metrics: Dict[str, Any]) -> Dict[str, Optional[int]]:
    """The contract's tokens: the cache is in the input already; an answer of zeros is one whose provider told nothing."""
    read_, write = count_or_zero(metrics, "cacheReadTokens"), count_or_zero(metrics, "cacheWriteTokens")
    input_, output = count(metrics.get("inputTokens")), count(metrics.get("outputTokens"))
    if not metrics or not any((input_, read_, write, output)):
        return {}
    is_possible = None not in (input_, read_, write) and (input_ or 0) >= (read_ or 0) + (write or 0)
    return {
        "input_tokens": input_ if is_possible else None,  # less than its part is a broken number
        "cache_read_tokens": read_,
        "cache_write_tokens": write,
        "output_tokens": output,
    }
