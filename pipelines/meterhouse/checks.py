"""Checks: every promise of a model's header becomes a query whose rows break it; what can be seen of a row alone is one scan.

A check is never skipped and never repairs; one bad row keeps the new snapshot from being published. Alarms alone do not:
people must see the page that shows them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import duckdb

from meterhouse.build import Builder
from meterhouse.errors import CheckError, ModelError
from meterhouse.models import Model, load_models
from meterhouse.paths import DataDir
from meterhouse.snapshot import reading

ADVICE = "docs/operations.md says what to do"


@dataclass(frozen=True)
class Check:
    """One promise: its name, the model, a query whose rows break it, and what is true of each of those, if a row shows it."""

    name: str
    model: str
    about: str
    bad_rows: str
    is_alarm: bool = False
    condition: str | None = None

    @classmethod
    def of_a_row(cls, name: str, model: str, about: str, condition: str) -> Self:
        """A promise that each row keeps or breaks by itself."""
        return cls(name, model, about, f"SELECT * FROM {model} WHERE {condition}", condition=condition)


@dataclass(frozen=True)
class Verdict:
    """What a check found."""

    check: Check
    bad_count: int

    @property
    def is_passed(self) -> bool:
        """Whether no row broke the promise."""
        return self.bad_count == 0


def checks_of(model: Model) -> Iterator[Check]:
    """All checks that the header of one model states; views have none of their own."""
    if model.kind == "view":
        return
    keys = ", ".join(model.grain)
    yield Check("grain_is_unique", model.name, f"one row a {keys}",
                f"SELECT {keys} FROM {model.name} GROUP BY {keys} HAVING count(*) > 1")  # fmt: skip
    for column in model.columns.values():
        for test in column.tests:
            yield _column_check(model, column.name, test)
    for name, sql in model.checks.items():
        yield Check(name, model.name, name.replace("_", " "), sql)
    for name, sql in model.alarms.items():
        yield Check(name, model.name, name.replace("_", " "), sql, is_alarm=True)


def _column_check(model: Model, column: str, test: Any) -> Check:
    if test == "not_null":
        return Check.of_a_row(f"{column}_is_not_null", model.name, f"{column} is always known", f"{column} IS NULL")
    if test == "unique":
        sql = f"SELECT {column} FROM {model.name} WHERE {column} IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
        return Check(f"{column}_is_unique", model.name, f"{column} never repeats", sql)
    if isinstance(test, list):
        listed = ", ".join("'" + str(value).replace("'", "''") + "'" for value in test)
        about = f"{column} is one of {', '.join(map(str, test))}"
        return Check.of_a_row(f"{column}_is_accepted", model.name, about, f"{column} NOT IN ({listed})")
    operator, _, operand = str(test).partition(" ")
    if operator in (">=", "<=", ">", "<", "=") and operand:
        slug = {">=": "at_least", "<=": "at_most", ">": "above", "<": "below", "=": "equal_to"}[operator]
        safe = "".join(char if char.isalnum() else "_" for char in operand)
        name = f"{column}_is_{slug}_{safe}"
        return Check.of_a_row(name, model.name, f"{column} {test}", f"NOT ({column} {test})")
    raise ModelError(
        f"{model.path}: unknown test '{test}' of {column}; use not_null, unique, '>= 0' or a list of values"
    )


def check_news(builder: Builder, model: Model) -> list[Verdict]:
    """Run all checks of one model on the rows that readers do not have yet."""
    return _check(builder, model, builder.news())


def check_all_news(builder: Builder) -> list[Verdict]:
    """The same of every model, once all are built."""
    news = builder.news()
    return [row for model in builder.models.values() for row in _check(builder, model, news)]


def _check(builder: Builder, model: Model, news: Mapping[str, str | None]) -> list[Verdict]:
    if model.kind == "table":  # built whole, so checked whole
        return run_checks(builder.db, model)
    return run_checks(builder.db, model, news.get(model.name, "false"))


def run_checks(db: duckdb.DuckDBPyConnection, model: Model, where: str | None = None) -> list[Verdict]:
    """Run all checks of one model, on all rows or on those of a condition."""
    rows = f"WITH {model.name} AS (SELECT * FROM main.{model.name} WHERE {where}) " if where else ""
    found = [*checks_of(model)]
    by_row = [check for check in found if check.condition]
    counts = dict(zip(by_row, _count_by_row(db, model, rows, by_row), strict=True))
    for check in found:
        if check not in counts:
            ((counts[check],),) = db.execute(f"{rows}SELECT count(*) FROM ({check.bad_rows})").fetchall()
    return [Verdict(check, counts[check]) for check in found]


def _count_by_row(db: duckdb.DuckDBPyConnection, model: Model, rows: str, checks: list[Check]) -> Sequence[int]:
    """How many rows break each of the promises, in one scan: planning a statement for each takes longer than a small table does."""
    if not checks:
        return []
    counts = ", ".join(f"count(*) FILTER (WHERE {check.condition})" for check in checks)
    (found,) = db.execute(f"{rows}SELECT {counts} FROM {model.name}").fetchall()
    return found


def require(verdicts: list[Verdict]) -> None:
    """Raise CheckError naming every broken promise; alarms do not count."""
    broken = [row for row in verdicts if not row.is_passed and not row.check.is_alarm]
    if broken:
        lines = [f"{row.check.model}: {row.bad_count} rows break '{row.check.about}'" for row in broken]
        raise CheckError("; ".join(lines) + "; nothing was published, readers keep the last snapshot")


def alarms(data: DataDir) -> list[str]:
    """What the published snapshot tells its operator: a line an alarm, each with an example."""
    found = [check for model in load_models().values() for check in checks_of(model) if check.is_alarm]
    lines = []
    with reading(data) as db:
        for check in found:
            answer = db.execute(f"FROM ({check.bad_rows}) AS bad ORDER BY ALL")
            names, rows = [column[0] for column in answer.description or ()], answer.fetchall()
            if rows:
                example = ", ".join(f"{name} {value}" for name, value in zip(names, rows[0], strict=True))
                lines.append(f"{check.model}: {len(rows)} rows break '{check.about}', such as {example}; {ADVICE}")
    return lines
