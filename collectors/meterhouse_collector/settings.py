"""What the person or the organisation sets: who is counted, at which level of privacy, where segments go.

`collector.json` beside the spool, then environment variables on top. JSON, because Python 3.9 reads no TOML.
"""

import hashlib
import hmac
import json
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional

from .errors import SettingsError
from .events import fits
from .fields import FIELDS

NAME = "collector.json"
KEYS = {
    "person": "pseudonym or e-mail of the person; an e-mail is only ever used through pseudonym_key",
    "pseudonym_key": "the organisation's key for pseudonyms, 16 characters or more",
    "privacy": "names (repository and branch as they are) or counts (hashed, main or other)",
    "to": "where segments go: a folder, s3://, gs://, az://, or https:// of the organisation's intake",
    "token_file": "file, 0600, that holds the intake's token and nothing else (default: token beside the settings)",
    "ca_file": "PEM file of the organisation's own certificate authority; then no other is trusted",
    "allow_http": "true sends to an intake without TLS; only for a network you trust",
    "spool_limit_mb": "size at which reading stops until segments are shipped",
    "otlp_port": "port on 127.0.0.1 where run takes the agents' OTLP; 0 for none",
    "otlp_token": "secret that senders of OTLP must show: 16 to 200 letters, digits, - and _",
    "gateway_url": "address of the organisation's model gateway, for agents that exec starts; without credentials",
    "otlp_endpoint": "where agents export to: this collector's receiver",
    "inventory": "false tells nothing of what is installed and set on this machine",
}
VARIABLES = {
    "person": "METERHOUSE_PERSON",
    "pseudonym_key": "METERHOUSE_PSEUDONYM_KEY",
    "to": "METERHOUSE_TO",
    "otlp_token": "METERHOUSE_OTLP_TOKEN",
}
ENDPOINT = "http://127.0.0.1:4318"  # OTLP's own port for HTTP
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._~/-]*)?")
SECRETS = ("pseudonym_key", "otlp_token")
LEVELS = ("names", "counts")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}")  # it stands in a URL
TOKEN_VARIABLE, TOKEN_NAME = "METERHOUSE_TOKEN", "token"
KEY_LENGTH_MIN = 16  # a shorter key is found by trying


@dataclass(frozen=True)
class Settings:
    """The settings in force; `path` is named in errors."""

    path: str
    person: Optional[str] = None
    pseudonym_key: Optional[str] = None
    privacy: str = "names"
    to: Optional[str] = None
    token_file: Optional[str] = None
    ca_file: Optional[str] = None
    allow_http: bool = False
    spool_limit_mb: int = 1024
    otlp_port: int = 4318
    otlp_token: Optional[str] = None
    gateway_url: Optional[str] = None
    otlp_endpoint: str = ENDPOINT
    inventory: bool = True

    def token(self) -> str:
        """The intake's token as it is now: from the environment, else from a file that only its owner may read."""
        value = os.environ.get(TOKEN_VARIABLE, "").strip()
        return value or _secret(self.token_file or os.path.join(os.path.dirname(self.path), TOKEN_NAME))

    @property
    def key(self) -> Optional[bytes]:
        """The pseudonym key as bytes."""
        return self.pseudonym_key.encode("utf-8") if self.pseudonym_key else None

    def person_key(self, sender: str) -> str:
        """Pseudonym of the person whose machine this is; without a setting, of the machine."""
        if self.person is None:
            return "device-" + hashlib.sha256(sender.encode("ascii")).hexdigest()[:16]
        return pseudonym(self.person, self.key) if "@" in self.person else self.person


def pseudonym(email: str, key: Optional[bytes]) -> str:
    """The same e-mail gives the same pseudonym everywhere in the organisation; without its key nobody can undo it."""
    assert key, "an e-mail is never hashed without a key: a dictionary would undo it"
    return hmac.new(key, email.strip().lower().encode("utf-8"), hashlib.sha256).hexdigest()[:32]


def load(path: str, environment: Mapping[str, str], required: bool = False) -> Settings:
    """Settings of a file, which may be absent unless the user named it, and of the environment."""
    values = read(path, required)
    for key, variable in VARIABLES.items():
        if environment.get(variable):
            values[key] = environment[variable]
    return check_values(path, values)


def check_values(path: str, values: Dict[str, Any]) -> Settings:
    """Settings of these values; raises SettingsError, which names `path`."""
    settings = Settings(path, **values)
    _check(settings)
    return settings


