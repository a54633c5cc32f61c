"""Copilot CLI: a log of events a session, and one store for all; each request is told by the log, or else by the store.

The log knows the provider's ids, the store outlives the log. Both number the requests of a session from 1, and those of each of
its sub-agents by themselves, so that session, sub-agent, number and tokens give one and the same event, whichever file tells it. The totals at a shutdown grow over resumes and count
nothing. A failed request leaves no usage in either file, only an error in the log.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, count_or_zero, ident, part, word
from meterhouse_collector.lines import instant
from meterhouse_collector.repository import normalise_remote

from .tools import tool_drafts

NAME = "copilot_cli"
MARKERS = (b'"session.', b'"user.message"', b'"tool.execution_')
PAGE = 200
_STORED = """
SELECT usage.id AS number, usage.session_id AS session, usage.agent_id AS agent, usage.model AS model,
  usage.input_tokens AS inputTokens, usage.output_tokens AS outputTokens, usage.cache_read_tokens AS cacheReadTokens,
  usage.cache_write_tokens AS cacheWriteTokens, usage.reasoning_tokens AS reasoningTokens, usage.duration_ms AS duration,
  usage.reasoning_effort AS reasoningEffort, usage.created_at AS at, sessions.cwd AS cwd, sessions.branch AS branch,
  sessions.created_at AS began,
  (SELECT count(*) FROM assistant_usage_events AS earlier
   WHERE earlier.session_id = usage.session_id AND earlier.agent_id IS usage.agent_id AND earlier.id <= usage.id) AS sequence
FROM assistant_usage_events AS usage LEFT JOIN sessions ON sessions.id = usage.session_id
WHERE usage.id > ? ORDER BY usage.id LIMIT ?"""
_USAGE = b'"session.usage_record"'
_ENDPOINTS = {"azure": "azure.ai.openai", "anthropic": "anthropic"}  # "openai" names a protocol that many speak
_RATE_LIMITED = 429


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Logs first: a request that both files hold is then told with the provider's id."""
    if env.get("COPILOT_HOME"):
        root = Path(env["COPILOT_HOME"])
        yield from sorted(root.glob("session-state/*/events.jsonl"))
        yield from root.glob("session-store.db")
    else:
        yield from sorted(home.glob(".copilot/session-state/*/events.jsonl"))
        yield from home.glob(".copilot/session-store.db")


