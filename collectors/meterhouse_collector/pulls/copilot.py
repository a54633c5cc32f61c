"""GitHub Copilot: usage reports behind signed links, seats, AI-credit billing. Days, never the 28-day forms: the two do not mix.

Signed links get no key. Logins are people only through the organisation's key, as `github:<login>`.
"""

from datetime import date
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import quote

from meterhouse_collector.amounts import cents, dollars, whole
from meterhouse_collector.days import instant, midnight
from meterhouse_collector.errors import VendorError, WindowError
from meterhouse_collector.json_values import ident, part
from meterhouse_collector.vendors import PAGES_MAX, Api, Report, Row, Window, day_window, objects

NAME = "copilot"
BASE = "https://api.github.com"
PER_MINUTE = 60  # to each path; GitHub allows 5000 an hour in all
NEEDS_ACCOUNT = True  # METERHOUSE_COPILOT_ACCOUNT: an organisation, or enterprises/<name>
TRAILING = 4  # a day is final after three full UTC days
PAGE = 100
ENTERPRISES = "enterprises/"
NOT_THERE = (204, 404)


def headers(key: str) -> Mapping[str, str]:
    """How a request says who asks."""
    return {"Authorization": f"Bearer {key}", "X-GitHub-Api-Version": "2026-03-10"}


def users(api: Api, day: date) -> Optional[Window]:
    """What each person did on a day; tokens exist only for the CLI."""
    return _report(api, day, "users-1-day", "user_totals", _user)


def organization(api: Api, day: date) -> Optional[Window]:
    """The same of all people, those without IDE telemetry left out by GitHub, with pull requests that Copilot opened."""
    name = "enterprise-1-day" if _is_enterprise(api) else "organization-1-day"
    return _report(api, day, name, "organization_totals", _organization)


def seats(api: Api, day: date) -> Window:
    """Paid seats as they are now; a person whom several teams gave one has one seat a plan."""
    found: List[Dict[str, Any]] = []
    for page in range(1, PAGES_MAX):
        document = api.get(f"/{_owner(api, 'orgs')}/copilot/billing/seats", [("page", page), ("per_page", PAGE)])
        items, total = objects(document, "seats"), whole(document.get("total_seats"))
        found += items
        if total is None or (not items and len(found) < total):
            raise WindowError("its pages end before the last one")
        if len(found) >= total:
            break
    return day_window(day, [_seat(api, seat, day) for seat in _one_a_plan(found)])


def credits(api: Api, day: date) -> Window:  # noqa: A001 - GitHub's word
    """AI credits in dollars: gross is list price, net is what is billed after the pool that the plans include."""
    path = f"/{_owner(api, 'organizations')}/settings/billing/ai_credit/usage"
    document = api.get(path, [("year", day.year), ("month", day.month), ("day", day.day)])
    period = part(document, "timePeriod")
    if (period.get("year"), period.get("month"), period.get("day", day.day)) != (day.year, day.month, day.day):
        raise WindowError("a row belongs to another day")
    return day_window(
        day, [Row("vendor_usage", midnight(day), _credit(api, item)) for item in objects(document, "usageItems")]
    )


REPORTS = (
    Report("copilot_users", users, TRAILING, lag=1),
    Report("copilot_organization", organization, TRAILING, lag=1),
    Report("copilot_credits", credits, TRAILING),
    Report("copilot_seats", seats, 0, is_state=True),
)


def _is_enterprise(api: Api) -> bool:
    return (api.account or "").startswith(ENTERPRISES)


def _owner(api: Api, organizations: str) -> str:
    """The account in a path; GitHub calls organisations by two words."""
    account = api.account or ""
    if _is_enterprise(api):
        return ENTERPRISES + quote(account[len(ENTERPRISES) :], safe="")
    return f"{organizations}/{quote(account, safe='')}"