def read(path: str, required: bool = False) -> Dict[str, Any]:
    """What the file says, by key; nothing when it is absent and not required."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            values = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise SettingsError(f"{path}: does not exist; create it or leave --settings out") from None
        return {}
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); check its rights") from error
    except (ValueError, RecursionError) as error:
        place = f" at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise SettingsError(f"{path}: is not valid JSON{place}; mend it or move it away") from None
    if not isinstance(values, dict):
        raise SettingsError(f'{path}: is no JSON object; write {{"person": …}}')
    for key in values:
        if key not in KEYS:
            raise SettingsError(f"{path}: unknown key {key!r}; the keys are {', '.join(KEYS)}")
    return values


def _secret(path: str) -> str:
    """The one line of a secret's file."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            is_shared = os.name != "nt" and os.fstat(file.fileno()).st_mode & 0o077
            value = file.read(4096).strip()
    except OSError as error:
        raise SettingsError(
            f"{path}: no token for the intake ({error.strerror}); write it there or set {TOKEN_VARIABLE}"
        ) from None
    if is_shared:
        raise SettingsError(f"{path}: others may read this token; chmod 600 it")
    if not value or not value.isprintable() or " " in value:
        raise SettingsError(f"{path}: holds no token; write the one that the intake's owner gave you")
    return value


def _check(settings: Settings) -> None:
    """Types and the rules between keys; no value is repeated in an error."""
    for key in ("person", "pseudonym_key", "to", "token_file", "ca_file", "otlp_token"):
        value = getattr(settings, key)
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise SettingsError(f"{settings.path}: {key} must be text; {KEYS[key]}")
    for key in ("allow_http", "inventory"):
        if not isinstance(getattr(settings, key), bool):
            raise SettingsError(f"{settings.path}: {key} must be true or false; {KEYS[key]}")
    limit = settings.spool_limit_mb
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise SettingsError(f"{settings.path}: spool_limit_mb must be a whole number from 1; {KEYS['spool_limit_mb']}")
    _check_addresses(settings)
    if settings.privacy == "counts" and not settings.pseudonym_key:
        raise SettingsError(
            f"{settings.path}: privacy counts needs pseudonym_key, or a dictionary undoes the hashes; "
            f"set it (or {VARIABLES['pseudonym_key']})"
        )
    if settings.privacy not in LEVELS:
        raise SettingsError(f"{settings.path}: privacy must be one of {', '.join(LEVELS)}; {KEYS['privacy']}")
    if settings.pseudonym_key and len(settings.pseudonym_key) < KEY_LENGTH_MIN:
        raise SettingsError(f"{settings.path}: pseudonym_key is too short; use {KEY_LENGTH_MIN} characters or more")
    if settings.person and "@" not in settings.person and not fits(FIELDS["person_key"], settings.person):
        raise SettingsError(f"{settings.path}: person is no key; use up to 200 ASCII characters without outer blanks")
    if settings.person and "@" in settings.person and not settings.pseudonym_key:
        raise SettingsError(
            f"{settings.path}: person is an e-mail but pseudonym_key is missing; set it (or {VARIABLES['pseudonym_key']})"
        )


def _check_addresses(settings: Settings) -> None:
    port, token = settings.otlp_port, settings.otlp_token
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port < 1 << 16:
        raise SettingsError(f"{settings.path}: otlp_port must be a whole number from 0 to 65535; {KEYS['otlp_port']}")
    if token is not None and not _TOKEN.fullmatch(token):
        raise SettingsError(f"{settings.path}: otlp_token is too short or has other characters; {KEYS['otlp_token']}")
    if settings.to and holds_credentials(settings.to):
        raise SettingsError(f"{settings.path}: to must be without user and query, it is shown; {KEYS['to']}")
    for key in ("gateway_url", "otlp_endpoint"):
        value = getattr(settings, key)
        if value is not None and not (isinstance(value, str) and _ADDRESS.fullmatch(value)):
            raise SettingsError(
                f"{settings.path}: {key} must be http(s)://HOST without user, query or blanks; {KEYS[key]}"
            )


def holds_credentials(place: str) -> bool:
    """Whether an address holds a user or a query, where some write keys; a folder's name may be anything."""
    _, mark, rest = place.partition("://")
    return bool(mark) and ("@" in rest.partition("/")[0] or "?" in rest)


def default_path(spool: str) -> str:
    """The settings file that belongs to a spool."""
    return os.path.join(os.path.dirname(os.path.abspath(spool)), NAME)
