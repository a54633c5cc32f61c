"""Governance: the one reader of `governance.yaml`, in which owners write budgets, limits and who hears of them.

Addresses stay here and in the outbox; the seed tables made for SQL hold none. docs/settings.md is the reference.
"""

import functools
import re
import sys
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from meterhouse.errors import SettingsError
from meterhouse.settings import Settings
from meterhouse.storage import Storage

FILE = "governance.yaml"
KEYS = {
    "": ("version", "currency", "budgets", "limits", "forecast", "recipients"),
    "budgets": ("team", "month_usd", "owner"),
    "limits": ("name", "scope", "usd", "severity", "owner"),
    "forecast": ("alert_probability",),
    "recipients": ("executives",),
}
SCOPES = ("session",)
SEVERITIES = ("info", "warning", "critical")
DEFAULT_PROBABILITY = Decimal("0.6")
_MAX_USD = Decimal(10) ** 12
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,120}\Z")


@dataclass(frozen=True)
class Budget:
    """What a team may spend in any calendar month, at list price."""

    team: str
    month_usd: Decimal
    owner: str


@dataclass(frozen=True)
class Limit:
    """What one thing of a scope may cost."""

    name: str
    scope: str
    usd: Decimal
    severity: str
    owner: str


@dataclass(frozen=True)
class Governance:
    """The whole file."""

    budgets: tuple[Budget, ...] = ()
    limits: tuple[Limit, ...] = ()
    alert_probability: Decimal = DEFAULT_PROBABILITY
    executives: tuple[str, ...] = ()


def read_governance(storage: Storage, settings: Settings) -> Governance:
    """The file of the settings, or else the one beside the raw objects; none means no budgets and no alerts."""
    if settings.governance_file:
        path = Path(settings.governance_file)
        try:
            return parse(path.read_bytes())
        except OSError as error:
            raise SettingsError(f"governance_file: {path} cannot be read; check its name and permissions") from error
    data = storage.read_optional(FILE)
    if data is None:
        _narrate_absence(storage.destination)
        return Governance()
    return parse(data)


@functools.cache
def _narrate_absence(destination: str) -> None:
    """Once a process, however often the file is looked for."""
    print(f"{destination}/{FILE}: is not there; no budgets, no limits, no alerts", file=sys.stderr)


def parse(data: bytes) -> Governance:
    """The file's content; raises SettingsError naming the key that is wrong."""
    try:
        document = yaml.load(data.decode("utf-8"), _Exact)  # noqa: S506 (it is a SafeLoader)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{FILE}: is not UTF-8; save it as UTF-8") from error
    except (yaml.YAMLError, ValueError) as error:
        raise SettingsError(f"{FILE}: is no YAML ({' '.join(str(error).split())[:160]}); mend it") from error
    top = _mapping(document, "", KEYS[""], required=("version",))
    if top["version"] != 1 or isinstance(top["version"], bool):
        raise _wrong("version", f"is {top['version']!r}", "this Meterhouse reads version 1")
    if top.get("currency", "USD") != "USD":
        raise _wrong("currency", f"is {top['currency']!r}", "budgets are compared with list prices in USD; write USD")
    forecast = _mapping(top.get("forecast", {}), "forecast", KEYS["forecast"])
    recipients = _mapping(top.get("recipients", {}), "recipients", KEYS["recipients"])
    governance = Governance(
        tuple(_budget(row, where) for row, where in _rows(top.get("budgets"), "budgets")),
        tuple(_limit(row, where) for row, where in _rows(top.get("limits"), "limits")),
        _share(forecast.get("alert_probability", DEFAULT_PROBABILITY), "forecast.alert_probability"),
        tuple(_address(row, where) for row, where in _rows(recipients.get("executives"), "recipients.executives")),
    )
    _once([row.team for row in governance.budgets], "budgets", "team")
    _once([row.name for row in governance.limits], "limits", "name")
    return governance


