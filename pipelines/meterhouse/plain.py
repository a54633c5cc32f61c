"""Lines so plain that a pattern vouches for them, read a column at a time: the strict decoder would give the same values.

The pattern is made from the contract: known keys only, values of their field's type and form, no blanks, no escapes. Polars may
then read the values, for there is nothing left to be lenient about. A line of which anything is in doubt is left to the decoder.
"""

import bisect
import functools
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
import pyarrow as pa

from meterhouse import columns, contract
from meterhouse.contract import KIND_FIELD, Field
from meterhouse.errors import ContractFileError
from meterhouse.segments import Body, Line

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]

LINE = "line"
KEYS = "keys"
# bytes of a line; what is longer, or has more keys than any kind, would be decoded in time that grows with its square
LONGEST = 2**14
PLACE = ("object_number", "line_number")  # of a row; the order in which copies are told apart
SAMPLE = 256  # rows that tell which fields a slice has; a line with another field is in doubt


def read(bodies: Sequence[Body]) -> tuple[dict[str, pl.DataFrame], Iterator[Line]]:
    """Typed columns of the plain lines by kind, with their PLACE; and the other lines, in order."""
    if not bodies:
        return {}, iter(())
    text, ends = _together(bodies)
    is_usual = (pl.col(LINE).str.len_bytes() <= LONGEST) & (pl.col(KEYS) <= most_keys())
    plain = pl.when(is_usual & pl.col(LINE).str.contains(pattern())).then(
        pl.col(LINE).str.extract(r'"kind":"([a-z_]+)"')
    )
    lines = _lines(text, ends, bodies).with_columns(plain.alias(KIND_FIELD))
    doubtful = [lines["row"].filter(lines[KIND_FIELD].is_null()).to_numpy()]
    frames = {}
    by_kind = lines.drop_nulls(KIND_FIELD).partition_by(
        KIND_FIELD, as_dict=True, maintain_order=True, include_key=False
    )
    for (kind,), rows in by_kind.items():
        frame, is_doubtful = _typed(contract.kinds()[str(kind)], rows)
        if is_doubtful.any():
            doubtful.append(rows["row"].filter(is_doubtful).to_numpy())
            frame = frame.filter(~is_doubtful)
        if frame.height:
            frames[str(kind)] = frame
    return frames, _split(bodies, ends, np.sort(np.concatenate(doubtful)))


def _together(bodies: Sequence[Body]) -> tuple[bytes, Numbers]:
    """All lines in one piece, each with its LF, and where each ends. What is no UTF-8 is blanked, so that no text holds it."""
    pieces, ends, size = [], [np.zeros(1, np.int64)], 0
    for body in bodies:
        piece = body.data[body.start : body.end]
        piece = piece if piece.endswith(b"\n") else piece + b"\n"
        found = np.flatnonzero(np.frombuffer(piece, np.uint8) == 10)
        ends.append(found + size + 1)
        size += len(piece)
        pieces.append(piece if _is_utf8(piece) else piece.translate(_BLANKED))
    return b"".join(pieces), np.concatenate(ends)


_BLANKED = bytes(10 if code == 10 else 32 for code in range(256))


def _is_utf8(piece: bytes) -> bool:
    if piece.isascii():
        return True
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines(text: bytes, ends: Numbers, bodies: Sequence[Body]) -> pl.DataFrame:
    counts = [body.count for body in bodies]
    array = pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))
    rows = np.arange(sum(counts))
    before = np.cumsum([0, *counts[:-1]])
    return pl.DataFrame(
        {
            LINE: (texts := pl.Series(array, dtype=pl.String)),
            # no plain text holds a quote: these end a key, or begin a text with a colon, which is one doubt too many and harms nobody
            KEYS: texts.str.count_matches('":', literal=True),
            "row": rows,
            "object_number": np.repeat([body.object_number for body in bodies], counts),
            "line_number": rows + np.repeat([body.number for body in bodies] - before, counts),
        }
    )


@functools.cache
def most_keys() -> int:
    """Fields of the largest kind."""
    return max(len(kind.fields) for kind in contract.kinds().values())


