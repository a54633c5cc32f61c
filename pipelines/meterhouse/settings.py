"""Settings: the only reader of `meterhouse.toml` and of METERHOUSE_* variables. A variable wins over the file.

docs/settings.md is the reference. Secrets come from a file or a variable and are never printed.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from meterhouse.errors import SettingsError

FILE = "meterhouse.toml"


@dataclass(frozen=True)
class Settings:
    """All settings, each named `section_key` in code, `[section] key` in the file, METERHOUSE_SECTION_KEY outside."""

    storage_raw: str | None = None  # folder or bucket that collectors ship to
    storage_data: str | None = None  # data directory
    storage_lake: str | None = None  # folder or bucket that the lake is shared on; none unless given
    keep_days: int = 7  # days whose versions of the lake stay readable
    keep_reports: int = 13  # newest weeks whose reports keep the snapshot that they were read from
    mail_host: str | None = None
    mail_port: int = 587
    mail_security: str = "starttls"  # starttls, tls, or none for a relay on this host
    mail_user: str | None = None
    mail_password: str | None = field(
        default=None, repr=False
    )  # METERHOUSE_MAIL_PASSWORD only; a file names mail_password_file
    mail_password_file: str | None = None
    mail_sender: str | None = None
    mail_ca_file: str | None = None  # certificate authority of the organisation's own mail server
    alerts_webhooks: tuple[str, ...] = field(default=(), repr=False)  # Apprise addresses, with tokens
    governance_file: str | None = None  # default: governance.yaml beside the raw objects
    dashboard_url: str | None = None  # linked from mails

    def require(self, name: str) -> Any:
        """A setting that must be there; raises SettingsError with all the places it can be set in."""
        value = getattr(self, name)
        if value in (None, "", ()):
            section, _, key = name.partition("_")
            raise SettingsError(
                f"{name}: is not set; set METERHOUSE_{name.upper()} or `{key}` under [{section}] in {FILE}"
            )
        return value


def read_settings(environment: Mapping[str, str] = os.environ, folder: Path = Path()) -> Settings:
    """Settings from METERHOUSE_SETTINGS or ./meterhouse.toml, then from the environment."""
    path = Path(environment.get("METERHOUSE_SETTINGS") or folder / FILE)
    values = _from_file(path, required="METERHOUSE_SETTINGS" in environment)
    for row in fields(Settings):
        variable = f"METERHOUSE_{row.name.upper()}"
        if variable in environment:
            values[row.name] = _convert(row.name, environment[variable], variable)
    return Settings(**values)


def _from_file(path: Path, required: bool) -> dict[str, Any]:
    if not path.exists() and not required:
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); mend it or unset METERHOUSE_SETTINGS") from error
    known = {row.name for row in fields(Settings)} - {"mail_password"}
    values = {}
    for section, table in document.items():
        for key, value in (table if isinstance(table, dict) else {"": table}).items():
            name = f"{section}_{key}"
            if name not in known:
                raise SettingsError(f"{path}: unknown setting [{section}] {key}; see docs/settings.md")
            values[name] = _convert(name, value, f"{path}: [{section}] {key}")
    return values


def _convert(name: str, value: Any, where: str) -> Any:
    if name in ("keep_days", "keep_reports"):
        if isinstance(value, bool) or not str(value).isdecimal() or int(value) < (name == "keep_days"):
            raise SettingsError(f"{where}: is '{value}'; give a whole number, of days at least 1")
        return int(value)
    if name == "mail_port":
        if not str(value).isdigit() or not 0 < int(value) < 65536:
            raise SettingsError(f"{where}: is '{value}'; give a port number")
        return int(value)
    if name == "mail_security" and value not in ("starttls", "tls", "none"):
        raise SettingsError(f"{where}: is '{value}'; it is starttls, tls or none")
    if name == "alerts_webhooks":
        rows = value.split() if isinstance(value, str) else value
        if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
            raise SettingsError(f"{where}: is no list of texts; write one address an entry")
        return tuple(rows)
    if not isinstance(value, str):
        raise SettingsError(f"{where}: is no text; put it in quotes")
    return value
