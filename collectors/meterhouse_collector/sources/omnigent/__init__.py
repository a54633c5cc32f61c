"""Omnigent: a harness that keeps a running total for each session; a total is told with its beginning, never as a request.

Every look at a session tells all of its total, by model, since the session began, and its id is made of these numbers: reading
again, a crash or a lost spool adds nothing, and SQL takes the looks of a session apart (fct_usage_deltas). The agent that ran
inside (Claude Code, Codex) keeps files of its own; `external_session_id` leads to them. A sub-agent is a session with a parent,
whose total is its own.
"""

import hashlib
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Optional

from meterhouse_collector import days
from meterhouse_collector.database import SUFFIXES
from meterhouse_collector.events import Draft, money
from meterhouse_collector.here import Here
from meterhouse_collector.json_values import ident, part, parts
from meterhouse_collector.lines import instant

from . import store
from .usage import amount, split

NAME = "omnigent"
REPORT = "omnigent_daily_cost"
select = store.select
_SQLITE = "sqlite:///"
_LOCAL = "local"  # the user of a server without accounts


def find(home: Path, env: Mapping[str, str]) -> Iterator[Path]:
    """The store in the data folder, or the SQLite file that a variable names; a server's Postgres is no file to read."""
    address = env.get("OMNIGENT_DATABASE_URI") or ""
    folder = Path(env["OMNIGENT_DATA_DIR"]) if env.get("OMNIGENT_DATA_DIR") else home / ".omnigent"
    path = Path(address[len(_SQLITE) :]) if address.startswith(_SQLITE) else folder / "chat.db"
    if path.suffix in SUFFIXES and path.is_file():
        yield path


def read(record: Dict[str, Any], state: Dict[str, Any], here: Here) -> Iterator[Draft]:
    """Drafts of one session's total, or of one day of what Omnigent books on people."""
    if record.get("damaged") is True:
        raise ValueError("a total is of a shape that this version does not know")
    looked_at = instant(record.get("looked_at"))
    if looked_at is None:
        return
    if record.get("day") is not None:
        yield from _day(record, looked_at, here)
        return
    session_id, began = ident(record.get("id")), _seconds(record.get("created"))
    if session_id is None or began is None:
        return
    parent, workspace = ident(record.get("parent")), record.get("workspace")
    session = {
        "agent": NAME, "session_id": session_id, "parent_session_id": parent, "surface": ident(record.get("wrapper")),
        "is_subagent": record.get("kind") == store.SUB_AGENT, "external_session_id": ident(record.get("external")),
        "repository": here.repository(workspace if isinstance(workspace, str) else None, began),
        "branch": record.get("branch"), **_person(record.get("owner"), record, here),
    }  # fmt: skip
    started_by = "subagent" if session["is_subagent"] else "fork" if parent else "fresh"
    yield Draft("session", (session_id, began, session["external_session_id"]), began,
                {**session, "native_id": session_id, "session_started_at": began, "started_by": started_by})  # fmt: skip
    yield from _look(part(record, "usage"), session, began, max(began, looked_at))


def _look(usage: Dict[str, Any], session: Dict[str, Any], began: str, looked_at: str) -> Iterator[Draft]:
    """One event a model, and one for what the total holds beyond its models; together they are one look."""
    rows = split(usage)
    key = (session["session_id"], began, json.dumps(rows, sort_keys=True, default=str))
    look = "look-" + hashlib.sha256("\n".join(key).encode("utf-8", "replace")).hexdigest()[:24]
    for model, values in rows:
        yield Draft(
            "usage_delta",
            (*key, model),
            looked_at,
            {**session, **values, "native_id": look, "model": model, "window_start": began, "window_end": looked_at},
        )


def _day(record: Dict[str, Any], looked_at: str, here: Here) -> Iterator[Draft]:
    """What one day cost by owner: a book of its own beside the totals, told as a report to compare with."""
    day, account = date.fromisoformat(str(record.get("day"))), ident(record.get("store"))
    window = {"report": REPORT, "fetched_at": looked_at, "window_start": days.midnight(day),
              "window_end": days.midnight(days.following(day)), "billing_account": account}  # fmt: skip
    costs: Dict[str, Decimal] = {}
    persons: Dict[str, Dict[str, Any]] = {}
    for row in parts(record.get("rows")):
        person = _person(row.get("user"), record, here)
        name = json.dumps(person)
        persons[name] = person
        costs[name] = costs.get(name, Decimal(0)) + (amount(row.get("cost")) or 0)
    identity = (REPORT, account, window["window_start"], looked_at)
    for name, cost in costs.items():
        values = {**window, **persons[name], "agent": NAME, "list_amount_usd": money(cost)}
        yield Draft("vendor_usage", (*identity, name, values["list_amount_usd"]), window["window_start"], values)
    yield Draft("vendor_window", identity, window["window_start"],
                {**window, "row_count": len(costs), "person_key": None})  # fmt: skip


def _person(owner: Any, record: Dict[str, Any], here: Here) -> Dict[str, Any]:
    """The owner, by the organisation's key. Without it: this machine's person in a store of one, nobody in one of several."""
    if owner is None or owner == _LOCAL:
        return {}
    known = here.pseudonym(owner) if isinstance(owner, str) else None
    return {} if known is None and record.get("is_shared") is False else {"person_key": known}


def _seconds(value: Any) -> Optional[str]:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return instant(value * 1000) if is_number else None
