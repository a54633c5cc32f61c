"""Omnigent's SQLite store: sessions whose total is another one than last time, and days on which somebody's cost changed.

Nothing in the store says which totals changed, so all are looked at, by their bytes. Totals lie in frames (0x00, codec, bytes),
mostly zstd. Titles, items, tasks, states and every table with secrets are never selected; an owner's name is used through the
organisation's key alone. A look is as old as the store's last write, so that looking again says the same.
"""

import hashlib
import json
import os
import sqlite3
from typing import Any, Dict, Iterator, List, Mapping, Optional

from meterhouse_collector.errors import UnreadableError
from meterhouse_collector.stream import unpack_zstd

PAGE = 50
SUB_AGENT = 2
_OWNER = 4
_TEXT_MAX = 16 << 20
_SESSIONS = """
SELECT session.workspace_id AS space, session.id AS id, session.created_at AS created,
  session.parent_conversation_id AS parent, meta.kind AS kind, meta.external_session_id AS external,
  meta.workspace AS workspace, meta.git_branch AS branch, meta.session_usage AS usage,
  (SELECT label.value FROM conversation_labels AS label WHERE label.workspace_id = session.workspace_id
     AND label.conversation_id = session.id AND label."key" = 'omnigent.wrapper') AS wrapper,
  (SELECT min(right.user_id) FROM session_permissions AS right WHERE right.workspace_id = session.workspace_id
     AND right.conversation_id = session.root_conversation_id AND right.level = ?) AS owner
FROM conversations AS session JOIN omnigent_conversation_metadata AS meta
  ON meta.workspace_id = session.workspace_id AND meta.id = session.id
WHERE (session.workspace_id, session.id) > (?, ?)
ORDER BY session.workspace_id, session.id LIMIT ?"""
_OWNERS = "SELECT count(DISTINCT user_id) AS owners FROM session_permissions WHERE level = ?"
_DAYS = "SELECT day_utc AS day, user_id AS user, sum(cost_usd) AS cost FROM user_daily_cost GROUP BY 1, 2 ORDER BY 1, 2"
_FIRST = "SELECT id FROM conversations ORDER BY created_at, id LIMIT 1"


def select(store: sqlite3.Connection, state: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Sessions and days that look different from what the state remembers of them."""
    looked_at = _written_at(store)
    is_shared = store.execute(_OWNERS, (_OWNER,)).fetchone()["owners"] > 1
    about = {"looked_at": looked_at, "is_shared": is_shared}
    yield from _sessions(store, state, about)
    yield from _days(store, state, about)


def _sessions(store: sqlite3.Connection, state: Dict[str, Any], about: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    seen: Dict[str, str] = state.setdefault("seen", {})
    here = set()
    space, last = -(2**63), b""
    while True:
        page = store.execute(_SESSIONS, (_OWNER, space, last, PAGE)).fetchall()
        for row in page:
            space, last = row["space"], row["id"]
            name, digest = _name(row["id"]), _digest([row[column] for column in row.keys()])  # noqa: SIM118 - a Row's keys
            here.add(name)
            if name is None or seen.get(name) == digest:
                continue
            yield {**about, **_session(row)}
            seen[name] = digest
        if len(page) < PAGE:
            break
    for name in [name for name in seen if name not in here]:  # deleted there; what was told of it stays
        del seen[name]


def _session(row: Mapping[str, Any]) -> Dict[str, Any]:
    usage = _object(row["usage"])
    return {
        "id": _name(row["id"]), "parent": _name(row["parent"]), "usage": usage or {}, "damaged": usage is None,
        **{name: row[name] for name in ("created", "kind", "external", "workspace", "branch", "wrapper", "owner")},
    }  # fmt: skip


def _days(store: sqlite3.Connection, state: Dict[str, Any], about: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """Whole days: a day that changed replaces what was told of it."""
    told: Dict[str, str] = state.setdefault("days", {})
    first = store.execute(_FIRST).fetchone()
    if "store" not in state:  # tells the books of one store from those of another
        state["store"] = "store-" + _digest([first["id"]] if first else [])
    days: Dict[str, List[Dict[str, Any]]] = {}
    for row in store.execute(_DAYS).fetchall():
        days.setdefault(str(row["day"]), []).append({"user": row["user"], "cost": row["cost"]})
    for day, rows in days.items():
        digest = _digest([[row["user"], row["cost"]] for row in rows])
        if told.get(day) != digest:
            yield {**about, "day": day, "rows": rows, "store": state["store"]}
            told[day] = digest


def _object(value: Any) -> Optional[Dict[str, Any]]:
    """A total out of its frame: empty when there is none yet, None when it is none. Without a zstd decoder the store waits."""
    if value is None:
        return {}
    try:
        data = value.encode("utf-8") if isinstance(value, str) else bytes(value)
        if data[:2] == b"\x00\x01":
            data = unpack_zstd(data[2:], _TEXT_MAX)
        elif data[:1] == b"\x00":
            data = data[2:]
        found = json.loads(data.decode("utf-8"))
    except UnreadableError:
        raise
    except Exception:  # each decoder fails in its own way; the frame is told as damaged and costs its session alone
        return None
    return found if isinstance(found, dict) else None


def _written_at(store: sqlite3.Connection) -> int:
    """Milliseconds since 1970 of the last write to the store or to its log."""
    path = store.execute("PRAGMA database_list").fetchone()["file"]
    times = [os.stat(path + end).st_mtime_ns for end in ("", "-wal") if os.path.exists(path + end)]
    return max(times) // 1_000_000


def _name(value: Any) -> Optional[str]:
    return value.hex() if isinstance(value, bytes) else value if isinstance(value, str) else None


def _digest(values: List[Any]) -> str:
    return hashlib.sha256(json.dumps(values, default=_name).encode("utf-8")).hexdigest()[:12]
