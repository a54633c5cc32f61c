"""HTTP to one vendor: TLS verified, paced, patient; the key goes to the vendor's own host and nowhere else.

No error holds a key, a query, a signed link or an answer: method, path and status are all that is told.
"""

import json
import random
import ssl
import time
import urllib.error
import urllib.request
from collections import deque
from datetime import datetime, timezone
from decimal import Decimal
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, Deque, Dict, Iterable, List, Mapping, Optional, Tuple
from urllib.parse import urlencode, urljoin, urlsplit

from . import __version__
from .errors import SettingsError, VendorError, WindowError

PASSING = (408, 425, 429, 500, 502, 503, 504)
TRIES = 8
BACKOFF_FIRST, BACKOFF_MAX = 1.0, 120.0
WAIT_MAX = 900.0  # a vendor that asks for more is asked again by the next pull
TIMEOUT = 60.0
ANSWER_MAX = 256 << 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")
Params = Iterable[Tuple[str, Any]]


class Clock:
    """Time as a pull needs it, in one place so that tests need not wait."""

    def now(self) -> datetime:
        """This moment, UTC."""
        return datetime.now(timezone.utc)

    def elapsed(self) -> float:
        """Seconds on a clock that nobody sets."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Web:
    """One vendor's API at `base`; `per_minute` bounds the requests to each path."""

    def __init__(self, vendor: str, base: str, headers: Mapping[str, str], per_minute: int, clock: Clock) -> None:
        self._vendor = vendor
        self._base = check_base(vendor, base)
        self._headers = {"User-Agent": f"meterhouse-collector/{__version__}", "Accept": "application/json", **headers}
        self._per_minute = per_minute
        self._clock = clock
        self._asked: Dict[str, Deque[float]] = {}
        context = urllib.request.HTTPSHandler(context=ssl.create_default_context())
        self._opener = urllib.request.build_opener(context, _SameHost())

    def get(self, path: str, params: Params = ()) -> Any:
        """The decoded answer; None when the vendor says that there is no content."""
        query = urlencode(list(params))
        return self._decoded(self._ask(path, self._base + path + ("?" + query if query else ""), self._headers, None))

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The decoded answer to a JSON body."""
        headers = {**self._headers, "Content-Type": "application/json"}
        return self._decoded(self._ask(path, self._base + path, headers, json.dumps(body).encode("ascii")))

    def documents(self, link: str) -> List[Any]:
        """The JSON documents of a signed link, one a line or one in all; asked for without the key."""
        url = urljoin(self._base + "/", link)
        if not _is_safe(url) or (_is_plain(url) and not _is_plain(self._base)):
            raise WindowError("a download link is not https")
        try:
            data = self._ask("(download link)", url, {"User-Agent": self._headers["User-Agent"]}, None)
        except VendorError as error:
            if error.status:  # refused, so not the vendor's trouble but this link's
                raise WindowError(f"a download link answers {error.status}") from None
            raise
        lines = [line for line in data.splitlines() if line.strip()]
        try:
            return [self._decoded(line) for line in lines]
        except WindowError:
            return [self._decoded(data)]  # one document over many lines

    def _decoded(self, data: bytes) -> Any:
        if not data:
            return None
        try:
            return json.loads(data.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise WindowError("an answer is not valid JSON") from None

    def _ask(self, name: str, url: str, headers: Mapping[str, str], body: Optional[bytes]) -> bytes:
        """The bytes of one answer, asked for until it comes whole; VendorError when it will not."""
        trouble = ""
        for attempt in range(TRIES):
            self._pace(name)
            request = urllib.request.Request(url, data=body, headers=dict(headers))  # noqa: S310 - `check_base` saw it
            try:
                with self._opener.open(request, timeout=TIMEOUT) as answer:
                    return _whole(answer)
            except urllib.error.HTTPError as error:
                with error:
                    trouble, wait = f"answers {error.code}", self._asked_to_wait(error)
                    if error.code not in PASSING and not (error.code == 403 and wait is not None):
                        raise self._refused(name, error.code) from None
            except (OSError, HTTPException, ValueError) as error:
                trouble, wait = _reason(error), None
                if trouble == UNTRUSTED:
                    break
            if wait is not None and wait > WAIT_MAX:
                trouble += f" and asks to wait {wait:.0f} s"
                break
            if attempt + 1 < TRIES:
                self._clock.sleep(self._backoff(attempt) if wait is None else wait + random.random())  # noqa: S311
        raise VendorError(f"{self._vendor}: {name} {trouble}; pull again later, nothing is lost")

    def _refused(self, name: str, status: int) -> VendorError:
        from .vendor_key import variable

        key = variable(self._vendor, "KEY")
        todo = {
            401: f"refuses the key; check {key} (or {key}_FILE)",
            403: f"does not let this key read it; give the key of {key} the scope that docs/deploy/vendors.md names",
            404: "does not exist for this account; check its plan and docs/deploy/vendors.md",
        }
        other = "redirects to another host, which gets no key" if 300 <= status < 400 else f"answers {status}"
        return VendorError(
            f"{self._vendor}: {name} {todo.get(status, other + '; check docs/deploy/vendors.md')}", status
        )

    def _pace(self, name: str) -> None:
        asked = self._asked.setdefault(name, deque(maxlen=self._per_minute))
        if len(asked) == self._per_minute and self._clock.elapsed() - asked[0] < 60:
            self._clock.sleep(60 - (self._clock.elapsed() - asked[0]))
        asked.append(self._clock.elapsed())

    def _backoff(self, attempt: int) -> float:
        return random.uniform(0, min(BACKOFF_MAX, BACKOFF_FIRST * 2**attempt))  # noqa: S311 - jitter, no secret

    def _asked_to_wait(self, error: urllib.error.HTTPError) -> Optional[float]:
        """Seconds that the vendor asks for, by Retry-After or by a spent limit's reset; None when it does not."""
        after = (error.headers.get("Retry-After") or "").strip()
        if after.isascii() and after.isdigit():
            return float(after[:9])
        try:
            if after:
                return max(0.0, (parsedate_to_datetime(after) - self._clock.now()).total_seconds())
        except (TypeError, ValueError):
            return None
        reset = error.headers.get("X-RateLimit-Reset") or ""
        if error.headers.get("X-RateLimit-Remaining") == "0" and reset.isascii() and reset.isdigit():
            return max(0.0, float(reset[:12]) - self._clock.now().timestamp())
        return None


