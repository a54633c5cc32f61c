"""Windows of vendors' reports into the spool: what did not change since the last fetch is not sent, what did is sent whole.

The `vendor_window` event comes last and says that its rows are all there; of each window only the newest one counts. So a
crash between two rows leaves the earlier fetch in force, and a row that vanished is gone.
"""

import hashlib
import json
from collections import Counter
from datetime import date, timedelta
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .days import stamp
from .errors import SpoolFullError, WindowError
from .events import Draft
from .inlet import Inlet
from .publishable import publishable
from .vendors import Api, Report, Row, Window
from .web import Clock

FIRST = 30  # days that the first pull of a report asks for
COMPLETE_AFTER = timedelta(
    hours=48
)  # after a day's end; what the vendor says of its completeness no longer matters then
DIGESTS = 400  # windows remembered for each report


class Asked(NamedTuple):
    """Which days a pull asks for; None is our choice."""

    since: Optional[date]
    until: Optional[date]


class Pulled(NamedTuple):
    """What pulling one report came to."""

    windows: int
    changed: int
    rows: int
    absent: int
    problems: Tuple[str, ...]


class Puller:
    """Takes windows of one vendor into an inlet; `drain` makes room in a full spool and says whether it could."""

    def __init__(self, inlet: Inlet, api: Api, clock: Clock, drain: Callable[[], bool]) -> None:
        self._inlet = inlet
        self._api = api
        self._clock = clock
        self._drain = drain

    def pull(self, report: Report, asked: Asked) -> Pulled:
        """Every window that is asked for, oldest first, each committed before the next is fetched.

        A window that does not come whole is told and left as it was. VendorError ends the report; what was taken stays.
        """
        state = self._state(report)
        windows = changed = rows = absent = 0
        problems: List[str] = []
        for day in self._days(report, state, asked):
            windows += 1
            try:
                window = report.fetch(self._api, day)
            except WindowError as error:
                problems.append(f"{report.name} {day}: {error}; what was known of this day stays")
                continue
            if window is None:
                absent += 1
            else:
                count = self._take(report, window, state)
                changed += count is not None
                rows += count or 0
            self._settle(report, state, day)
        self._commit()
        return Pulled(windows, changed, rows, absent, tuple(problems))

    def _state(self, report: Report) -> Dict[str, Any]:
        name = f"{report.name}@{self._api.account or ''}"
        return self._inlet.state.setdefault(name, {"settled": None, "digests": {}})  # type: ignore[return-value]

    def _days(self, report: Report, state: Dict[str, Any], asked: Asked) -> Iterator[date]:
        today = self._clock.now().date()
        last = min(asked.until or today, today - timedelta(days=report.lag))
        if report.is_state:
            first = last = today
        else:
            settled = state["settled"]
            begin = date.fromisoformat(settled) if settled else today - timedelta(days=FIRST)
            first = asked.since or min(begin, today - timedelta(days=report.trailing))
            state["settled"] = settled or first.isoformat()
        for number in range((last - first).days + 1):
            yield first + timedelta(days=number)

    def _settle(self, report: Report, state: Dict[str, Any], day: date) -> None:
        """Days up to `settled` are done with: all came, and the vendor does not restate them any more."""
        is_final = day < self._clock.now().date() - timedelta(days=report.trailing)
        if is_final and state["settled"] == day.isoformat():
            state["settled"] = (day + timedelta(days=1)).isoformat()

    def _take(self, report: Report, window: Window, state: Dict[str, Any]) -> Optional[int]:
        """The number of rows taken; None when the window says what it said before."""
        rows = [(row, _text(row)) for found in window.rows for row in publishable(found)]
        digest = _digest(window, [text for _, text in rows])
        if state["digests"].get(window.start) == digest:
            return None
        drafts = list(self._drafts(report, window, rows))
        while True:
            try:
                for draft in drafts:
                    self._inlet.take(draft)
                state["digests"][window.start] = digest
                state["digests"] = dict(sorted(state["digests"].items())[-DIGESTS:])
                self._inlet.commit()
                return len(rows)
            except SpoolFullError:  # what was taken is durable and known; the window goes on where it stood
                if not self._drain():
                    raise

    def _drafts(self, report: Report, window: Window, rows: List[Tuple[Row, str]]) -> Iterator[Draft]:
        fetched_at = stamp(self._clock.now())
        account = self._api.account
        about = {"report": report.name, "fetched_at": fetched_at, "window_start": window.start,
                 "window_end": window.end, "billing_account": account}  # fmt: skip
        identity = (report.name, account, window.start, fetched_at)
        seen: "Counter[str]" = Counter()
        for row, text in rows:
            seen[text] += 1
            key = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
            values = {**row.values, **about}
            if row.kind == "model_request":  # the same request in the next fetch of the window has the same id
                values["native_id"] = f"{report.name}-{key}-{seen[text]}"
            yield Draft(row.kind, (*identity, key, seen[text]), row.occurred_at, values)
        done = {**about, "row_count": len(rows), "data_complete_to": window.complete_to, "person_key": None}
        yield Draft("vendor_window", identity, window.start, done)

    def _commit(self) -> None:
        try:
            self._inlet.commit()
        except SpoolFullError:
            if not self._drain():
                raise


def _text(row: Row) -> str:
    """A row as one text; the same row in another fetch gives the same one."""
    return json.dumps([row.kind, row.occurred_at, row.values], sort_keys=True, separators=(",", ":"))


def _digest(window: Window, rows: List[str]) -> str:
    """Changes when a row or the window's end does, and with the vendor's word on completeness while that matters."""
    complete_to = min(window.complete_to or "", _later(window.end))
    text = json.dumps([window.end, complete_to, sorted(rows)])
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


def _later(instant: str) -> str:
    day = date.fromisoformat(instant[:10]) + timedelta(days=COMPLETE_AFTER.days)
    return f"{day.isoformat()}{instant[10:]}"