def _typed(kind: contract.Kind, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Columns of one kind that any row fills, and which rows are in doubt.

    A key that is repeated, of another kind, or rare in the slice leaves fewer values than keys.
    """
    raw = _values(kind, rows)
    fields = [field for field in kind.fields if field.name != KIND_FIELD and field.name in raw.columns]
    own = raw.select(field.name for field in fields if field.is_required or raw[field.name].null_count() < raw.height)
    given = [field for field in fields if field.name in own.columns]
    frame, unreal = columns.typed(own, given)
    doubts = [
        rows[KEYS] != raw.select(pl.sum_horizontal(pl.all().is_not_null()))[:, 0],
        *(raw[field.name].is_null() for field in fields if field.is_required),
        *(own[field.name].list.len().fill_null(0) > contract.MAX_TEXTS for field in given if field.type == "texts"),
        *unreal,
    ]
    return frame.with_columns(rows.select(PLACE)), functools.reduce(lambda left, right: left | right, doubts)


def _values(kind: contract.Kind, rows: pl.DataFrame) -> pl.DataFrame:
    """Fields of the kind as columns: those that some of the rows have, for a column of nothing costs as much as any other."""
    lines, fields = rows[LINE], kind.fields
    if rows.height > SAMPLE:
        some = _decode(lines.gather_every(rows.height // SAMPLE), fields)
        fields = [field for field in fields if field.is_required or some[field.name].null_count() < some.height]
    return _decode(lines, fields)


def _decode(lines: pl.Series, fields: Sequence[Field]) -> pl.DataFrame:
    return lines.str.json_decode(pl.Struct({field.name: columns.raw_type(field) for field in fields})).struct.unnest()


def _split(bodies: Sequence[Body], ends: Numbers, rows: Numbers) -> Iterator[Line]:
    """These lines, by their number among all; blank ones are passed over."""
    first = [0, *itertools.accumulate(body.count for body in bodies)]
    for row in rows.tolist():
        number = bisect.bisect_right(first, row) - 1
        body = bodies[number]
        moved = body.start - int(ends[first[number]])
        start, end = int(ends[row]) + moved, int(ends[row + 1]) - 1 + moved
        if (text := body.data[start:end]).strip():
            yield Line(body.number + row - first[number], start, end, text, body.object_number)


@functools.cache
def pattern() -> str:
    """What a plain line matches, its LF included."""
    by_form: dict[str, list[str]] = defaultdict(list)
    for name, form in forms().items():
        by_form[form].append(name)
    pairs = (f'(?:{"|".join(names)})":{form}' for form, names in by_form.items())
    pair = f'"(?:{"|".join(pairs)})'
    return rf"^\{{{pair}(?:,{pair})*\}}\n$"


def forms() -> dict[str, str]:
    """What the value of each key matches. A key has one form in all kinds, for a line is not yet known to be of one."""
    found: dict[str, str] = {}
    for field in (field for kind in contract.kinds().values() for field in kind.fields):
        form = _form(field)
        if found.setdefault(field.name, form) != form:
            raise ContractFileError(
                f"{field.name}: has other types or limits in another kind; give it one, or two names"
            )
    return found


def _form(field: Field) -> str:
    if field.name == KIND_FIELD:
        return f'"(?:{"|".join(contract.kinds())})"'
    if field.name == "schema_version":
        return f"[1-{contract.SCHEMA_VERSION}]"
    if field.type in ("count", "integer"):
        assert field.minimum is not None
        assert field.maximum is not None
        digits = min(len(str(abs(limit))) for limit in (field.minimum, field.maximum) if limit) - 1
        return f"(?:0|{'-?' if field.minimum else ''}[1-9][0-9]{{0,{digits - 1}}})"
    if field.type == "boolean":
        return "(?:true|false)"
    text = f'"{_text(field.pattern)}"'
    return rf"\[(?:{text}(?:,{text})*)?\]" if field.type == "texts" else text


def _text(published: str | None) -> str:
    """The contract's pattern of a text, within what JSON writes as it is."""
    assert published is not None
    inner = published.removeprefix("^").removesuffix("$").replace("(", "(?:")
    return re.sub(r"\[.*?\]", lambda found: rf'[{found[0]}&&[^"\\\x00-\x1f]]', inner)