UNTRUSTED = "shows a certificate that is not trusted"


def check_base(vendor: str, base: str) -> str:
    """The address without a last slash; https, or a loopback address, and no credentials in it."""
    parts = urlsplit(base) if _is_safe(base) else urlsplit("")
    if not parts.hostname or parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(
            f"METERHOUSE_{vendor.upper()}_URL: must be https://host[/path] without credentials; correct it"
        )
    return base.rstrip("/")


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only within the host that was asked: the headers, and so the key, go along."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            return None  # becomes an HTTPError with the redirect's own status
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _whole(answer: Any) -> bytes:
    data = answer.read(ANSWER_MAX + 1)
    if len(data) > ANSWER_MAX:
        raise WindowError(f"an answer is larger than {ANSWER_MAX >> 20} MiB")
    if getattr(answer, "length", None):  # http.client lets a body that ends early pass when it is read in parts
        raise HTTPException
    return data


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return UNTRUSTED
    return "is not reached" if isinstance(error, urllib.error.URLError) else "breaks off"


def _is_safe(url: str) -> bool:
    """https, or plain http that does not leave this machine; a file: link is neither."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and (
            parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        )
    except ValueError:
        return False


def _is_plain(url: str) -> bool:
    return urlsplit(url).scheme == "http"


def _refuse(name: str) -> Any:
    raise ValueError
