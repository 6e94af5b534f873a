"""A request's bytes into a :class:`CreateResponse`: the rules that span fields (SURFACE §2, §9).

Unknown fields, item types and tool types never fail a request; wrong types and values of known ones
do, with OpenAI's 400 and the path of the field.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from .decode import Decoder, join_path
from .errors import (
    ApiError,
    invalid_type,
    invalid_value,
    missing_required_parameter,
    out_of_bounds,
    prompt_not_found,
    unsupported_parameter,
)
from .items import (
    ITEM_KINDS,
    AdditionalTools,
    InputItem,
    ItemHead,
    Message,
    ToolSearchOutput,
    UnknownItem,
)
from .options import JsonSchemaFormat
from .parts import check_parts
from .request import CreateResponse, RequestBody
from .tools import (
    TOOLS,
    AllowedTools,
    CustomTool,
    FunctionTool,
    HostedToolChoice,
    NamedTool,
    NamespaceTool,
    Tool,
    ToolChoice,
    ToolChoiceMode,
    UnknownTool,
)

__all__ = ["FillPrompt", "decode_create_response", "decode_input_item", "decode_tool"]

MIN_OUTPUT_TOKENS = 16
MAX_INPUT_CHARACTERS = 10_485_760
MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512
TOOL_CHOICE_MODES: dict[str, ToolChoiceMode] = {
    "none": "none",
    "auto": "auto",
    "required": "required",
}


class _Typed(Struct):
    type: str


_encode = msgspec.json.Encoder().encode
_body = Decoder(RequestBody)
_head = Decoder(ItemHead)
_items = {name: Decoder(kind.type) for name, kind in ITEM_KINDS.items()}
_typed = Decoder(_Typed)
_string = Decoder(str)
_object = Decoder(dict[str, Raw])
_tools = {name: Decoder(kind) for name, kind in TOOLS.items()}
_named = Decoder(NamedTool)
_allowed = Decoder(AllowedTools)
_hosted = Decoder(HostedToolChoice)


FillPrompt = Callable[[RequestBody], RequestBody]
"""Puts a prompt template's contents where the request has none. Raises :class:`ApiError`."""


def _no_prompts(body: RequestBody) -> RequestBody:
    assert body.prompt is not None
    raise prompt_not_found(body.prompt.id)


