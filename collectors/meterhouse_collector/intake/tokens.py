"""Who may send: tokens by their digest in a file, read again when it changes, so that one is revoked without a restart.

A token is shown once and never stored. A file that breaks while we run leaves the last good one in force: an answer of 401
would make an agent drop its data.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import threading
import time
import zlib
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Tuple

from meterhouse_collector import durable
from meterhouse_collector.errors import SettingsError
from meterhouse_collector.events import fits
from meterhouse_collector.fields import FIELDS

PREFIX = "meterhouse_"  # for scanners that look for lost secrets
LENGTH_MAX = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Token:
    """One sender: `person_key` is set on its events; without it the sender may name anybody, as a gateway must."""

    name: str
    sha256: str
    person_key: Optional[str] = None
    expires: Optional[str] = None  # first UTC day on which it no longer counts


class Tokens:
    """The tokens in force; `find` may be called from any thread."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._look = _look(path)
        self._known = read(path)

    def find(self, authorisation: str) -> Optional[Token]:
        """The sender of an Authorization header; every digest is compared, so that time tells nothing."""
        scheme, _, text = authorisation.partition(" ")
        if scheme.lower() != "bearer" or len(text) > LENGTH_MAX:
            return None
        given, found = digest(text.strip()), None
        for token in self._current():
            if hmac.compare_digest(token.sha256, given):
                found = token
        today = time.strftime("%Y-%m-%d", time.gmtime())
        return found if found and (found.expires is None or today < found.expires) else None

    def _current(self) -> Tuple[Token, ...]:
        with self._lock:
            look = _look(self.path)
            if look != self._look:
                self._look = look
                try:
                    self._known = read(self.path)
                except SettingsError as error:
                    print(f"{error}; the tokens from before stay in force", file=sys.stderr)
            return self._known


def new() -> str:
    """A token: 256 random bits and a check that a scanner can verify."""
    text = secrets.token_urlsafe(32)
    return f"{PREFIX}{text}_{zlib.crc32(text.encode('ascii')):08x}"


def digest(token: str) -> str:
    """What is stored of a token: 256 random bits need no salt."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def read(path: str) -> Tuple[Token, ...]:
    """The tokens of a file, which nobody but its owner may read."""
    try:
        with open(path, encoding="utf-8") as file:
            if os.name != "nt" and os.fstat(file.fileno()).st_mode & 0o077:
                raise SettingsError(f"{path}: others may read it; chmod 600 it")
            rows = json.load(file)["tokens"]
            tokens = tuple(Token(**row) for row in rows)
    except OSError as error:
        raise SettingsError(
            f"{path}: no tokens ({error.strerror}); make one with meterhouse-collector token add"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SettingsError(f'{path}: is no file of tokens; write {{"tokens": [{{"name": …, "sha256": …}}]}}') from None
    for token in tokens:
        _check(path, token)
    if len({token.name for token in tokens}) < len(tokens):
        raise SettingsError(f"{path}: a name stands twice; a name is one sender")
    return tokens


def write(path: str, tokens: List[Token]) -> None:
    """Replace the file, 0600; a folder that is made for it is this user's alone."""
    rows: List[Dict[str, Any]] = [{k: v for k, v in asdict(token).items() if v is not None} for token in tokens]
    for token in tokens:
        _check(path, token)
    os.makedirs(os.path.dirname(os.path.abspath(path)), mode=0o700, exist_ok=True)
    durable.publish(path, json.dumps({"tokens": rows}, indent=1).encode("utf-8") + b"\n")


def _check(path: str, token: Token) -> None:
    if not (isinstance(token.name, str) and _NAME.fullmatch(token.name)):
        raise SettingsError(f"{path}: a name is 1-63 characters of a-z, 0-9 and -; it becomes part of object names")
    if not (isinstance(token.sha256, str) and _SHA256.fullmatch(token.sha256)):
        raise SettingsError(f"{path}: {token.name}: sha256 is no digest; make the token anew")
    if token.person_key is not None and not fits(FIELDS["person_key"], token.person_key):
        raise SettingsError(f"{path}: {token.name}: person_key is no key; use up to 200 ASCII characters")
    if token.expires is not None and not (isinstance(token.expires, str) and _DAY.fullmatch(token.expires)):
        raise SettingsError(f"{path}: {token.name}: expires must be a day, YYYY-MM-DD")


def _look(path: str) -> Optional[Tuple[int, int, int]]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
