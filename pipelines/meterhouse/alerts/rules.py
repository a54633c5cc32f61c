"""Rules: reads the SQL files of `models/alerts/` and turns their rows into alerts. Adding a rule is adding a file.

The header says how loud, who hears it, and in which words; texts from the data are cleaned before they enter them.
docs/settings.md explains the keys.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb

from meterhouse.errors import ModelError
from meterhouse.governance import SEVERITIES
from meterhouse.models import read_header
from meterhouse.outbox import Alert
from meterhouse.paths import models_dir

HEADER_KEYS = ("description", "severity", "notify", "key", "subject", "detail", "next_step", "see")
AUDIENCES = {"budget_owner": "the budget of {team}", "limit_owner": "the limit {limit_name}"}
MAX_TEXT = 120


@dataclass(frozen=True)
class Rule:
    """One rule file. `key` names the columns that make an alert the same one; a `severity` column wins over the header's."""

    name: str
    path: Path
    severity: str
    notify: str
    key: tuple[str, ...]
    subject: str
    detail: str
    next_step: str
    see: str
    sql: str


@dataclass(frozen=True)
class Found:
    """An alert and the row it was made of."""

    rule: Rule
    alert: Alert
    row: Mapping[str, Any]


def read_rule(path: Path) -> Rule:
    """One rule file; raises ModelError for a header that breaks the rules."""
    header, sql = read_header(path, HEADER_KEYS)
    for key in HEADER_KEYS:
        if not header.get(key):
            raise ModelError(f"{path}: header key '{key}' is missing; every alert states it")
    if header["severity"] not in SEVERITIES:
        raise ModelError(f"{path}: severity is '{header['severity']}'; it is one of {', '.join(SEVERITIES)}")
    if header["notify"] not in AUDIENCES:
        raise ModelError(f"{path}: notify is '{header['notify']}'; it is one of {', '.join(AUDIENCES)}")
    words = {key: str(header[key]).strip() for key in ("subject", "detail", "next_step", "see")}
    return Rule(path.stem, path, header["severity"], header["notify"], tuple(header["key"]), **words, sql=sql)


@functools.cache
def load_rules(root: Path | None = None) -> list[Rule]:
    """All rules, by name."""
    return [read_rule(path) for path in sorted(((root or models_dir()) / "alerts").glob("*.sql"))]


def find(db: duckdb.DuckDBPyConnection, rules: list[Rule], dashboard_url: str | None = None) -> list[Found]:
    """Every alert that the data calls for, decided before or not. The last event's day is the only clock."""
    last = db.execute("SELECT max(day) FROM dim_days").fetchone()
    if not last or last[0] is None:
        return []
    return [Found(rule, _alert(rule, row, last[0], dashboard_url), row) for rule in rules for row in _rows(db, rule)]


def _rows(db: duckdb.DuckDBPyConnection, rule: Rule) -> list[dict[str, Any]]:
    try:
        result = db.execute(rule.sql)
        columns = [column[0] for column in result.description or []]
        rows = [dict(zip(columns, map(_clean, row), strict=True)) for row in result.fetchall()]
    except duckdb.Error as error:
        raise ModelError(f"{rule.path}: {str(error).splitlines()[0]}; mend the SELECT") from error
    return sorted(rows, key=lambda row: _key(rule, row))


def _alert(rule: Rule, row: Mapping[str, Any], as_of: date, dashboard_url: str | None) -> Alert:
    severity = row.get("severity") or rule.severity
    key = _key(rule, row)
    try:
        subject, body = rule.subject.format_map(row), _body(rule, row, severity, as_of, key, dashboard_url)
    except KeyError as error:
        raise ModelError(f"{rule.path}: the header's words use {error}, which the SELECT lacks; add it") from error
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Alert(key, rule.name, severity, subject, body, as_of.isoformat(), now)


def _key(rule: Rule, row: Mapping[str, Any]) -> str:
    """Rule and key columns; what separates them is escaped, so that no two scopes share a key."""
    return ":".join([rule.name, *(quote(str(row[column]), safe=" /@+=,-_.") for column in rule.key)])


def _body(rule: Rule, row: Mapping[str, Any], severity: str, as_of: date, key: str, dashboard_url: str | None) -> str:
    causes = [f"- {cause['what']}: ${cause['usd']:,.2f}" for cause in row["causes"]]
    about = AUDIENCES[rule.notify].format_map(row)
    lines = [
        rule.detail.format_map(row), "",
        "Largest contributors:", *causes, "",
        f"Owner: named in governance.yaml for {about}.",
        f"Next step: {rule.next_step.format_map(row)}",
        f'See more: meterhouse sql "{rule.see}"',
        *([f"Dashboard: {dashboard_url}"] if dashboard_url else []), "",
        f"Severity {severity}, data up to {as_of}, alert {key}. It is sent once.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _clean(value: Any) -> Any:
    """A text of the data without control characters, line ends and marks that turn the reading direction."""
    if isinstance(value, str):
        text = "".join(char if char.isprintable() else "·" for char in value)
        return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    if isinstance(value, list):
        return [_clean(row) for row in value]
    if isinstance(value, dict):
        return {name: _clean(row) for name, row in value.items()}
    return value
