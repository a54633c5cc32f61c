"""The organisation's intake as a destination: a segment counts as delivered only when the answer echoes its digest.

Hotel portals and filters answer 200, 403 or 413 with pages of their own: only an answer that says it is an intake may end a
segment's stay in the spool. The token is in no error and no log, and there is no way to skip the check of certificates.
"""

import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any, Dict, NamedTuple, Optional
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from . import __version__
from .errors import ClashError, CollectorError, RefusedError, ShipError, TooLargeError
from .settings import Settings

CONNECT, READ, WHOLE = 10.0, 30.0, 60.0  # seconds to connect, between two bytes, for all of one request
PACE = 0.5  # seconds between two requests: 10,000 machines come back from an outage at once
ANSWER_MAX = 65536
MARK = "meterhouse_intake"  # in every answer of an intake, and of nobody else
LOOPBACK = ("localhost", "127.0.0.1", "::1")
KEPT = "nothing is lost"
STRANGER = f"the answer is not an intake's (a portal or filter on the way?); {KEPT}"


class Answer(NamedTuple):
    """What came back; `said` is empty unless it is an intake's JSON."""

    status: int
    retry_after: Optional[float]
    said: Dict[str, Any]


class Intake:
    """One intake; proxies come from the environment, certificates from the system or the organisation's own file."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url.rstrip("/")
        self._settings = settings
        parts = urlsplit(url)
        if parts.username or parts.query or parts.fragment or not parts.hostname:
            raise CollectorError(
                f"{parts.scheme}://{parts.hostname or ''}: is no address of an intake; use https://host[:port][/path]"
            )
        self._secure = parts.scheme.lower() == "https"
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        if not self._secure and self._host not in LOOPBACK and not settings.allow_http:
            raise CollectorError(f"{url}: would send in the clear; use https://, or set allow_http")
        settings.token()  # a broken token file is told before anything is read
        self._context = _context(settings.ca_file) if self._secure else None
        self._last = 0.0

    def put(self, key: str, data: bytes) -> None:
        """Deliver one segment, named by the last part of the key."""
        name = key.rpartition("/")[2]
        self._judge(self._authorised("POST", f"/v1/segments/{name}", data), hashlib.sha256(data).hexdigest())

    def probe(self) -> None:
        """Raise ShipError unless the intake knows our token and can store."""
        self._judge(self._authorised("GET", "/v1/segments", None), None)

    def _authorised(self, method: str, path: str, data: Optional[bytes]) -> Answer:
        """One request; when the token is refused and the file holds another by now, one more."""
        try:
            token = self._settings.token()
            answer = self._ask(method, path, data, token)
            if answer.status == 401 and (fresh := self._settings.token()) != token:
                answer = self._ask(method, path, data, fresh)
        except CollectorError as error:
            raise error if isinstance(error, ShipError) else ShipError(str(error), False) from error
        return answer

    def _judge(self, answer: Answer, digest: Optional[str]) -> None:
        """Nothing but our own answer with our own digest is a delivery."""
        status, said = answer.status, answer.said
        why = said.get("error", "") if isinstance(said.get("error", ""), str) else ""
        if status in (200, 201) and said:
            if said.get("digest") == digest:
                return
            raise ShipError(f"{self.url}: confirms another segment than the one sent; {KEPT}", True)
        if status == 409 and said:
            raise ClashError(f"{self.url}: has other content under this number: this spool is a copy of another", False)
        if status == 413:
            raise TooLargeError(f"{self.url}: a segment is too large; {why or STRANGER}", bool(said))
        if status in (400, 422) and said:
            raise RefusedError(f"{self.url}: refuses a segment for good ({status}: {why[:200]})", False)
        if status in (401, 403):
            raise ShipError(f"{self.url}: refuses us ({status}); check the token and its rights, {KEPT}", False)
        is_busy = said or status in (408, 409, 425, 429) or status >= 500
        what = f"cannot take it now ({status}); {KEPT}" if is_busy else f"{STRANGER}; it said {status}"
        raise ShipError(f"{self.url}: {what}", True, answer.retry_after)

    def _ask(self, method: str, path: str, data: Optional[bytes], token: str) -> Answer:
        """One request, over within WHOLE seconds whatever the other side does."""
        self._pace()
        headers = {"Authorization": f"Bearer {token}", "User-Agent": f"meterhouse-collector/{__version__}",
                   "Accept": "application/json", "Connection": "close"}  # fmt: skip
        if data is not None:
            headers["Content-Type"] = "application/gzip"
        connection = self._connection()
        guard = threading.Timer(WHOLE, _cut, (connection,))
        guard.daemon = True
        guard.start()
        try:
            connection.connect()
            connection.sock.settimeout(READ)
            connection.request(method, self._target(path), data, self._for_proxy(headers))
            response = connection.getresponse()
            body = response.read(ANSWER_MAX)
            return Answer(response.status, _seconds(response.headers.get("Retry-After")), _said(response, body))
        except ssl.SSLCertVerificationError as error:
            raise ShipError(
                f"{self.url}: its certificate is not trusted ({error.verify_message}); behind a proxy that opens TLS, "
                f"set ca_file to the organisation's certificate; {KEPT}",
                True,
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ShipError(f"{self.url}: cannot be reached ({_gist(error)}); {KEPT}", True) from None
        finally:
            guard.cancel()
            connection.close()

    def _pace(self) -> None:
        wait = self._last + PACE - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        self._last = time.monotonic()

    def _proxy(self) -> Optional[Any]:
        """The proxy for this host, as the environment or the system says; never for this machine itself."""
        proxies = getproxies()
        url = proxies.get("https" if self._secure else "http") or proxies.get("all")
        if (
            not url
            or self._host in LOOPBACK
            or proxy_bypass(f"{self._host}:{self._port}" if self._port else self._host)
        ):
            return None
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname:
            raise ShipError("proxy: only http:// proxies are known; correct https_proxy or set no_proxy", False)
        return parts

    def _connection(self) -> http.client.HTTPConnection:
        proxy = self._proxy()
        host, port = (proxy.hostname, proxy.port or 80) if proxy else (self._host, self._port)
        if not self._secure:
            return http.client.HTTPConnection(host, port, timeout=CONNECT)
        connection = http.client.HTTPSConnection(host, port, timeout=CONNECT, context=self._context)
        if proxy:
            connection.set_tunnel(self._host, self._port or 443, headers=_proxy_login(proxy))
        return connection

    def _target(self, path: str) -> str:
        if self._secure or not self._proxy():
            return self._path + path
        return f"{self.url}{path}"

    def _for_proxy(self, headers: Dict[str, str]) -> Dict[str, str]:
        proxy = None if self._secure else self._proxy()
        return {**headers, **_proxy_login(proxy)} if proxy else headers


def _context(ca_file: Optional[str]) -> ssl.SSLContext:
    """Certificates are always verified; with a file of our own, by that alone."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise CollectorError(f"ca_file {ca_file}: cannot be used ({_gist(error)}); give a PEM file") from None


def _proxy_login(proxy: Any) -> Dict[str, str]:
    if proxy.username is None:
        return {}
    from base64 import b64encode

    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + b64encode(login).decode("ascii")}


def _said(response: http.client.HTTPResponse, body: bytes) -> Dict[str, Any]:
    """The answer's JSON when it is an intake's, and came whole."""
    length = response.headers.get("Content-Length")
    try:
        said = json.loads(body) if length is None or int(length) == len(body) else None
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) and said.get(MARK) == 1 else {}


def _seconds(text: Optional[str]) -> Optional[float]:
    """Retry-After, which is a number of seconds or a date."""
    if not text:
        return None
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if text.strip().isdigit():
            return float(text.strip()[:6])
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a connection that trickles; the thread that reads it sees its end. Not SSLSocket's own shutdown: it forgets TLS."""
    sock = connection.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _gist(error: Exception) -> str:
    """What happened, without what a server or proxy wrote."""
    if isinstance(error, (OSError, http.client.HTTPException)) and "Tunnel connection failed: 407" in str(error):
        return "the proxy asks for a login"
    if isinstance(error, OSError) and error.strerror:
        return " ".join(error.strerror.split())[:120]
    return type(error).__name__
