"""Calls of tools that wait for their result: what is kept of one says neither what it was given nor what it is called.

Names of tools that an organisation made leave as a key. The id of a call may be made of such a name, so waiting calls lie
under a key too, and an id that holds the name leaves as one.
"""

from typing import Any, Dict, FrozenSet, Iterator, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here

_WAITING_MAX = 500  # of one session; a result whose call is gone has nothing to say


def call_ids(call_id: str, name: str, built_in: FrozenSet[str], here: Here) -> Dict[str, Any]:
    """The fields that name a call and its tool."""
    is_known = name in built_in
    native_id = here.tool_key(call_id) if not is_known and name in call_id else call_id
    return {"native_id": native_id, "tool_call_id": native_id, "tool_name": name if is_known else "custom_tool",
            "tool_key": None if is_known else here.tool_key(name)}  # fmt: skip


def begin(state: Dict[str, Any], call_id: str, kept: Dict[str, Any], here: Here) -> None:
    """Keep what the result of this call will need."""
    waiting: Dict[str, Any] = state.setdefault("calls", {})
    waiting[here.tool_key(call_id)] = kept
    if len(waiting) > _WAITING_MAX:
        del waiting[next(iter(waiting))]


def end(state: Dict[str, Any], call_id: Optional[str], here: Here) -> Optional[Dict[str, Any]]:
    """What was kept of this call, and forget it; None when nothing waits."""
    found: Optional[Dict[str, Any]] = state.get("calls", {}).pop(here.tool_key(call_id), None) if call_id else None
    return found


def change_drafts(call: Dict[str, Any], at: str, session: Dict[str, Any]) -> Iterator[Draft]:
    """The code changes of a call that succeeded, one for each of its `changes`."""
    ids, changes = call["ids"], call["changes"]
    for index, change in enumerate(changes):
        native_id = ids["native_id"] if len(changes) == 1 else f"{ids['native_id']}:{index}"
        key = (session["session_id"], native_id, change["lines_added"], change["lines_removed"])
        yield Draft("code_change", key, at, {
            **session, **change, "tool_call_id": ids["tool_call_id"], "tool_name": ids["tool_name"],
            "native_id": native_id, "decision": "accept", "files_changed": 1,
        })  # fmt: skip
