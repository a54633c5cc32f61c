"""Frames of one kind become event lines. Names, order and form of fields come from the published contract alone."""

import itertools

import numpy as np
import polars as pl
import pyarrow as pa

from meterhouse import contract


def encode(kind: str, frame: pl.DataFrame) -> pl.Series:
    """One line an event, with its line feed; NULL leaves the field out. Texts must be plain ASCII without quotes.

    Raises ValueError for a column that the contract does not know, or a required one that is missing.
    """
    fields = {field.name: field for field in contract.kinds()[kind].fields}
    needed = {name for name, field in fields.items() if field.is_required} - {contract.KIND_FIELD, "schema_version"}
    if wrong := (set(frame.columns) - fields.keys()) | (needed - set(frame.columns)):
        raise ValueError(f"{kind}: '{min(wrong)}' is not as the contract has it")
    parts: list[pl.Expr] = [pl.lit(f'{{"schema_version":{contract.SCHEMA_VERSION},"kind":"{kind}"')]
    for name in (name for name in fields if name in frame.columns):
        lead, value, tail = _form(fields[name])
        if frame[name].null_count() == 0:
            parts += [pl.lit(lead), value, pl.lit(tail)]
        else:
            parts.append(pl.concat_str(pl.lit(lead), value, pl.lit(tail)).fill_null(""))
    return frame.select(pl.concat_str(*parts, pl.lit("}\n")).alias("line"))["line"]


def _form(field: contract.Field) -> tuple[str, pl.Expr, str]:
    """What stands before a value, the value, and what stands after it."""
    column, key = pl.col(field.name), f',"{field.name}":'
    if field.type in ("count", "integer", "boolean"):
        return key, column.cast(pl.String), ""
    if field.type == "texts":
        return f'{key}["', column.list.join('","'), '"]'
    if field.type == "instant":
        return f'{key}"', column.dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ") if field.name == "occurred_at" else column, '"'
    return f'{key}"', column, '"'


def texts(rng: np.random.Generator, count: int, digits: int, prefix: str = "") -> pl.Series:
    """So many random texts of hexadecimal digits, without a Python object each."""
    raw = np.frombuffer(rng.bytes(count * digits // 2).hex().encode(), np.uint8).reshape(count, digits)
    head = np.broadcast_to(np.frombuffer(prefix.encode(), np.uint8), (count, len(prefix)))
    return _series(np.hstack([head, raw]))


def uuids(rng: np.random.Generator, count: int) -> pl.Series:
    """Random texts in the form of a UUID."""
    raw = np.frombuffer(rng.bytes(count * 16).hex().encode(), np.uint8).reshape(count, 32)
    dash = np.full((count, 1), ord("-"), np.uint8)
    cuts = (0, 8, 12, 16, 20, 32)
    parts = [part for start, end in itertools.pairwise(cuts) for part in (raw[:, start:end], dash)]
    return _series(np.hstack(parts[:-1]))


def _series(characters: np.ndarray) -> pl.Series:
    count, width = characters.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int64)
    data = np.ascontiguousarray(characters)
    return pl.Series(pa.LargeStringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data)))
