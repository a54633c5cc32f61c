"""One line of a Claude Code transcript: unwrapped, dated, and with the session that it belongs to.

A file is not a session: a resumed or forked file begins with copies, which keep their ids and may even keep the old
session id.
"""

from typing import Any, Dict, NamedTuple, Optional

from meterhouse_collector.events import Draft
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import ident, part
from meterhouse_collector.lines import instant, millis_between

AGENT = "claude_code"
_COPIED_MS = 5000  # a first message older than its file by more was copied; lines of start hooks differ by less


class Line(NamedTuple):
    """What every reader of a line needs; `session` holds the fields that all its drafts share."""

    record: Dict[str, Any]
    message: Dict[str, Any]
    at: str
    session: Dict[str, Any]
    is_fallback: bool

    @property
    def is_subagent(self) -> bool:
        """Whether a side chain wrote it."""
        return self.session["is_subagent"]

    def draft(self, kind: str, *key: Any, **values: Any) -> Draft:
        """A draft of this line's session, whose id begins the key: a copy in a fork is an event of its own."""
        return Draft(kind, (self.session["session_id"], *key), self.at, {**self.session, **values})


def follow(record: Dict[str, Any], state: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """The record without the wrapping of `agent_progress`, or None when it can say nothing.

    Remembers the first time in the file: of two files that hold one response, the older one's session owns it.
    """
    at = instant(record.get("timestamp"))
    if at is not None:
        state.setdefault("start", at)
        state["at"] = at
    if record.get("type") != "progress":
        return record
    data = part(record, "data")
    if data.get("type") != "agent_progress":
        return None
    return {**record, **part(data, "message"), "isSidechain": True}


def line_of(record: Dict[str, Any], state: Dict[str, Any], here: Here, is_fallback: bool) -> Optional[Line]:
    """The line, or None when neither it nor any line before it has a time."""
    at = instant(record.get("timestamp")) or state.get("at")
    if at is None:
        return None
    prompt_id = ident(record.get("promptId"))
    if prompt_id:
        state["prompt"] = prompt_id  # answers follow their prompt without naming it
    cwd, branch, session_id = record.get("cwd"), record.get("gitBranch"), ident(record.get("sessionId"))
    session = {
        "agent": AGENT,
        "agent_version": record.get("version"),
        "surface": record.get("entrypoint"),
        "session_id": session_id,
        "parent_session_id": state.get("parent") if session_id == state.get("session") else None,
        "session_started_at": state.get("start"),
        "repository": here.repository(cwd if isinstance(cwd, str) else None, at),
        "branch": branch if branch != "HEAD" else None,  # git's word for no branch
        "is_subagent": record.get("isSidechain") is True,
        "prompt_id": state.get("prompt"),
    }
    return Line(record, part(record, "message"), at, session, is_fallback)


def began(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> bool:
    """Whether this line is the first of a session in this file, or the first to name the session it was forked from.

    The parent is named by a branch (`forkedFrom`), a copied answer (`requestSessionId`), or the id on copied lines.
    """
    session_id = ident(record.get("sessionId"))
    if session_id is None or record.get("isSidechain") is True or record.get("type") not in ("user", "assistant"):
        return False
    parent = ident(part(record, "forkedFrom").get("sessionId")) or ident(record.get("requestSessionId"))
    known = state.get("session")
    if known is None:
        age = millis_between(instant(record.get("timestamp")), state.get("start"))
        state["session"] = session_id
        state["started_by"] = "fork" if age is not None and age > _COPIED_MS else "fresh"
    elif session_id != known and session_id == here.path.stem:
        state.update(session=session_id, started_by="resume", parent=known)
    elif parent in (None, session_id) or session_id != known or "parent" in state:
        return False
    if parent not in (None, session_id):
        state.update(started_by="fork", parent=parent)
    return True