def tables(governance: Governance) -> dict[str, pl.DataFrame]:
    """Budgets and limits as text columns for SQL, without owners: what SQL reads may be published."""
    chance = str(governance.alert_probability)
    budgets = [(row.team, str(row.month_usd), chance) for row in governance.budgets]
    limits = [(row.name, row.scope, str(row.usd), row.severity) for row in governance.limits]
    return {
        "budgets": _frame(("team", "month_usd", "alert_probability"), budgets),
        "limits": _frame(("name", "scope", "usd", "severity"), limits),
    }


def _frame(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


class _Exact(yaml.SafeLoader):
    """Numbers with a point become Decimal, and a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"key '{name}' stands twice in line {node.start_mark.line + 1} and below")
        return super().construct_mapping(node, deep)


def _decimal(_: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal | str:
    try:
        return Decimal(node.value.replace("_", ""))
    except InvalidOperation:  # .inf, .nan, 1:30.5: refused later, by the key that holds it
        return str(node.value)


_Exact.add_constructor("tag:yaml.org,2002:float", _decimal)


def _budget(value: Any, where: str) -> Budget:
    row = _mapping(value, where, KEYS["budgets"], required=KEYS["budgets"])
    return Budget(_name(row["team"], f"{where}.team"), _usd(row["month_usd"], f"{where}.month_usd"),
                  _address(row["owner"], f"{where}.owner"))  # fmt: skip


def _limit(value: Any, where: str) -> Limit:
    row = _mapping(value, where, KEYS["limits"], required=("name", "scope", "usd", "owner"))
    return Limit(
        _name(row["name"], f"{where}.name"),
        _choice(row["scope"], f"{where}.scope", SCOPES),
        _usd(row["usd"], f"{where}.usd"),
        _choice(row.get("severity", "critical"), f"{where}.severity", SEVERITIES),
        _address(row["owner"], f"{where}.owner"),
    )


def _mapping(value: Any, where: str, known: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, "is no mapping", "write key: value lines")
    for key in value:
        if key not in known:
            raise _wrong(f"{where}.{key}".lstrip("."), "is not known", f"the keys are {', '.join(known)}")
    for key in required:
        if key not in value:
            raise _wrong(f"{where}.{key}".lstrip("."), "is missing", "write it")
    return value


def _rows(value: Any, where: str) -> list[tuple[Any, str]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(where, "is no list", "begin each entry with '- '")
    return [(row, f"{where}[{number}]") for number, row in enumerate(value)]


def _usd(value: Any, where: str) -> Decimal:
    number = _number(value, where, "write dollars such as 900 or 900.50")
    exponent = number.as_tuple().exponent
    if not 0 < number < _MAX_USD or (isinstance(exponent, int) and exponent < -2):
        raise _wrong(where, f"is {value}", f"write dollars above 0 and below {_MAX_USD:f} with at most two decimals")
    return number


def _share(value: Any, where: str) -> Decimal:
    number = _number(value, where, "write a share such as 0.6")
    if not 0 < number < 1:
        raise _wrong(where, f"is {value}", "write a share between 0 and 1, such as 0.6")
    return number


def _number(value: Any, where: str, remedy: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _wrong(where, f"is {value!r}, no number", remedy)
    return Decimal(value)


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _NAME.match(value):
        raise _wrong(where, "is no text of 1 to 120 characters", "put the name in quotes")
    return value


def _address(value: Any, where: str) -> str:
    if not isinstance(value, str) or not _ADDRESS.match(value):
        raise _wrong(where, "is no plain mail address", "write name@example.com without a display name")
    return value


def _choice(value: Any, where: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _wrong(where, f"is {value!r}", f"it is one of {', '.join(choices)}")
    return str(value)


def _once(values: list[str], where: str, key: str) -> None:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise _wrong(f"{where}[{number}].{key}", f"'{value}' stands there already", "keep one entry")


def _wrong(where: str, what: str, remedy: str) -> SettingsError:
    return SettingsError(f"{FILE}: {where + ': ' if where else ''}{what}; {remedy}")