def decode_create_response(data: bytes, fill_prompt: FillPrompt = _no_prompts) -> CreateResponse:
    """Decode and check a whole request body.

    Raises :class:`ApiError` (400, or 404 for an unknown prompt) for anything that is wrong with it.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise ApiError("Your request body is not valid UTF-8.") from error
    body = _body.decode(data)
    if body.prompt is not None:
        body = fill_prompt(body)
    if not body.model:
        raise missing_required_parameter("model")
    _refuse_unbuilt(body)
    if body.stream_options is not None and body.stream is not True:
        raise ApiError(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            code="invalid_value",
            param="stream_options",
        )
    _check_schema(body)
    _check_output_bound(body)
    raw_items = _raw_items(body)
    items = tuple(decode_input_item(raw, f"input[{at}]") for at, raw in enumerate(raw_items))
    for at, item in enumerate(items):
        check_parts(item, f"input[{at}]")
    raw_tools = tuple(body.tools or ())
    tools = tuple(decode_tool(raw, f"tools[{at}]") for at, raw in enumerate(raw_tools))
    return CreateResponse(
        body=body,
        model=body.model,
        items=items,
        raw_items=raw_items,
        tools=tools,
        raw_tools=raw_tools,
        tool_choice=_decode_tool_choice(body.tool_choice),
        metadata=_check_metadata(body.metadata or {}),
    )


def decode_input_item(raw: Raw | bytes, at: str) -> InputItem:
    """One item; ``at`` is its path for errors. Unknown kinds come back as :class:`UnknownItem`."""
    head = _head.decode(raw, at=at)
    kind = head.type
    if kind is None or kind is UNSET:
        if isinstance(head.role, Raw):
            kind = "message"
        elif isinstance(head.id, Raw):
            kind = "item_reference"
        else:
            raise missing_required_parameter(join_path(at, "type"))
        if head.type is None:
            raw = _encode(_object.decode(raw, at=at) | {"type": Raw(_encode(kind))})
    decoder = _items.get(kind)
    if decoder is None:
        return UnknownItem(kind, Raw(raw))
    item = decoder.decode(raw, at=at)
    if isinstance(item, AdditionalTools | ToolSearchOutput):
        for number, tool in enumerate(item.tools):
            decode_tool(tool, f"{at}.tools[{number}]")
    return item


def _raw_items(body: RequestBody) -> tuple[Raw, ...]:
    if isinstance(body.input, str):
        if len(body.input) > MAX_INPUT_CHARACTERS:
            raise _too_long("input", MAX_INPUT_CHARACTERS, len(body.input))
        return (Raw(_encode(Message(role="user", content=body.input))),)
    if body.input or body.previous_response_id is not None or body.prompt is not None:
        return tuple(body.input or ())
    raise missing_required_parameter("input")


def _refuse_unbuilt(body: RequestBody) -> None:
    """What would silently mean something else if it were ignored."""
    if body.background:
        raise unsupported_parameter("background", "is not supported by this server.")
    if isinstance(body.conversation, Raw) and bytes(body.conversation) != b"null":
        raise unsupported_parameter("conversation", "is not supported by this server.")


def _check_output_bound(body: RequestBody) -> None:
    """At least 16, but for a probe that has a model loaded: no text, one token (CLIENTS §3)."""
    bound = body.max_output_tokens
    if bound is not None and bound < MIN_OUTPUT_TOKENS and body.input != "":
        raise out_of_bounds("max_output_tokens", "integer", f">= {MIN_OUTPUT_TOKENS}", bound)


def _check_schema(body: RequestBody) -> None:
    chosen = body.text.format if body.text is not None else None
    if isinstance(chosen, JsonSchemaFormat):
        schema = bytes(chosen.schema)
        if schema[:1] != b"{":
            raise invalid_type("text.format.schema", "an object", _kind_of(schema))


def decode_tool(raw: Raw, at: str) -> Tool:
    """One tool; ``at`` is its path for errors. Unknown types come back as :class:`UnknownTool`."""
    kind = _typed.decode(raw, at=at).type
    decoder = _tools.get(kind)
    if decoder is None:
        return UnknownTool(kind, raw)
    tool = decoder.decode(raw, at=at)
    if isinstance(tool, FunctionTool) and isinstance(tool.parameters, Raw):
        parameters = bytes(tool.parameters)
        if parameters[:1] != b"{" and parameters != b"null":
            raise invalid_type(join_path(at, "parameters"), "an object", _kind_of(parameters))
    if isinstance(tool, NamespaceTool):
        for number, inner in enumerate(tool.tools):
            _check_grouped(inner, f"{at}.tools[{number}]")
    return tool


def _check_grouped(raw: Raw, at: str) -> None:
    if not isinstance(decode_tool(raw, at), FunctionTool | CustomTool | UnknownTool):
        kind = _typed.decode(raw, at=at).type
        raise invalid_value(join_path(at, "type"), kind, ("function", "custom"))


def _decode_tool_choice(raw: Raw | UnsetType) -> ToolChoice:
    """Whether what it names is there is known only with the history (``prompt.toolset``)."""
    data = bytes(raw) if isinstance(raw, Raw) else b"null"
    if data == b"null":
        return "auto"
    if data[:1] == b'"':
        value = _string.decode(data, at="tool_choice")
        mode = TOOL_CHOICE_MODES.get(value)
        if mode is None:
            raise invalid_value("tool_choice", value, TOOL_CHOICE_MODES)
        return mode
    if data[:1] != b"{":
        raise invalid_type("tool_choice", "one of a string or an object", _kind_of(data))
    kind = _typed.decode(data, at="tool_choice").type
    if kind in ("function", "custom"):
        return _named.decode(data, at="tool_choice")
    if kind == "allowed_tools":
        return _allowed.decode(data, at="tool_choice")
    return _hosted.decode(data, at="tool_choice")


def _check_metadata(raw: dict[str, Raw]) -> dict[str, str]:
    if len(raw) > MAX_METADATA_PAIRS:
        raise ApiError(
            "Invalid 'metadata': too many properties. Expected an object with at most "
            f"{MAX_METADATA_PAIRS} properties, but got an object with {len(raw)} properties "
            "instead.",
            code="object_above_max_properties",
            param="metadata",
        )
    metadata: dict[str, str] = {}
    for key, value in raw.items():
        if len(key) > MAX_METADATA_KEY:
            raise _too_long("metadata", MAX_METADATA_KEY, len(key))
        path = f"metadata.{key}"
        metadata[key] = _string.decode(value, at=path)
        if len(metadata[key]) > MAX_METADATA_VALUE:
            raise _too_long(path, MAX_METADATA_VALUE, len(metadata[key]))
    return metadata


def _too_long(path: str, limit: int, length: int) -> ApiError:
    return ApiError(
        f"Invalid '{path}': string too long. Expected a string with maximum length {limit}, but "
        f"got a string with length {length} instead.",
        code="string_above_max_length",
        param=path,
    )


def _kind_of(data: bytes) -> str:
    """The phrase for a JSON value from its first byte."""
    first = data[:1]
    if first == b'"':
        return "a string"
    if first == b"[":
        return "an array"
    if first in (b"t", b"f"):
        return "a boolean"
    if first == b"n":
        return "null"
    return "an object" if first == b"{" else "a number"
