"""The SQLite store that OpenCode and Kilo share: a message is told once, when the agent is done with it.

A message is inserted empty and updated in place, so what is not final waits by its id. New rows are found by row number and
not by the agent's clock, which may jump; when the row that was read last is another one now, all rows are looked at again.
A fork copies messages under new ids: what is older than its session belongs to the session it was copied from. The tables
with accounts, credentials and shares are never selected.
"""

import json
import re
import sqlite3
from typing import Any, Dict, Iterator, List, Mapping, Optional

from meterhouse_collector.events import Draft, money
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, count_or_zero, ident, part, parts, total
from meterhouse_collector.lines import instant, millis_between

from ._opencode_tools import tool_drafts
from ._providers import otel_provider

PAGE = 50
OPEN_MAX = 200  # messages that wait for their end; one whose agent was killed waits until its session goes on
TOLD_MAX = 100
_MESSAGE = """
SELECT message.rowid AS number, message.id AS id, message.session_id AS session, message.data AS data,
       session.parent_id AS parent, session.directory AS directory, session.version AS version, session.time_created AS began
FROM message LEFT JOIN session ON session.id = message.session_id """
_NEXT = _MESSAGE + "WHERE message.rowid > ? ORDER BY message.rowid LIMIT ?"
_ONE = _MESSAGE + "WHERE message.id = ?"
_PARTS = "SELECT id, data FROM part WHERE message_id = ? ORDER BY id"
_LATER = """
SELECT data FROM message WHERE session_id = (SELECT session_id FROM message WHERE id = ?)
  AND time_created > (SELECT time_created FROM message WHERE id = ?)"""
_ORIGIN = """
SELECT first.session_id AS origin FROM message AS first JOIN session AS own ON own.id = first.session_id
WHERE first.session_id <> ? AND first.time_created >= own.time_created
  AND first.time_created = (SELECT min(time_created) FROM message WHERE session_id = ?) LIMIT 1"""
_NEWER = """
SELECT count(*) AS sessions FROM session_message
WHERE session_id NOT IN (SELECT session_id FROM message)"""
_ERROR = re.compile(r"[A-Z][A-Za-z]{0,59}", re.ASCII)  # the class of a failure, never its message
_RATE_LIMITED = 429


def select(store: sqlite3.Connection, state: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Messages that became final since last time, with their parts and what their session says."""
    yield from _newer_shape(store, state)
    last = store.execute("SELECT id FROM message WHERE rowid = ?", (state.get("number", 0),)).fetchone()
    if last is None or last["id"] != state.get("id"):  # rebuilt or deleted from: numbers mean other rows now
        state["number"] = 0
    origins: Dict[str, Optional[str]] = {}
    for name in list(state.get("open", [])):
        row = store.execute(_ONE, (name,)).fetchone()
        record = _record(store, row, origins) if row else None
        is_final = record is not None and _is_final(store, record)
        if record is not None and is_final:
            yield record
        if record is None or is_final:
            state["open"].remove(name)
    while True:
        page = store.execute(_NEXT, (state["number"], PAGE)).fetchall()
        for row in page:
            record = _record(store, row, origins)
            if _is_final(store, record):
                yield record
            elif row["id"] not in state.setdefault("open", []):
                state["open"] = [*state["open"], row["id"]][-OPEN_MAX:]
            state["number"], state["id"] = row["number"], row["id"]
        if len(page) < PAGE:
            return


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here, agent: str) -> Iterator[Draft]:
    """Drafts of one message of one agent."""
    if record.get("damaged") is True:
        raise ValueError("a message or a whole session is of a shape that this version does not know")
    message, began = part(record, "message"), instant(record.get("began"))
    at, session_id = instant(part(message, "time").get("created")), ident(record.get("session"))
    message_id, origin = ident(record.get("id")), ident(record.get("origin"))
    if at is None or session_id is None or message_id is None:
        return
    parent = ident(record.get("parent"))
    session = {
        "agent": agent, "agent_version": ident(record.get("version")), "session_id": session_id,
        "parent_session_id": parent or origin, "session_started_at": began or at, "is_subagent": parent is not None,
    }  # fmt: skip
    if record.get("copied") is True:  # it is told where it was written
        return
    place = part(message, "path").get("cwd") or record.get("directory")
    session["repository"] = here.repository(place if isinstance(place, str) else None, at)
    yield from _session(session, origin, state)
    if message.get("role") == "user":
        yield from _prompt(record, session, message_id, at)
    elif message.get("role") == "assistant":
        session["prompt_id"] = ident(message.get("parentID"))
        yield from _requests(record, message, session, message_id, at)
        for item in parts(record.get("parts")):
            yield from tool_drafts(item, session, at, here)


def _newer_shape(store: sqlite3.Connection, state: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Sessions that a newer release keeps in another table: told whenever there are more of them, never guessed at."""
    tables = store.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'session_message'"
    ).fetchall()
    unknown = store.execute(_NEWER).fetchone()["sessions"] if tables else 0
    if unknown > state.get("unknown", 0):
        yield {"damaged": True}
    state["unknown"] = unknown


