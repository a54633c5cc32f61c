"""Strict parsing of event lines: each becomes a typed record, a parked line or a rejected one, never half of any.

One decoder is the judge. Only lines of which a pattern knows that any reader gives what it gives are read without it (`plain`).
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl

from meterhouse import columns, contract, plain
from meterhouse.plain import PLACE
from meterhouse.segments import Body, Line

MAX_VERSION = 1000  # above this it is a defect, not the future
MAX_EXTRA = 4096  # bytes of unknown fields that are kept with an event
GROUP = 500  # lines decoded at once; one that is refused makes all of them be judged one by one
SLICE = 2000  # records turned into columns at once


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that breaks the contract: why, and in which field; never its text, which may hold secrets."""

    reason: str
    field: str | None
    line: Line


@dataclass(frozen=True)
class Parked:
    """A line of a kind or version that this code does not know yet."""

    kind: str
    schema_version: int
    line: Line


@dataclass
class Parsed:
    """What became of the lines of a batch: `frames` holds the typed columns that any row fills, and each row's place."""

    frames: dict[str, pl.DataFrame] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)

    def extend(self, other: "Parsed") -> None:
        """Append what became of further lines."""
        for kind, frame in other.frames.items():
            known = self.frames.get(kind)
            self.frames[kind] = frame if known is None else pl.concat([known, frame], how="diagonal", rechunk=False)
        self.rejected += other.rejected
        self.parked += other.parked

    @property
    def memory(self) -> int:
        """About what it takes in memory, in bytes."""
        lines = (row.line for row in itertools.chain(self.rejected, self.parked))
        return int(sum(frame.estimated_size() for frame in self.frames.values())) + sum(line.memory for line in lines)


class _BrokenLineError(Exception):
    def __init__(self, reason: str, culprit: str | None = None) -> None:
        self.reason, self.culprit = reason, culprit


class _Rows:
    """Records of one kind on their way into columns, a slice at a time: long tuples of tuples keep the collector of garbage busy."""

    def __init__(self, kind: contract.Kind) -> None:
        self.kind = kind
        self.names = contract.struct_types()[kind.name].__struct_fields__
        self.columns: list[list[Any]] = [[] for _ in self.names]
        self.lines: list[Line] = []
        self.extra: dict[int, str] = {}  # by row; few have any
        self.waiting: list[Any] = []

    def flush(self) -> None:
        # transposed in C: a comprehension over attributes takes five times as long
        values = zip(*map(msgspec.structs.astuple, self.waiting), strict=True)
        for column, part in zip(self.columns, values, strict=bool(self.waiting)):
            column += part
        self.waiting = []

    def given(self) -> dict[str, list[Any]]:
        """The columns that hold a value."""
        self.flush()
        named = zip(self.names, self.columns, strict=True)
        return {name: column for name, column in named if column[0] is not None or column.count(None) < len(column)}


class _RowsOfType(dict[type, _Rows]):
    def __missing__(self, type_: type) -> _Rows:
        self[type_] = _Rows(contract.kinds()[type_.__name__])
        return self[type_]


def parse(bodies: Sequence[Body]) -> Parsed:
    """Parse lines, of one object or of many, in their order."""
    frames, doubtful = plain.read(bodies)
    parsed = judge(doubtful)
    for kind, frame in frames.items():
        judged = parsed.frames.get(kind)
        parsed.frames[kind] = frame if judged is None else pl.concat([frame, judged], how="diagonal").sort(PLACE)
    return parsed


def judge(lines: Iterable[Line]) -> Parsed:
    """What the strict decoder makes of each line; lines are in order in each frame and each list."""
    parsed = Parsed()
    rows: dict[type, _Rows] = _RowsOfType()
    rest = iter(lines)
    while group := list(itertools.islice(rest, GROUP)):
        for line, record, extra in _records(group, parsed):
            kept = rows[type(record)]
            if extra:
                kept.extra[len(kept.lines)] = extra
            kept.waiting.append(record)
            kept.lines.append(line)
        for kept in rows.values():
            if len(kept.waiting) >= SLICE:
                kept.flush()
    for kept in rows.values():
        _to_columns(kept, parsed)
    parsed.rejected.sort(key=lambda row: (row.line.object_number, row.line.start))
    return parsed


