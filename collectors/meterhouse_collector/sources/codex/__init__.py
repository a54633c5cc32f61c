"""Codex CLI: rollout files under CODEX_HOME, one thread per file; keys come from thread and response ids, never from a path.

A forked or spawned thread's file may begin with a copy of its parent's history: nothing of a copy may be counted.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

from meterhouse_collector.events import KINDS, Draft
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import count, ident, part
from meterhouse_collector.lines import instant, millis_between
from meterhouse_collector.repository import normalise_remote

from .record import Fact
from .tools import tool_call, tool_item, tool_output
from .usage import failed_turn, follow_totals, stream_error, token_count, usage_record

NAME = "codex"
MARKERS = (
    b'"session_meta"', b'"turn_context"', b'"token_usage_record"', b'"item_completed"', b'"token_count"', b'"user_message"',
    b'"task_started"', b'"task_complete"', b'"turn_aborted"', b'"error"', b'"stream_error"', b'"thread_settings_applied"',
    b'_call"', b'_call_output"', b'_end"',
)  # fmt: skip
_FOLDERS = ("sessions", "archived_sessions")
_SUFFIXES = (".jsonl", ".jsonl.zst")
_AUXILIARY = ("compact", "memory_consolidation")
_TURN_STARTS = ("turn_context", "task_started", "user_message")
_UUID7 = re.compile(r"^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-")  # its first 48 bits are milliseconds since 1970
_FILE = re.compile(r"rollout-[0-9T-]{19}-([0-9a-f-]{36})\.jsonl")
_TELLING = ("turn_context", "token_usage_record", "token_count")  # of these a file without its head must lose none
_BURST_MS = 1000  # a copy of history is written at once


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """Rollouts of running and archived threads; an archive may be compressed, and a thread may be there twice."""
    root = Path(env["CODEX_HOME"]) if env.get("CODEX_HOME") else home / ".codex"
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("rollout-*")):
            if path.name.endswith(_SUFFIXES):
                yield path


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one line. The first session_meta says whose file it is; where it is damaged, the file's name does."""
    kind, payload, at = _line(record)
    if at is None:
        return
    if "session" not in state and kind in _TELLING:
        yield from _drafts(_session_meta({"id": _named_thread(here)}, at, state, here), at, state)
        state["headless"] = True
    if kind == "session_meta":
        facts = _session_meta(payload, at, state, here)
    elif "session" not in state:
        return
    elif _is_copy(record, kind, payload, at, state):
        follow_totals(payload, state)
        return
    elif kind == "turn_context":
        facts = _turn_context(payload, at, state, here)
    else:
        facts = _facts(kind, payload, state, here)
    yield from _drafts(facts, at, state)


def _drafts(facts: Iterator[Fact], at: str, state: Dict[str, Any]) -> Iterator[Draft]:
    """Facts with their session and time."""
    for fact in facts:
        session = {name: value for name, value in state["session"].items() if name in KINDS[fact.kind].fields}
        values = {**session, "prompt_id": state.get("turn"), **fact.values}
        yield Draft(fact.kind, (session["session_id"], *fact.key), at, values)


def _line(record: Any) -> Tuple[str, Dict[str, Any], Optional[str]]:
    """Type, payload and time of a line. Of an event or response item, the type that matters is the payload's own."""
    kind = record.get("type") if isinstance(record, dict) else None
    payload = part(record, "payload")
    if kind in ("event_msg", "response_item"):
        kind = payload.get("type")
    at = instant(record.get("timestamp")) if isinstance(kind, str) else None
    return str(kind), payload, at


def _facts(kind: str, payload: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Fact]:
    """What a line of the thread's own says."""
    if kind == "item_completed":
        payload = part(payload, "item")
        kind = str(payload.get("type"))
    if kind in _READERS:
        yield from _READERS[kind](payload, state)
    elif kind.endswith("_call"):
        yield from tool_call(payload, state, here)
    elif kind.endswith("_call_output"):
        yield from tool_output(payload, state, here)
    else:
        yield from tool_item(payload, state, here)


def _session_meta(payload: Dict[str, Any], at: str, state: Dict[str, Any], here: Here) -> Iterator[Fact]:
    """The thread, from the first session_meta; a later one is a resume or the head of a copied history."""
    thread = ident(payload.get("id"))
    headless = state.pop("headless", False)
    if "session" in state and not (headless and thread == state["session"]["session_id"]):
        if thread != state["session"]["session_id"] and not {"turned", "own_from"} & state.keys():
            state["copying"] = True
        return
    if thread is None:
        return
    git, cwd = part(payload, "git"), payload.get("cwd")
    found = here.repository(cwd if isinstance(cwd, str) else None, at)  # also when the file knows: the tree has commits
    branch = git.get("branch")
    state["place"] = {
        "tree": _mark(cwd) if isinstance(cwd, str) else None,  # a path is not kept, not even in the spool
        "repository": normalise_remote(git.get("repository_url")) or found,
        "branch": branch if isinstance(branch, str) else None,
    }
    state["session"] = {
        "agent": NAME,
        "agent_version": ident(payload.get("cli_version")),
        "surface": ident(payload.get("originator")),
        "provider": ident(payload.get("model_provider")),
        "session_id": thread,
        "session_started_at": instant(payload.get("timestamp")) or at,
        "repository": state["place"]["repository"],
        "branch": state["place"]["branch"],
        **_ancestry(payload, thread, state),
    }
    state["began"] = at
    yield Fact("session", (), {"native_id": thread, "started_by": state["started_by"], "prompt_id": None})


