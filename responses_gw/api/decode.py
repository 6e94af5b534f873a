"""Bytes into Structs, and msgspec's faults into OpenAI's.

msgspec decodes and validates in one pass and stops at the first fault, with a message that names
the kind of fault and its place (``Expected `int` >= 16 - at `$.max_output_tokens```). That pass is
the only cost of a good request. Only when it fails is the input decoded a second time, without
types, to look up the value at that place: OpenAI's messages quote it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import inspect

from .errors import (
    ApiError,
    invalid_type,
    invalid_value,
    missing_required_parameter,
    out_of_bounds,
)

__all__ = ["Decoder", "Json", "join_path"]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
T = TypeVar("T")

_UNREADABLE = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't "
    "using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent "
    "was not valid JSON.)"
)
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.+)`")
_WRONG_TYPE = re.compile(r"Expected `([^`]+)`, got `(\w+)`")
_BOUND = re.compile(r"Expected `(int|float|decimal)` (>=|<=|>|<) (\S+)")
_LENGTH = re.compile(r"Expected `(str|array|object)` of length (>=|<=) (\d+)")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")

_PHRASES = {
    "str": "a string",
    "int": "an integer",
    "float": "a decimal",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


class Decoder(Generic[T]):
    """Decodes JSON bytes to ``type``; every fault is an :class:`ApiError` with a dotted path."""

    def __init__(self, type: type[T]) -> None:
        self._type = type
        self._decode = msgspec.json.Decoder(type).decode

    def decode(self, data: bytes | msgspec.Raw, *, at: str = "") -> T:
        """``at`` is the path of ``data`` in the request, such as ``input[3]``; "" is the body."""
        try:
            return self._decode(data)
        except msgspec.ValidationError as error:
            raise _explain(str(error), bytes(data), self._type, at) from error
        except _MALFORMED as error:
            raise ApiError(_UNREADABLE) from error


def join_path(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _explain(text: str, data: bytes, root: type, at: str) -> ApiError:
    try:
        whole = msgspec.json.decode(data)
    except _MALFORMED:
        return ApiError(_UNREADABLE)  # the first pass stopped before it came to that
    place = _PLACE.match(text)
    what, dotted = (place["what"], place["path"] or "") if place else (text, "")
    steps = _steps(dotted)
    path = _spell(at, steps)
    if match := _MISSING.match(what):
        return missing_required_parameter(join_path(path, match[1]))
    if match := _WRONG_TYPE.match(what):
        return invalid_type(path or "body", _one_of(match[1]), _phrase(match[2]))
    value = _value_at(whole, steps)
    if match := _BOUND.match(what):
        kind: Literal["integer", "decimal"] = "integer" if match[1] == "int" else "decimal"
        return out_of_bounds(path, kind, f"{match[2]} {match[3].removesuffix('.0')}", value)
    if match := _LENGTH.match(what):
        return _wrong_length(path, match[1], match[2], int(match[3]), value)
    if what.startswith(("Invalid enum value", "Invalid value")):
        return invalid_value(path, value, _supported(root, steps))
    if what.startswith("Expected `str` matching regex"):
        pattern = what.split("regex", 1)[1].strip().strip("'`\"")
        return ApiError(
            f"Invalid '{path}': string does not match pattern. Expected a string that matches the "
            f"pattern '{pattern}'.",
            code="invalid_value",
            param=path,
        )
    return invalid_value(path or "body", value)


def _steps(dotted: str) -> list[str | int | None]:
    """Names, list positions, and None for a key of a map, whose name msgspec does not tell."""
    found: list[str | int | None] = []
    for match in _STEP.finditer(dotted):
        if match[1] is not None:
            found.append(match[1])
        else:
            found.append(int(match[2]) if match[2] is not None else None)
    return found


def _spell(at: str, steps: Sequence[str | int | None]) -> str:
    path = at
    for step in steps:
        if isinstance(step, str):
            path = join_path(path, step)
        elif step is not None:
            path = f"{path}[{step}]"
    return path


def _value_at(value: Json, steps: Sequence[str | int | None]) -> Json:
    # a key may stand twice in what the client sent: then this is not the value that was wrong
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _phrase(name: str) -> str:
    return _PHRASES.get(name, f"a {name}")


def _one_of(names: str) -> str:
    phrases = [_phrase(name) for name in names.split(" | ") if name != "null"]
    if len(phrases) < 2:
        return phrases[0] if phrases else "null"
    return f"one of {', '.join(phrases[:-1])} or {phrases[-1]}"


def _wrong_length(path: str, kind: str, sign: str, bound: int, value: Json) -> ApiError:
    length = len(value) if isinstance(value, str | list | dict) else 0
    if kind == "str":
        if bound == 1 and length == 0:
            what, code = "empty string", "empty_string"
        else:
            what = "string too long" if sign == "<=" else "string too short"
            code = "string_above_max_length" if sign == "<=" else "string_below_min_length"
        side = "maximum" if sign == "<=" else "minimum"
        return ApiError(
            f"Invalid '{path}': {what}. Expected a string with {side} length {bound}, but got "
            f"{'an empty string' if length == 0 else f'a string with length {length}'} instead.",
            code=code,
            param=path,
        )
    if length == 0:
        return ApiError(
            f"Invalid '{path}': empty array. Expected an array with minimum length {bound}, but "
            "got an empty array instead.",
            code="empty_array",
            param=path,
        )
    return ApiError(
        f"Invalid '{path}': array too long. Expected an array with maximum length {bound}, but got "
        f"an array with length {length} instead.",
        code="array_above_max_length",
        param=path,
    )


def _supported(root: type, steps: Sequence[str | int | None]) -> list[str]:
    """The values that the type at the end of ``steps`` takes: literals, or the tags of a union."""
    types = [inspect.type_info(root)]
    for step in steps:
        types = [found for one in _flat(types) for found in _step_into(one, step)]
    values: list[str] = []
    for one in _flat(types):
        if isinstance(one, inspect.LiteralType):
            values += [str(value) for value in one.values if str(value) not in values]
    return values


def _flat(types: Sequence[inspect.Type]) -> list[inspect.Type]:
    found: list[inspect.Type] = []
    for one in types:
        if isinstance(one, inspect.Metadata):
            found += _flat([one.type])
        elif isinstance(one, inspect.UnionType):
            found += _flat(one.types)
        else:
            found.append(one)
    return found


def _step_into(type: inspect.Type, step: str | int | None) -> list[inspect.Type]:
    if isinstance(type, inspect.StructType) and isinstance(step, str):
        if step == type.tag_field and isinstance(type.tag, str):
            return [inspect.LiteralType((type.tag,))]
        return [field.type for field in type.fields if field.encode_name == step]
    if isinstance(type, inspect.ListType):
        return [type.item_type]
    if isinstance(type, inspect.DictType):
        return [type.value_type]
    return []
