"""Ad-hoc SQL on the published snapshot, printed as table, CSV or JSON. It reads one file and nothing else."""

import sys
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TextIO

import duckdb
import msgspec

from meterhouse.asof import snapshot_as_of
from meterhouse.errors import MeterhouseError
from meterhouse.paths import DataDir
from meterhouse.snapshot import reading

FORMATS = ("table", "csv", "json")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0", "＝", "＋", "－", "＠")
MAX_CELL = 60


def sql(
    data: DataDir, statement: str, form: str = "table", out: TextIO | None = None, as_of: str | None = None
) -> None:
    """Run one statement on the current snapshot, or one of the past, and print its rows; raises MeterhouseError with DuckDB's first line."""
    if not statement.strip(" ;\n"):
        raise MeterhouseError('sql: is empty; give one statement, such as "SHOW TABLES"')
    with reading(data, snapshot_as_of(data, as_of) if as_of else None) as db:
        try:
            if (found := len(db.extract_statements(statement))) != 1:  # execute would answer the last one alone
                raise MeterhouseError(f"sql: holds {found} statements; give one at a time")
            result = db.execute(statement)
            columns = _distinct([row[0] for row in result.description or []])
            rows = result.fetchall()
        except duckdb.Error as error:
            raise MeterhouseError(f"sql: {str(error).strip().splitlines()[0]}; mend the statement") from error
    print_rows(columns, rows, form, out)


def _distinct(names: Sequence[str]) -> list[str]:
    """Names as DuckDB makes them distinct, so that an object of rows loses none."""
    return [name if names.index(name) == at else f"{name}_{names[:at].count(name)}" for at, name in enumerate(names)]


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], form: str, out: TextIO | None = None) -> None:
    """Print rows as table, csv or json."""
    {"table": _table, "csv": _csv, "json": _json}[form](columns, rows, out or sys.stdout)


def _json(columns: Sequence[str], rows: Sequence[Sequence[Any]], out: TextIO) -> None:
    """A list of objects; decimals are numbers with all their digits, times are ISO 8601."""
    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
    lines = [encoder.encode(dict(zip(columns, map(_plain, row), strict=True))).decode() for row in rows]
    out.write("[" + ",\n ".join(lines) + "]\n")


def _plain(value: Any) -> Any:
    """Whole numbers beyond 64 bits, such as sums, are decimals too: JSON has no other exact number."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:
        return Decimal(value)
    if isinstance(value, list | tuple):
        return [_plain(row) for row in value]
    if isinstance(value, dict):
        return {str(key): _plain(row) for key, row in value.items()}
    return value


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]], out: TextIO) -> None:
    """RFC 4180; a text that a spreadsheet would take for a formula gets a leading apostrophe."""
    for row in [columns, *rows]:  # the standard writer leaves a lone carriage return unquoted
        out.write((",".join(map(_cell, row)) or '""') + "\n")


def _cell(value: Any) -> str:
    text = "" if value is None else _text(value)
    if isinstance(value, str) and any(bare.startswith(FORMULA_STARTS) for bare in (value.lstrip(" "), value.lstrip())):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if any(char in text for char in ',"\r\n') else text


def _text(value: Any) -> str:
    """One value as a person reads it, exact."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]], out: TextIO) -> None:
    """Aligned columns, numbers to the right, long texts cut, control characters shown as dots."""
    texts = [[_shown(value) for value in row] for row in rows]
    widths = [max([len(name), *(len(row[index]) for row in texts)]) for index, name in enumerate(columns)]
    out.write("  ".join(name.ljust(width) for name, width in zip(columns, widths, strict=True)).rstrip() + "\n")
    out.write("  ".join("-" * width for width in widths) + "\n")
    for row, values in zip(texts, rows, strict=True):
        cells = [
            text.rjust(width) if isinstance(value, int | float | Decimal) else text.ljust(width)
            for text, width, value in zip(row, widths, values, strict=True)
        ]
        out.write("  ".join(cells).rstrip() + "\n")
    out.write(f"({len(rows)} row{'' if len(rows) == 1 else 's'})\n")


def _shown(value: Any) -> str:
    text = "" if value is None else _text(value)
    text = "".join(char if char.isprintable() else "·" for char in text)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"
