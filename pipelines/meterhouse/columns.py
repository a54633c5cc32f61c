"""Columns of decoded values become the lake's types: instants, days and decimals are read from text, the rest stays."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from meterhouse.contract import Field


def raw_type(field: Field) -> Any:
    """The column type that holds a field's values as JSON has them."""
    return field.polars_type if field.type in ("count", "integer", "boolean", "texts") else pl.String


def typed(raw: pl.DataFrame, fields: Sequence[Field]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The columns in the lake's types, and for each that was converted whether its text names nothing real, as February 30."""
    converted = [field for field in fields if field.polars_type != raw_type(field)]
    frame = raw.with_columns(_cast(field, raw[field.name]) for field in converted)
    unreal = frame.select((pl.col(f.name).is_null() & raw[f.name].is_not_null()).alias(f.name) for f in converted)
    return frame, unreal


def _cast(field: Field, texts: pl.Series) -> pl.Series:
    if field.type == "instant":
        return _instants(texts)
    if field.type == "day":
        return texts.str.to_date("%Y-%m-%d", strict=False)
    return texts.str.to_decimal(scale=12).cast(field.polars_type, strict=False)


def _instants(texts: pl.Series) -> pl.Series:
    """Arrow reads instants in a third of the time, and refuses all when one names nothing real; Polars tells which."""
    try:
        return pl.Series(texts.name, pc.cast(texts.to_arrow(), pa.timestamp("us", "UTC")))
    except pa.ArrowInvalid:
        return texts.str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC", strict=False)