def _record(store: sqlite3.Connection, row: Mapping[str, Any], origins: Dict[str, Optional[str]]) -> Dict[str, Any]:
    """A row with its JSON decoded; `origin` is the session that a fork's messages were copied from."""
    message = _json(row["data"])
    created, began, session = part(message, "time").get("created"), row["began"], row["session"]
    is_older = isinstance(created, (int, float)) and isinstance(began, (int, float)) and created < began
    if is_older and session not in origins:
        found = store.execute(_ORIGIN, (session, session)).fetchone()
        origins[session] = found["origin"] if found else None
    found_parts = [{"id": item["id"], **_json(item["data"])} for item in store.execute(_PARTS, (row["id"],)).fetchall()]
    names = ("id", "session", "parent", "directory", "version", "began")
    return {**{name: row[name] for name in names}, "origin": origins.get(session), "message": message,
            "parts": found_parts, "copied": is_older and bool(origins[session]), "damaged": not message}  # fmt: skip


def _json(text: Any) -> Dict[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_final(store: sqlite3.Connection, record: Dict[str, Any]) -> bool:
    """Whether the agent writes no more to a message; one that was cut off is final when its session answers again."""
    message = record["message"]
    if message.get("role") == "user":
        return bool(record["parts"])
    if (
        message.get("role") != "assistant"
        or part(message, "time").get("completed") is not None
        or part(message, "error")
    ):
        return True
    later = store.execute(_LATER, (record["id"], record["id"])).fetchall()
    return any(_json(row["data"]).get("role") == "assistant" for row in later)


def _session(session: Dict[str, Any], origin: Optional[str], state: Dict[str, Any]) -> Iterator[Draft]:
    told: List[str] = state.setdefault("told", [])
    if session["session_id"] in told:
        return
    state["told"] = [*told, session["session_id"]][-TOLD_MAX:]
    started_by = "subagent" if session["is_subagent"] else "fork" if origin else "fresh"
    values = {**session, "native_id": session["session_id"], "started_by": started_by}
    yield Draft(
        "session", (session["session_id"], session["session_started_at"]), session["session_started_at"], values
    )


def _prompt(record: Dict[str, Any], session: Dict[str, Any], message_id: str, at: str) -> Iterator[Draft]:
    """What a person or script asked; an agent's task for its sub-agent is none, nor what the agent itself put in."""
    own = [item for item in parts(record.get("parts")) if item.get("synthetic") is not True]
    if not session["is_subagent"] and any(item.get("type") in ("text", "file", "agent", "subtask") for item in own):
        values = {**session, "native_id": message_id, "prompt_id": message_id}
        yield Draft("prompt", (session["session_id"], message_id), at, values)


def _requests(
    record: Dict[str, Any], message: Dict[str, Any], session: Dict[str, Any], message_id: str, at: str
) -> Iterator[Draft]:
    """A message is one request; older releases went on in it, and there each finished step is one."""
    steps = [item for item in parts(record.get("parts")) if item.get("type") == "step-finish" and ident(item.get("id"))]
    error, is_summary = part(message, "error"), message.get("summary") is True
    envelope = {
        **session, "provider": otel_provider(message.get("providerID")), "model": message.get("modelID"),
        "query_source": "auxiliary" if is_summary else "subagent" if session["is_subagent"] else "main",
    }  # fmt: skip
    for step in steps if len(steps) > 1 else [message]:
        native_id = message_id if step is message else step["id"]
        tokens = _tokens(step, bool(error) or not message.get("finish"))
        outcome: Dict[str, Any] = _outcome(error, message) if step is message or step is steps[-1] else {"status": "ok"}
        cost = money(step.get("cost")) if _is_amount(step.get("cost")) and tokens else None
        if step is message and not any(item.get("type") == "tool" for item in parts(record.get("parts"))):
            completed = instant(part(message, "time").get("completed"))  # beside tools it holds their time, too
            outcome["duration_ms"] = count(millis_between(at, completed))
        values = {
            **envelope, **tokens, **outcome, "native_id": native_id, "reported_cost_usd": cost,
            "reported_cost_basis": "client_estimate" if cost else None,
        }  # fmt: skip
        yield Draft(
            "model_request", (session["session_id"], native_id, *tokens.values(), outcome["status"]), at, values
        )


def _is_amount(value: Any) -> bool:
    """0 is what an agent writes for a model that it knows no price of, or that a subscription pays."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _outcome(error: Dict[str, Any], message: Dict[str, Any]) -> Dict[str, Any]:
    """What became of the request, by the error's class; its message is content."""
    name = error.get("name")
    if not error:
        return {"status": "ok" if part(message, "time").get("completed") is not None else "cancelled"}
    http_status = count(part(error, "data").get("statusCode"))
    status = (
        "cancelled" if name == "MessageAbortedError" else "rate_limited" if http_status == _RATE_LIMITED else "error"
    )
    known = name if isinstance(name, str) and _ERROR.fullmatch(name) else None
    return {"status": status, "http_status": http_status, "error_class": known}


def _tokens(given: Dict[str, Any], is_unfinished: bool) -> Dict[str, Optional[int]]:
    """The contract's tokens: `input` leaves the cache out, `output` the reasoning; zeros of what never finished are unknown."""
    tokens = part(given, "tokens")
    cache = part(tokens, "cache")
    fresh, read_, write = count_or_zero(tokens, "input"), count_or_zero(cache, "read"), count_or_zero(cache, "write")
    answer, reasoning = count_or_zero(tokens, "output"), count_or_zero(tokens, "reasoning")
    if not tokens or (is_unfinished and not any((fresh, read_, write, answer, reasoning))):
        return {}
    return {
        "input_tokens": total(fresh, read_, write),
        "cache_read_tokens": read_,
        "cache_write_tokens": write,
        "output_tokens": total(answer, reasoning),
        "reasoning_tokens": reasoning,
    }
