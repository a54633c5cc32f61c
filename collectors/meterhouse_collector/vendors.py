"""The vendors whose reports we can pull: every module of the `pulls` package, listed nowhere; and what such a module works with.

A module cuts a report into windows and maps rows to fields. It never decides what is new, and never sees the key.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from datetime import date
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from . import pulls
from .days import following, midnight
from .errors import WindowError
from .settings import pseudonym
from .web import Params, Web

PAGES_MAX = 100_000  # of one window; a vendor that names page after page for ever is stopped


class Row(NamedTuple):
    """One row of a report: fields of the contract, amounts as exact Decimals in dollars, counts of any size.

    `occurred_at` lies within the row's window: window and rows must come to lie on the same day of the lake.
    """

    kind: str
    occurred_at: str
    values: Dict[str, Any]


class Window(NamedTuple):
    """All rows of one window as one fetch saw them: [start, end), usually a UTC day."""

    start: str
    end: str
    rows: List[Row]
    complete_to: Optional[str] = None


@dataclass(frozen=True)
class Api:
    """What a module may use: the vendor's API, the account that is asked for, and pseudonyms."""

    web: Web
    account: Optional[str]
    pseudonym_key: Optional[bytes]

    def get(self, path: str, params: Params = ()) -> Dict[str, Any]:
        """A JSON object, or WindowError."""
        return _object(self.web.get(path, params))

    def post(self, path: str, body: Mapping[str, Any]) -> Dict[str, Any]:
        """A JSON object, or WindowError."""
        return _object(self.web.post(path, body))

    def person(self, name: Any) -> Optional[str]:
        """Pseudonym of an e-mail, or of another vendor's name for a person; None without the organisation's key."""
        is_name = isinstance(name, str) and name.strip() != "" and name.isprintable()  # half a character is none
        return pseudonym(name, self.pseudonym_key) if self.pseudonym_key and is_name else None

    def pages(self, path: str, params: List[Tuple[str, Any]]) -> Iterator[Dict[str, Any]]:
        """Every page of a report that says `has_more` and `next_page`; a loop that ends early is a WindowError."""
        asked: List[str] = []
        for _ in range(PAGES_MAX):
            document = self.get(path, [*params, ("page", asked[-1])] if asked else params)
            yield document
            more, page = document.get("has_more"), document.get("next_page")
            if more is False:
                return
            if more is not True or not isinstance(page, str) or not page or page in asked[-100:]:
                raise WindowError("its pages end before the last one")
            asked.append(page)
        raise WindowError("its pages do not end")


class Report(NamedTuple):
    """One report of a vendor. `fetch` gives a day's window, or None while the vendor has none for that day."""

    name: str
    fetch: Callable[[Api, date], Optional[Window]]
    trailing: int  # days that the vendor may still restate; they are fetched again each time
    lag: int = 0  # latest days that the vendor does not report on yet
    is_state: bool = False  # tells what is true now, not what was on a day


class Vendor(NamedTuple):
    """One module of `pulls`, as the command uses it."""

    name: str
    base: str
    headers: Callable[[str], Mapping[str, str]]
    per_minute: int
    reports: Tuple[Report, ...]
    needs_account: bool


def names() -> List[str]:
    """Names of all vendors; a module whose name begins with an underscore is a part of another."""
    return sorted(name for _, name, _ in pkgutil.iter_modules(pulls.__path__) if not name.startswith("_"))


def open_vendor(name: str) -> Vendor:
    """The vendor of a name that `names` lists."""
    module = importlib.import_module(f"{pulls.__name__}.{name}")
    needs_account = bool(getattr(module, "NEEDS_ACCOUNT", False))
    return Vendor(module.NAME, module.BASE, module.headers, module.PER_MINUTE, tuple(module.REPORTS), needs_account)


def day_window(day: date, rows: List[Row], complete_to: Optional[str] = None) -> Window:
    """The window of one UTC day."""
    return Window(midnight(day), midnight(following(day)), rows, complete_to)


def objects(document: Mapping[str, Any], name: str) -> List[Dict[str, Any]]:
    """The rows under `name`: a list that is missing is no empty report but a broken one."""
    found = document.get(name)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise WindowError(f"an answer has no {name}")
    return found


def _object(document: Any) -> Dict[str, Any]:
    if not isinstance(document, dict):
        raise WindowError("an answer is no JSON object")
    return document