def _report(api: Api, day: date, name: str, older: str, values: Any) -> Optional[Window]:
    """A report in parts, each behind a link of its own; None while GitHub has not made it."""
    try:
        links = api.web.get(f"/{_owner(api, 'orgs')}/copilot/metrics/reports/{name}", [("day", day.isoformat())])
    except VendorError as error:
        if error.status in NOT_THERE:
            return None
        raise
    if links is None:
        return None
    if not isinstance(links, dict) or links.get("report_day") != day.isoformat():
        raise WindowError("a row belongs to another day")
    parts = links.get("download_links")
    if not isinstance(parts, list) or not all(isinstance(link, str) for link in parts):
        raise WindowError("an answer has no download_links")
    rows = []
    for record in (
        record for link in parts for document in api.web.documents(link) for record in _records(document, older)
    ):
        if record.get("day") != day.isoformat():
            raise WindowError("a row belongs to another day")
        rows += [Row("vendor_usage", midnight(day), found) for found in values(api, record)]
    return day_window(day, rows)


def _records(document: Any, older: str) -> List[Dict[str, Any]]:
    """A line is a record, or wraps records as earlier files did."""
    if not isinstance(document, dict):
        raise WindowError("an answer is no JSON object")
    for name in ("day_totals", older):
        if name in document:
            return objects(document, name)
    return [document]


def _user(api: Api, record: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    who = {"person_key": _person(api, record.get("user_login") or record.get("login"))}
    yield from _activity(record, who)
    used = cents(record.get("ai_credits_used"))  # one AI credit is one cent
    if used is not None:
        yield {**who, "agent": NAME, "provider": "github", "cost_type": "ai_credit", "list_amount_usd": used}


def _organization(api: Api, record: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    opened = whole(part(record, "pull_requests").get("total_created_by_copilot"))
    yield from _activity(record, {"person_key": None, "pull_requests": opened})


def _activity(record: Dict[str, Any], more: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """One row of everything, one of the CLI's own counters; the breakdowns do not add up to either and stay out."""
    about = {"agent": NAME, "provider": "github"}
    yield {
        **about,
        **more,
        "prompts": whole(record.get("user_initiated_interaction_count")),
        "lines_suggested": whole(record.get("loc_suggested_to_add_sum")),
        "lines_added": whole(record.get("loc_added_sum")),
        "lines_removed": whole(record.get("loc_deleted_sum")),
        "edits_accepted": whole(record.get("code_acceptance_activity_count")),
    }
    cli = part(record, "totals_by_cli")
    if cli:
        tokens = part(cli, "token_usage")
        yield {
            **about,
            "person_key": more["person_key"],
            "product": "copilot_cli",
            "sessions": whole(cli.get("session_count")),
            "requests": whole(cli.get("request_count")),
            "input_tokens": whole(tokens.get("prompt_tokens_sum")),
            "output_tokens": whole(tokens.get("output_tokens_sum")),
        }


def _credit(api: Api, item: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "person_key": _person(api, item.get("user")),
        "agent": NAME,
        "provider": "github",
        "product": ident(item.get("sku")),
        "model": ident(item.get("model")),
        "cost_type": "ai_credit" if item.get("unitType") == "ai-credits" else ident(item.get("unitType")),
        "list_amount_usd": dollars(item.get("grossAmount")),
        "amount_usd": dollars(item.get("netAmount")),
    }


def _one_a_plan(found: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Of several seats of a person in one plan the one that was used last."""
    left: Dict[Tuple[str, str], Dict[str, Any]] = {}
    for seat in sorted(found, key=lambda seat: instant(seat.get("last_activity_at")) or ""):
        assignee = part(seat, "assignee")
        left[(str(assignee.get("id") or assignee.get("login")), str(seat.get("plan_type")))] = seat
    return list(left.values())


def _seat(api: Api, seat: Dict[str, Any], day: date) -> Row:
    return Row("seat", midnight(day), {
        "person_key": _person(api, part(seat, "assignee").get("login")),
        "agent": NAME,
        "provider": "github",
        "plan": ident(seat.get("plan_type")),
        "seat_state": "pending" if seat.get("pending_cancellation_date") else "active",
        "last_active_at": instant(seat.get("last_activity_at")),
    })  # fmt: skip


def _person(api: Api, login: Any) -> Optional[str]:
    return api.person(f"github:{login}") if isinstance(login, str) and login else None
