"""The published event contract as the server sees it: strict decoder, table schemas, reference page.

Nothing about an event is written here: everything is read from `models/contracts/event.v1.json`.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import polars as pl

from meterhouse.errors import ContractFileError
from meterhouse.paths import models_dir

SCHEMA_VERSION = 1
KIND_FIELD = "kind"
MAX_TEXTS = 32  # in a list

_PYTHON_TYPES: Mapping[str, Any] = {
    "boolean": bool,
    "texts": Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=200)]], msgspec.Meta(max_length=MAX_TEXTS)
    ],
}
_POLARS_TYPES: Mapping[str, Any] = {
    "count": pl.Int64,
    "integer": pl.Int64,
    "boolean": pl.Boolean,
    "texts": pl.List(pl.String),
}
# columns that the load adds to every event; the rest of a lake table is the contract's
LINEAGE: Mapping[str, Any] = {
    "day": pl.Date,
    "sender": pl.String,
    "received_at": pl.Datetime("us", "UTC"),
    "is_clock_suspect": pl.Boolean,
    "extra": pl.String,
}


@dataclass(frozen=True)
class Field:
    """One field of one kind, as published."""

    name: str
    type: str
    about: str
    unit: str | None
    is_personal: bool
    is_required: bool
    pattern: str | None
    minimum: int | None
    maximum: int | None

    @property
    def python_type(self) -> Any:
        """The type that msgspec decodes strictly: no bool for a number, no 1.0 for 1, no text for either.

        Patterns are left to the load, which checks whole columns: four times as fast as a regex a value.
        """
        if self.name == "schema_version":  # a later version is parked, even when it would fit this one
            kind: Any = Annotated[int, msgspec.Meta(ge=1, le=SCHEMA_VERSION)]
        elif self.type in ("count", "integer"):
            kind = Annotated[int, msgspec.Meta(ge=self.minimum, le=self.maximum)]
        elif self.type in _PYTHON_TYPES:
            kind = _PYTHON_TYPES[self.type]
        else:
            kind = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
        return kind if self.is_required else kind | None

    @property
    def polars_type(self) -> Any:
        """Column type in the lake; instants become timestamps, days dates, money stays a decimal."""
        if self.type == "instant":
            return pl.Datetime("us", "UTC")
        if self.type == "day":
            return pl.Date
        if self.type in ("money", "share"):
            return pl.Decimal(38, 12)
        return _POLARS_TYPES.get(self.type, pl.String)


@dataclass(frozen=True)
class Kind:
    """One kind of event: its fields, and the columns of its lake table."""

    name: str
    about: str
    fields: tuple[Field, ...]

    @property
    def columns(self) -> dict[str, Any]:
        """Column name to Polars type: the contract's fields, then the lineage."""
        own = {field.name: field.polars_type for field in self.fields if field.name != KIND_FIELD}
        return {**own, **LINEAGE}


@functools.cache
def kinds() -> dict[str, Kind]:
    """All kinds of the contract, by name."""
    path = models_dir() / "contracts" / f"event.v{SCHEMA_VERSION}.json"
    try:
        published = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ContractFileError(f"{path}: cannot be read ({error}); reinstall meterhouse") from error
    return {name: _kind(name, schema) for name, schema in published["$defs"].items()}


def _kind(name: str, schema: Mapping[str, Any]) -> Kind:
    required = set(schema["required"])
    fields = tuple(
        Field(
            key, prop["x-type"], prop["description"], prop.get("x-unit"), prop["x-personal"], key in required,
            prop.get("pattern") or prop.get("items", {}).get("pattern"), prop.get("minimum"), prop.get("maximum"),
        )
        for key, prop in schema["properties"].items()
    )  # fmt: skip
    return Kind(name, schema["description"], fields)


@functools.cache
def struct_types() -> dict[str, type[msgspec.Struct]]:
    """One strict record type a kind; an unknown field is an error, so that it can be kept apart."""
    types = {}
    for name, kind in kinds().items():
        own = [field for field in kind.fields if field.name != KIND_FIELD]
        ordered = sorted(own, key=lambda field: not field.is_required)
        rows = [(f.name, f.python_type) if f.is_required else (f.name, f.python_type, None) for f in ordered]
        types[name] = msgspec.defstruct(
            name, rows, tag_field=KIND_FIELD, tag=name, forbid_unknown_fields=True, frozen=True, gc=False
        )
    return types


@functools.cache
def decoder() -> msgspec.json.Decoder:
    """Decodes one line into the record type of its kind, strictly."""
    union: Any = functools.reduce(lambda left, right: left | right, struct_types().values())
    return msgspec.json.Decoder(union)
