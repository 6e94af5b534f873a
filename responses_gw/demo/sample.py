"""The smallest sensible value that a JSON Schema accepts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

Schema = Mapping[str, object]

_DEPTH = 8  # a schema that refers to itself is cut here, with the shortest value that still fits
_FORMATS = {
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "date-time": "2026-01-01T12:00:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class UnknownType(ValueError):
    """The schema names a type that JSON does not have."""


def sample(schema: object) -> object:
    """A value that fits `schema`: required properties only, shortest strings and arrays.

    `pattern` is not honoured. Raises `UnknownType` for a type that JSON does not have.
    """
    return _value(schema, schema, 0)


def properties(schema: object) -> Schema:
    """The declared properties of an object schema, empty when there are none."""
    return _mapping(_mapping(schema).get("properties"))


def _value(schema: object, root: object, depth: int) -> object:
    fields = _mapping(schema)
    if "const" in fields:
        return fields["const"]
    for key in ("enum", "examples"):
        if options := _list(fields.get(key)):
            return options[0]
    if isinstance(reference := fields.get("$ref"), str):
        return None if depth > 3 * _DEPTH else _value(_resolve(reference, root), root, depth + 1)
    for key in ("anyOf", "oneOf"):
        if options := _list(fields.get(key)):
            return _value(_choose(options, depth), root, depth + 1)
    if parts := _list(fields.get("allOf")):
        values = [_value(part, root, depth + 1) for part in parts]
        if all(isinstance(value, dict) for value in values):
            merged: dict[str, object] = {}
            for value in values:
                merged.update(msgspec.convert(value, dict[str, object]))
            return merged
        return values[0]
    return _typed(_type(fields), fields, root, depth)


def _typed(kind: object, fields: Schema, root: object, depth: int) -> object:
    match kind:
        case "object":
            known, required = properties(fields), _list(fields.get("required"))
            return {
                str(name): _value(known.get(str(name), {}), root, depth + 1) for name in required
            }
        case "array":
            first = _list(fields.get("prefixItems"))
            count = max(_integer(fields.get("minItems")), len(first))
            rest = [fields.get("items", {})] * (count - len(first))
            return [_value(item, root, depth + 1) for item in [*first, *rest]]
        case "string":
            text = _FORMATS.get(str(fields.get("format")), "example")
            text = text.ljust(_integer(fields.get("minLength")), ".")
            limit = fields.get("maxLength")
            return text[:limit] if isinstance(limit, int) else text
        case "integer":
            return _number(fields, 1)
        case "number":
            return _number(fields, 0.5)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            raise UnknownType(f"Invalid type: {kind}")


def _type(fields: Schema) -> object:
    kind = fields.get("type")
    if kinds := _list(kind):
        return next((one for one in kinds if one != "null"), "null")
    if kind is not None:
        return kind
    if "properties" in fields:
        return "object"
    return "array" if "items" in fields else "string"


def _choose(options: list[object], depth: int) -> object:
    """The first alternative, or deep down the one that ends the descent."""
    if depth > _DEPTH:
        for option in options:
            if _mapping(option).get("type") == "null":
                return option
    return options[0]


def _number(fields: Schema, step: float) -> float:
    low, above = fields.get("minimum"), fields.get("exclusiveMinimum")
    high, below = fields.get("maximum"), fields.get("exclusiveMaximum")
    value: float = 1
    if isinstance(low, int | float):
        value = max(value, low)
    if isinstance(above, int | float):
        value = max(value, above + step)
    if isinstance(high, int | float):
        value = min(value, high)
    if isinstance(below, int | float):
        value = min(value, below - step)
    multiple = fields.get("multipleOf")
    if isinstance(multiple, int | float) and multiple > 0:
        value = -(-value // multiple) * multiple
    return value


def _resolve(reference: str, root: object) -> object:
    found = root
    for name in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
        found = _mapping(found).get(name.replace("~1", "/").replace("~0", "~"), {})
    return found


def _mapping(value: object) -> Schema:
    return {str(key): one for key, one in value.items()} if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0
