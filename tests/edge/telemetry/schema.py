"""Holds a message against docs/schemas/message.json: the few words of JSON Schema that it uses, by hand."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.conftest import REPOSITORY

SCHEMA: dict[str, Any] = json.loads((REPOSITORY / "docs" / "schemas" / "message.json").read_text())
KNOWN = {
    "$schema", "$id", "$defs", "$ref", "title", "description", "type", "const", "enum", "pattern", "minimum",
    "maximum", "required", "properties", "additionalProperties", "items", "minItems", "maxItems", "oneOf",
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def faults_of(value: Any, schema: dict[str, Any] = SCHEMA, path: str = "message") -> Iterator[str]:
    """What does not fit; nothing when all does."""
    assert set(schema) <= KNOWN, f"the checker does not know {set(schema) - KNOWN}"
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "oneOf" in schema and sum(not list(faults_of(value, one, path)) for one in schema["oneOf"]) != 1:
        yield f"{path}: not exactly one of the choices: {value}"
    types = schema.get("type", list(TYPES))
    allowed = [kind for name in ([types] if isinstance(types, str) else types) for kind in TYPES[name]]
    if not isinstance(value, tuple(allowed)) or (isinstance(value, bool) and bool not in allowed):
        yield f"{path}: {value!r} is none of {types}"
        return
    yield from faults_of_scalar(value, schema, path)
    if isinstance(value, dict):
        yield from faults_of_object(value, schema, path)
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{path}: {len(value)} items"
        for number, item in enumerate(value):
            yield from faults_of(item, schema.get("items", {}), f"{path}[{number}]")


def faults_of_scalar(value: Any, schema: dict[str, Any], path: str) -> Iterator[str]:
    if value != schema.get("const", value) or value not in schema.get("enum", [value]):
        yield f"{path}: {value!r} is not allowed"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{path}: {value!r} does not match"
    if isinstance(value, int | float):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        if not low <= value <= high:
            yield f"{path}: {value!r} is out of range"


def faults_of_object(value: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    known = schema.get("properties", {})
    yield from (f"{path}: {name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, item in value.items():
        if name in known:
            yield from faults_of(item, known[name], f"{path}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{path}: {name} is not known"