def _records(group: list[Line], parsed: Parsed) -> Iterator[tuple[Line, Any, str | None]]:
    """The records of a group of lines. All are decoded at once; when one is refused, each is judged by itself.

    The decoder takes several values on a line, and one over several lines. None spans lines that all begin with { and end with },
    for in an unfinished object only a comma or a bracket follows a }; then as many values as lines means one on each.
    """
    records: list[Any] = []
    if all(line.data.startswith(b"{") and line.data.endswith(b"}") for line in group):
        with contextlib.suppress(msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            records = contract.decoder().decode_lines(b"\n".join(line.data for line in group))
    if len(records) == len(group):
        yield from zip(group, records, itertools.repeat(None))
        return
    for line in group:
        try:
            found = _judge(line)
        except _BrokenLineError as reject:
            parsed.rejected.append(Rejected(reject.reason, reject.culprit, line))
            continue
        if isinstance(found, Parked):
            parsed.parked.append(found)
        else:
            yield line, *found


def _judge(line: Line) -> "Parked | tuple[Any, str | None]":
    try:
        return contract.decoder().decode(line.data), None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _second_look(line)


def _second_look(line: Line) -> "Parked | tuple[Any, str]":
    """Why the strict decoder refused a line: broken, from the future, or merely carrying unknown fields."""
    document = _document(line.data)
    version, kind = document.get("schema_version"), document.get("kind")
    if type(version) is int and version > MAX_VERSION:
        raise _BrokenLineError("out_of_range", "schema_version")
    if type(version) is not int or version < 1:
        raise _BrokenLineError("wrong_type" if "schema_version" in document else "missing_field", "schema_version")
    if not isinstance(kind, str) or not 1 <= len(kind) <= 200 or not kind.isprintable():
        raise _BrokenLineError("wrong_type" if "kind" in document else "missing_field", "kind")
    if version > contract.SCHEMA_VERSION or kind not in contract.kinds():
        return Parked(kind, version, line)
    names = {row.name for row in contract.kinds()[kind].fields}
    extra = msgspec.json.encode({key: value for key, value in document.items() if key not in names})
    known = {key: value for key, value in document.items() if key in names}
    try:
        record = contract.decoder().decode(msgspec.json.encode(known))
    except msgspec.MsgspecError as error:
        raise _explain(error) from None
    if len(extra) > MAX_EXTRA:
        raise _BrokenLineError("too_many_unknown_fields")
    return record, extra.decode()


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(data)
    except RecursionError:
        raise _BrokenLineError("too_deep") from None
    except msgspec.ValidationError:
        raise _BrokenLineError("out_of_range") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            data.decode()
        except UnicodeDecodeError:
            raise _BrokenLineError("invalid_utf8") from None
        raise _BrokenLineError("invalid_json") from None
    if not isinstance(document, dict):
        raise _BrokenLineError("not_an_object")
    return document


def _explain(error: msgspec.MsgspecError) -> _BrokenLineError:
    """A reason code and field from msgspec's message, which names types and limits but no values."""
    text, _, path = str(error).partition(" - at `$.")
    culprit = path.rstrip("`") or None
    if "missing required field" in text:
        return _BrokenLineError("missing_field", text.split("`")[1])
    if "got `" in text:
        return _BrokenLineError("wrong_type", culprit)
    return _BrokenLineError("out_of_range", culprit)


def _to_columns(rows: _Rows, parsed: Parsed) -> None:
    """Columns of one kind; rows whose text breaks its pattern or names no real instant are rejected."""
    kind, given = rows.kind, rows.given()
    fields = [row for row in kind.fields if row.name in given]
    raw = pl.DataFrame(given, schema={row.name: columns.raw_type(row) for row in fields})
    typed, unreal = columns.typed(raw, fields)
    broken = raw.select(_broken(row).alias(row.name) for row in fields if row.pattern)
    flags = pl.concat([broken, unreal.rename("{}.".format)], how="horizontal")
    is_bad = flags.select(pl.any_horizontal(pl.all()))[:, 0]
    for number in is_bad.arg_true():
        culprit = next(name for name, flag in flags.row(number, named=True).items() if flag)
        parsed.rejected.append(Rejected("bad_format", culprit.rstrip("."), rows.lines[number]))
    placed = [(line.object_number, line.number) for line in rows.lines]
    places = pl.DataFrame(placed, dict.fromkeys(PLACE, pl.Int64), orient="row")
    whole = pl.concat([typed, places], how="horizontal")
    if rows.extra:
        extra = pl.Series([rows.extra.get(row) for row in range(raw.height)], dtype=pl.String)
        whole = whole.with_columns(extra=extra)
    parsed.frames[kind.name] = whole.filter(~is_bad) if is_bad.any() else whole


def _broken(row: contract.Field) -> pl.Expr:
    column, pattern = pl.col(row.name), row.pattern or ""
    if row.type == "texts":
        return (~column.list.eval(pl.element().str.contains(pattern)).list.all()).fill_null(False)
    return (~column.str.contains(pattern)).fill_null(False)