def _ancestry(payload: Dict[str, Any], thread: str, state: Dict[str, Any]) -> Dict[str, Any]:
    """Whom the thread comes from, and how much of the file is the parent's history."""
    source = part(payload, "source")
    spawn = part(part(source, "subagent"), "thread_spawn")
    is_subagent = "subagent" in source or payload.get("thread_source") == "subagent"
    fork = ident(payload.get("forked_from_id"))
    parent = ident(payload.get("parent_thread_id")) or ident(spawn.get("parent_thread_id"))
    named = (fork, parent, ident(payload.get("session_id")))
    own_from = count(payload.get("subagent_history_start_ordinal"))
    if own_from is not None:
        state["own_from"] = own_from
    elif fork and not part(payload, "history_base"):  # without a reference to the parent's file there is a copy
        state["copying"] = True
    state["forked"] = fork is not None
    state["started_by"] = "subagent" if is_subagent else "fork" if fork else "fresh"
    auxiliary = source.get("subagent") in _AUXILIARY
    state["query_source"] = "auxiliary" if auxiliary else "subagent" if is_subagent else "main"
    return {
        "parent_session_id": next((other for other in named if other and other != thread), None),
        "is_subagent": is_subagent,
        "origin": "agent" if is_subagent else None,
    }


def _is_copy(record: Dict[str, Any], kind: str, payload: Dict[str, Any], at: str, state: Dict[str, Any]) -> bool:
    """Whether a line belongs to the parent's history that this thread began with."""
    thread, ordinal = payload.get("thread_id"), count(record.get("ordinal"))
    if isinstance(thread, str) and thread != state["session"]["session_id"]:
        return True
    if ordinal is not None and ordinal < state.get("own_from", 0):
        return True
    if "copying" in state and kind in _TURN_STARTS and _is_own_turn(payload, at, state):
        del state["copying"]
    if "copying" not in state and kind in _TURN_STARTS:
        state["turned"] = True
    return "copying" in state


def _is_own_turn(payload: Dict[str, Any], at: str, state: Dict[str, Any]) -> bool:
    """Whether a turn began after its thread did; copied lines are stamped anew, but their turns keep their ids.

    Old versions number turns or do not name them: there, whatever was written at once with the file's head is the copy.
    How they write a fork is known from Codex's source, not from a real file; a turn within that second would be lost.
    """
    turn, thread = _born_ms(payload.get("turn_id")), _born_ms(state["session"]["session_id"])
    if turn is not None and thread is not None:
        return turn >= thread
    gap = millis_between(state["began"], at)
    return gap is not None and gap > _BURST_MS


def _named_thread(here: Here) -> Optional[str]:
    found = _FILE.match(here.path.name)
    return found[1] if found else None


def _born_ms(uuid: Any) -> Optional[int]:
    found = _UUID7.match(uuid) if isinstance(uuid, str) else None
    return int(found[1] + found[2], 16) if found else None


def _mark(cwd: str) -> str:
    """Tells one work tree from another without keeping its path."""
    return hashlib.sha256(cwd.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _turn_context(payload: Dict[str, Any], at: str, state: Dict[str, Any], here: Here) -> Iterator[Fact]:
    """What the next requests ask for, and where the thread works now."""
    _turn(payload, state)
    state["model"], state["effort"] = ident(payload.get("model")), ident(payload.get("effort"))
    cwd = payload.get("cwd")
    if isinstance(cwd, str):
        found = here.repository(cwd, at)
        stayed = _mark(cwd) == state["place"]["tree"]
        state["session"]["repository"] = state["place"]["repository"] if stayed else found
        state["session"]["branch"] = state["place"]["branch"] if stayed else None
    return iter(())


def _turn(payload: Dict[str, Any], state: Dict[str, Any]) -> Iterator[Fact]:
    turn = ident(payload.get("turn_id"))
    if turn and turn != state.get("turn"):
        state.update(turn=turn, prompts={}, prompted=0, attempts=0)
    return iter(())


def _settings(payload: Dict[str, Any], state: Dict[str, Any]) -> Iterator[Fact]:
    state["service_tier"] = ident(part(payload, "thread_settings").get("service_tier"))
    return iter(())


def _prompt(payload: Dict[str, Any], state: Dict[str, Any]) -> Iterator[Fact]:
    """The nth prompt of a turn, once, although a version may write it as event and as item; agents' prompts are none."""
    if state["session"]["is_subagent"] or payload.get("kind") not in (None, "plain"):
        return
    seen, form = state.setdefault("prompts", {}), str(payload.get("type"))
    number = seen[form] = seen.get(form, 0) + 1
    if number > state.get("prompted", 0):
        state["prompted"] = number
        native_id = f"{state.get('turn') or state['session']['session_id']}:{number}"
        yield Fact("prompt", (native_id,), {"native_id": native_id})


_READERS: Dict[str, Callable[[Dict[str, Any], Dict[str, Any]], Iterator[Fact]]] = {
    "UserMessage": _prompt,
    "error": failed_turn,
    "stream_error": stream_error,
    "task_complete": failed_turn,
    "task_started": _turn,
    "thread_settings_applied": _settings,
    "token_count": token_count,
    "token_usage_record": usage_record,
    "turn_aborted": failed_turn,
    "user_message": _prompt,
}
