"""Cursor's Admin and AI Code Tracking APIs. Usage events are requests, for Cursor has no other witness; the rest is compared.

Events have no id, and pages shift while events arrive: what a page repeats of the one before is dropped, and a window
whose rows are not as many as Cursor says is not taken. The four token amounts are separate; ours nest.
"""

from base64 import b64encode
from datetime import date
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

from meterhouse_collector.amounts import added, cents, whole
from meterhouse_collector.days import following, instant, instant_of_milliseconds, midnight, milliseconds
from meterhouse_collector.errors import WindowError
from meterhouse_collector.json_values import ident, part
from meterhouse_collector.vendors import PAGES_MAX, Api, Report, Row, Window, day_window, objects

NAME = "cursor"
BASE = "https://api.cursor.com"
PER_MINUTE = 20  # to each path and team, as documented
TRAILING = 2  # 48 hours
PAGE = 1000
TRIES = 3  # of a window whose pages shifted
FEATURES = {"composer": "composerRequests", "chat": "chatRequests", "agent": "agentRequests", "cmdk": "cmdkUsages",
            "bugbot": "bugbotUsages"}  # fmt: skip
Item = Dict[str, Any]
Pages = Iterator[Tuple[List[Item], Optional[int]]]


def headers(key: str) -> Mapping[str, str]:
    """Basic, with the key as user name and no password."""
    return {"Authorization": "Basic " + b64encode(f"{key}:".encode("ascii")).decode("ascii")}


def events(api: Api, day: date) -> Window:
    """Every usage event of a day as one request."""
    found = _whole(lambda: _numbered(api, "/teams/filtered-usage-events", _days(day), "usageEvents"))
    return day_window(day, [Row("model_request", *_event(api, event, day)) for event in found])


def daily(api: Api, day: date) -> Window:
    """What each person did in the editor; lines are all lines, by hand or not, and AI's part is in the commits."""
    # each of these pages holds other people, so a repeated row is a person counted twice
    rows = []
    for items, _ in _numbered(api, "/teams/daily-usage-data", _days(day), "data"):
        rows += [Row("vendor_usage", midnight(day), values) for item in items for values in _daily(api, item, day)]
    return day_window(day, rows)


def spend(api: Api, day: date) -> Window:
    """What each person spent since the billing cycle began: one window from its first day to today, replaced each time."""
    members: Dict[str, Item] = {}
    for page in range(1, PAGES_MAX):
        document = api.post("/teams/spend", {"page": page, "pageSize": PAGE})
        members.update((str(item.get("userId")), item) for item in objects(document, "teamMemberSpend"))
        start = instant_of_milliseconds(document.get("subscriptionCycleStart"))
        if page >= (whole(document.get("totalPages")) or 1):
            if start is None or len(members) != document.get("totalMembers", len(members)):
                raise WindowError("its pages end before the last one")
            rows = [Row("vendor_usage", start, values) for item in members.values() for values in _spend(api, item)]
            return Window(start[:10] + "T00:00:00Z", midnight(following(day)), rows)
    raise WindowError("its pages do not end")


def commits(api: Api, day: date) -> Window:
    """Commits with the lines that Cursor wrote. One that was amended came twice: the last made is the one that is left."""
    path = "/analytics/ai-code/commits"
    asked = [("startDate", midnight(day)), ("endDate", f"{day}T23:59:59.999Z")]

    def pages() -> Pages:
        read = 0
        for page in range(1, PAGES_MAX):
            document = api.get(path, [*asked, ("page", page), ("pageSize", PAGE)])
            items, total = objects(document, "items"), whole(document.get("totalCount"))
            read += len(items)
            yield items, total
            if total is None or read >= total or not items:
                return

    left: Dict[Tuple[Any, ...], Item] = {}
    for item in sorted(_whole(pages), key=lambda item: str(item.get("createdAt"))):
        left[tuple(str(item.get(name)) for name in ("commitTs", "userId", "repoName"))] = item
    rows = [(_time_within(item, day), item) for item in left.values()]
    # whether Cursor selects by commitTs or createdAt is not documented: what is of neither comes with its own day
    return day_window(day, [_commit(api, item, at) for at, item in rows if at])


REPORTS = (
    Report("cursor_events", events, TRAILING),
    Report("cursor_daily", daily, TRAILING),
    Report("cursor_spend", spend, 0, is_state=True),
    Report("cursor_commits", commits, TRAILING),
)


def _days(day: date) -> Dict[str, Any]:
    return {"startDate": milliseconds(day), "endDate": milliseconds(following(day)) - 1}


def _numbered(api: Api, path: str, asked: Dict[str, Any], name: str) -> Pages:
    """Items of each page, and how many there are by Cursor's count where it counts."""
    for page in range(1, PAGES_MAX):
        document = api.post(path, {**asked, "page": page, "pageSize": PAGE})
        more = part(document, "pagination").get("hasNextPage")
        items = objects(document, name)
        yield items, whole(document.get("totalUsageEventsCount"))
        if more is False:
            return
        if more is not True or not items:
            raise WindowError("its pages end before the last one")
    raise WindowError("its pages do not end")