def select(store: sqlite3.Connection, state: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Usage rows that are new; the tables with prompts and answers are never selected."""
    while True:
        page = store.execute(_STORED, (state.get("number", 0), PAGE)).fetchall()
        for row in page:
            yield {"stored": dict(row)}
            state["number"] = row["number"]
        if len(page) < PAGE:
            return


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one line of a log, or of one row of the store."""
    if not isinstance(record, dict):
        return
    if part(record, "stored"):
        yield from _stored(record["stored"], state, here)
        return
    kind, data, at = record.get("type"), part(record, "data"), instant(record.get("timestamp"))
    if at is None or not isinstance(kind, str):
        return
    if kind in ("session.start", "session.resume"):
        yield from _begun(data, at, state, here)
    elif "session" not in state:
        return
    elif kind == "user.message":
        yield from _prompt(record, data, at, state)
    elif kind == "session.usage_record":
        yield from _request(record, data, at, state)
    elif kind == "session.error":
        yield from _failure(record, data, at, state)
    else:
        yield from tool_drafts(kind, data, at, {**state["session"], "prompt_id": state.get("prompt")}, state, here)


def _begun(data: Dict[str, Any], at: str, state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """A resume goes on with the file, perhaps in another folder or on another branch."""
    context, session_id = part(data, "context"), ident(data.get("sessionId")) or ident(here.path.parent.name)
    if session_id is None:
        return
    is_new = "session" not in state
    cwd, branch = context.get("cwd"), context.get("branch")
    session = state.setdefault("session", {"agent": NAME, "session_id": session_id, "is_subagent": False})
    session.setdefault("session_started_at", instant(data.get("startTime")) or at)
    session["repository"] = here.repository(cwd if isinstance(cwd, str) else None, at)
    if session["repository"] is None:
        session["repository"] = _named(context.get("repositoryHost"), context.get("repository"))
    session["branch"] = branch if isinstance(branch, str) else None
    session["agent_version"] = ident(data.get("copilotVersion")) or session.get("agent_version")
    if is_new:
        began = session["session_started_at"]
        values = {**session, "native_id": session_id, "started_by": "fresh"}
        yield Draft("session", (session_id, began), began, values)


def _named(host: Any, name: Any) -> Optional[str]:
    """The repository as the log names it, for a work tree that is gone."""
    return normalise_remote(f"https://{host}/{name}") if isinstance(host, str) and isinstance(name, str) else None


def _prompt(record: Dict[str, Any], data: Dict[str, Any], at: str, state: Dict[str, Any]) -> Iterator[Draft]:
    """What a person or script asked."""
    native_id = ident(data.get("messageId")) or ident(record.get("id"))
    if native_id is None or ident(data.get("source")) is not None or data.get("agentId") is not None:
        return
    state["prompt"] = native_id
    values = {**state["session"], "native_id": native_id, "prompt_id": native_id}
    yield Draft("prompt", (state["session"]["session_id"], native_id), at, values)


def _request(record: Dict[str, Any], data: Dict[str, Any], at: str, state: Dict[str, Any]) -> Iterator[Draft]:
    """One usage record; `cost` counts premium requests, not money."""
    usage = part(data, "usage")
    accounting = part(usage, "accounting")
    source = ident(accounting.get("sourceSessionId"))
    agent = _agent(record)
    if not usage or (
        agent is None and source not in (None, state["session"]["session_id"])
    ):  # told by the log of that session
        return
    is_own = usage.get("isByok") is True
    kind = usage.get("providerType")
    numbers = state.setdefault("numbers", {})
    sequence = numbers[agent or ""] = count(accounting.get("sequence")) or numbers.get(agent or "", 0) + 1
    values = {
        **state["session"], "prompt_id": state.get("prompt"), "response_id": ident(usage.get("apiCallId")),
        "time_to_first_token_ms": _whole(usage.get("timeToFirstTokenMs")),
        "provider": "github_copilot" if not is_own else _ENDPOINTS.get(kind) if isinstance(kind, str) else None,
    }  # fmt: skip
    yield _drafted(usage, sequence, at, values, agent)


def _agent(record: Dict[str, Any]) -> Optional[str]:
    """The sub-agent that a line is of; releases name it in three places. Its usage has a source session without a log."""
    data = part(record, "data")
    return ident(record.get("agentId")) or ident(data.get("agentId")) or ident(part(data, "usage").get("agentId"))


def _place(agent: Optional[str], sequence: int) -> str:
    return f"{agent}:{sequence}" if agent else str(sequence)


def _drafted(usage: Dict[str, Any], sequence: int, at: str, values: Dict[str, Any], agent: Optional[str]) -> Draft:
    """The event of one request, the same from either file."""
    tokens = {
        "input_tokens": count(usage.get("inputTokens")),  # the cache is in it
        "cache_read_tokens": count_or_zero(usage, "cacheReadTokens"),
        "cache_write_tokens": count_or_zero(usage, "cacheWriteTokens"),
        "output_tokens": count(usage.get("outputTokens")),  # so is the reasoning
        "reasoning_tokens": count(usage.get("reasoningTokens")),
    }
    is_subagent = agent is not None
    native_id = f"{values['session_id']}:{_place(agent, sequence)}"
    return Draft("model_request", (native_id, tokens["input_tokens"], tokens["output_tokens"]), at, {
        **values, **tokens, "native_id": native_id, "status": "ok", "model": usage.get("model"),
        "is_subagent": is_subagent, "query_source": "subagent" if is_subagent else "main",
        "duration_ms": _whole(usage.get("duration")), "effort": word(usage.get("reasoningEffort")),
    })  # fmt: skip


def _whole(value: Any) -> Optional[int]:
    """Milliseconds, which some releases write with a fraction."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9
    return count(int(value)) if is_number else None


def _failure(record: Dict[str, Any], data: Dict[str, Any], at: str, state: Dict[str, Any]) -> Iterator[Draft]:
    """A request that failed for good; an error without a status was none of a provider's."""
    http_status, native_id = count(data.get("statusCode")), ident(record.get("id"))
    if http_status is None or native_id is None:
        return
    status = "rate_limited" if http_status == _RATE_LIMITED else "error"
    values = {**state["session"], "prompt_id": state.get("prompt"), "native_id": native_id, "status": status,
              "http_status": http_status, "query_source": "main"}  # fmt: skip
    yield Draft("model_request", (state["session"]["session_id"], native_id, status), at, values)


def _stored(row: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """A row whose session's log does not hold it: the log is gone, or an older release wrote no usage into it."""
    session_id, sequence, at = ident(row.get("session")), count(row.get("sequence")), _utc(row.get("at"))
    agent = ident(row.get("agent"))
    if session_id is None or sequence is None or at is None:
        return
    if _place(agent, sequence) in _logged(session_id, _place(agent, sequence), state, here):
        return
    cwd, branch = row.get("cwd"), row.get("branch")
    values = {
        "agent": NAME, "session_id": session_id, "session_started_at": _utc(row.get("began")),
        "repository": here.repository(cwd if isinstance(cwd, str) else None, at),
        "branch": branch if isinstance(branch, str) else None,
    }  # fmt: skip
    yield _drafted(row, sequence, at, values, agent)


def _utc(value: Any) -> Optional[str]:
    """The store's own clock writes UTC without a zone."""
    return instant(value) or (instant(f"{value}Z") if isinstance(value, str) else None)


def _logged(session_id: str, place: str, state: Dict[str, Any], here: Here) -> List[str]:
    """Places of the requests in a session's log, which is read again when it lacks one."""
    if state.get("log") == session_id and place in state.get("logged", []):
        return state["logged"]
    found: List[str] = []
    if Path(session_id).name == session_id:
        try:
            with open(here.path.parent / "session-state" / session_id / "events.jsonl", "rb") as file:
                found = _places(line for line in file if _USAGE in line)
        except OSError:
            pass
    state.update(log=session_id, logged=found)
    return found


def _places(lines: Iterator[bytes]) -> List[str]:
    numbers: Dict[str, int] = {}
    found = []
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):  # the agent is in the middle of it
            continue
        usage = part(part(record, "data"), "usage")
        if usage:
            agent = _agent(record)
            sequence = count(part(usage, "accounting").get("sequence")) or numbers.get(agent or "", 0) + 1
            numbers[agent or ""] = sequence
            found.append(_place(agent, sequence))
    return found
