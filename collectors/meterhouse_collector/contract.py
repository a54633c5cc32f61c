"""Publishes the contract as JSON Schema: `python -m meterhouse_collector.contract > models/contracts/event.v1.json`.

The published file is all that the server, the gateway and other languages know of events; it is frozen by digest.
"""

import json
import sys
from typing import Any, Dict

from . import events
from .fields import COUNT_MAX, FIELDS, Field


def property_schema(field: Field) -> Dict[str, Any]:
    """JSON Schema of one field, with our type, unit and whether it is personal as x- keywords."""
    schema: Dict[str, Any] = {
        "id": {"type": "string", "pattern": events.ID_PATTERN},
        "text": {"type": "string", "pattern": events.TEXT_PATTERN},
        "texts": {"type": "array", "maxItems": 32, "items": {"type": "string", "pattern": events.TEXT_PATTERN}},
        "count": {"type": "integer", "minimum": 0, "maximum": COUNT_MAX},
        "integer": {"type": "integer", "minimum": -COUNT_MAX, "maximum": COUNT_MAX},
        "boolean": {"type": "boolean"},
        "instant": {"type": "string", "format": "date-time", "pattern": events.INSTANT_PATTERN},
        "day": {"type": "string", "format": "date", "pattern": events.DAY_PATTERN},
        "money": {"type": "string", "pattern": events.MONEY_PATTERN},
        "share": {"type": "string", "pattern": events.SHARE_PATTERN},
    }[field.type]
    schema = {**schema, "description": field.about, "x-type": field.type, "x-personal": field.personal}
    if field.unit:
        schema["x-unit"] = field.unit
    return schema


def kind_schema(name: str, kind: events.Kind) -> Dict[str, Any]:
    """JSON Schema of one kind; unknown properties are allowed, because a newer collector may send more."""
    properties = {field: property_schema(FIELDS[field]) for field in kind.fields}
    properties["kind"] = {**properties["kind"], "const": name}
    return {
        "type": "object",
        "description": kind.about,
        "required": [*events.ENVELOPE, *kind.required],
        "properties": properties,
    }


def published() -> Dict[str, Any]:
    """The whole contract."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:meterhouse:event:v1",
        "title": "Meterhouse event, version 1",
        "description": "One line of a segment: one JSON object, content-free. Written by meterhouse_collector.contract.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in events.KINDS],
        "$defs": {name: kind_schema(name, kind) for name, kind in events.KINDS.items()},
    }


if __name__ == "__main__":
    json.dump(published(), sys.stdout, indent=1, ensure_ascii=True)
    sys.stdout.write("\n")