def _whole(pages: Callable[[], Pages]) -> List[Item]:
    """All items, once each, in agreement with Cursor's own count; asked again when pages shifted meanwhile."""
    for _ in range(TRIES):
        plain: List[Item] = []
        merged: List[Item] = []
        total = None
        for items, total in pages():  # noqa: B007 - the last page knows best
            plain += items
            merged += items[_overlap(merged, items) :]
        # two calls may be alike in every field: only when there are too many rows is a repetition one
        for found in (plain, merged):
            if total is None or len(found) == total:
                return merged if total is None else found
    raise WindowError("its rows are not as many as it says")


def _overlap(before: List[Item], page: List[Item]) -> int:
    """How many of the page's first items repeat the last ones before it."""
    sizes = range(min(len(before), len(page)), 0, -1)
    return next((size for size in sizes if before[-size:] == page[:size]), 0)


def _event(api: Api, event: Item, day: date) -> Tuple[str, Dict[str, Any]]:
    """Time and fields. `reported_cost_usd` is what adds up to `spend`: all of it to its overall, the billable to its own."""
    at = instant_of_milliseconds(event.get("timestamp"))
    if at is None or at[:10] != day.isoformat():
        raise WindowError("a row belongs to another day")
    kind, tokens = str(event.get("kind")), part(event, "tokenUsage")
    read, written = whole(tokens.get("cacheReadTokens")), whole(tokens.get("cacheWriteTokens"))
    person = api.person(event.get("userEmail"))
    charged = cents(event.get("chargedCents"))
    is_billable = event["isChargeable"] if isinstance(event.get("isChargeable"), bool) else None
    basis = {True: "provider_invoiced", False: "plan_included"}.get(is_billable)  # type: ignore[arg-type]
    return at, {
        "person_key": person,
        "agent": NAME,
        # an event without conversation counts in the person's day, or in the account's
        "session_id": ident(event.get("conversationId")) or f"{NAME}:{person or api.account or 'team'}:{day}",
        "model": ident(event.get("model")),
        "status": _status(kind),
        "input_tokens": added(whole(tokens.get("inputTokens")), read, written),
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "output_tokens": whole(tokens.get("outputTokens")),
        "list_amount_usd": cents(tokens.get("totalCents")),
        "amount_usd": charged,
        "reported_cost_usd": charged,
        "reported_cost_basis": basis if charged is not None else None,
        "is_billable": is_billable,
        "is_subscription": True if kind.startswith("Included") else None,
    }


def _status(kind: str) -> str:
    if kind.startswith("Errored"):
        return "error"
    return "cancelled" if kind.startswith("Aborted") else "ok"


def _daily(api: Api, item: Item, day: date) -> Iterator[Dict[str, Any]]:
    """One row of the editor, one of Tab, one a feature; a person who did nothing has none."""
    if item.get("day", day.isoformat()) != day.isoformat():
        raise WindowError("a row belongs to another day")
    who = {"person_key": api.person(item.get("email")), "agent": NAME}
    editor = {
        "lines_added": whole(item.get("totalLinesAdded")),
        "lines_removed": whole(item.get("totalLinesDeleted")),
        "edits_accepted": whole(item.get("totalAccepts")),
        "edits_rejected": whole(item.get("totalRejects")),
    }
    if item.get("isActive") or any(editor.values()):
        yield {**who, **editor}
    if whole(item.get("totalTabsAccepted")):
        yield {**who, "tool_name": "tab", "edits_accepted": whole(item.get("totalTabsAccepted"))}
    for product, name in FEATURES.items():
        if whole(item.get(name)):
            yield {**who, "product": product, "requests": whole(item.get(name))}


def _spend(api: Api, item: Item) -> Iterator[Dict[str, Any]]:
    who = {"person_key": api.person(item.get("email")), "agent": NAME}
    billed, overall = cents(item.get("spendCents")), cents(item.get("overallSpendCents"))
    yield {**who, "cost_type": "on_demand", "is_billable": True, "amount_usd": billed}
    if billed is not None and overall is not None and overall != billed:
        yield {**who, "cost_type": "included", "is_billable": False, "amount_usd": overall - billed}


def _time_within(item: Item, day: date) -> Optional[str]:
    times = (instant(item.get("commitTs")), instant(item.get("createdAt")))
    return next((at for at in times if at and at[:10] == day.isoformat()), None)


def _commit(api: Api, item: Item, at: str) -> Row:
    lines_added = added(whole(item.get("tabLinesAdded")), whole(item.get("composerLinesAdded")))
    lines_removed = added(whole(item.get("tabLinesDeleted")), whole(item.get("composerLinesDeleted")))
    by_agent = bool(lines_added or lines_removed)
    return Row("commit", at, {
        "person_key": api.person(item.get("userEmail")),
        "commit_sha": ident(item.get("commitHash")),
        "committed_at": instant(item.get("commitTs")),
        "repository": ident(item.get("repoName")),
        "branch": item["branchName"] if isinstance(item.get("branchName"), str) else None,
        "lines_added": whole(item.get("totalLinesAdded")),
        "lines_removed": whole(item.get("totalLinesDeleted")),
        "ai_lines_added": lines_added,
        "ai_lines_removed": lines_removed,
        "ai_agents": [NAME] if by_agent else [],
        "ai_evidence": ["vendor_report"] if by_agent else [],
    })  # fmt: skip
