"""What a request fixed, as every Response object of it says (SURFACE §3, the echoed half)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from .options import JsonSchemaFormat, TextConfig
from .request import CreateResponse
from .response import ReasoningEcho, ResponseSettings
from .tools import AllowedTools, FunctionTool, without_secrets

__all__ = ["response_settings"]

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_FUNCTION_DEFAULTS = {
    "description": Raw(b"null"),
    "parameters": Raw(b"null"),
    "strict": Raw(b"false"),
}


def response_settings(request: CreateResponse) -> bytes:
    """The encoded :class:`ResponseSettings`; every key that has a default shows it."""
    body = request.body
    settings = ResponseSettings(
        background=False,
        instructions=body.instructions,
        max_output_tokens=body.max_output_tokens,
        max_tool_calls=body.max_tool_calls,
        model=request.model,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        previous_response_id=body.previous_response_id,
        prompt=body.prompt or UNSET,
        prompt_cache_key=body.prompt_cache_key,
        reasoning=_reasoning(request),
        safety_identifier=body.safety_identifier,
        store=request.store,
        temperature=1.0 if body.temperature is None else body.temperature,
        text=_text(body.text),
        tool_choice=_tool_choice(request),
        tools=tuple(
            _function(raw) if isinstance(tool, FunctionTool) else without_secrets(raw)
            for tool, raw in zip(request.tools, request.raw_tools, strict=True)
        ),
        top_logprobs=body.top_logprobs or 0,
        top_p=1.0 if body.top_p is None else body.top_p,
        presence_penalty=body.presence_penalty or 0.0,
        frequency_penalty=body.frequency_penalty or 0.0,
        truncation=body.truncation or "disabled",
        user=body.user,
        metadata=request.metadata,
    )
    return _on_one_line(_encode(settings))


def _on_one_line(data: bytes) -> bytes:
    """A client may have indented its schemas; a line break would end the line of an SSE event."""
    if b"\n" in data or b"\r" in data:
        return bytes(msgspec.json.format(data, indent=-1))
    return data


def _reasoning(request: CreateResponse) -> ReasoningEcho:
    asked = request.body.reasoning
    if asked is None:
        return ReasoningEcho(None, None)
    return ReasoningEcho(asked.effort, asked.summary or asked.generate_summary)


def _tool_choice(request: CreateResponse) -> Raw:
    given = request.body.tool_choice
    if isinstance(request.tool_choice, AllowedTools):
        keys = _decode_object(given) if isinstance(given, Raw) else {}
        return Raw(_encode(keys | {"mode": request.tool_choice.mode}))
    return given if isinstance(given, Raw) and bytes(given) != b"null" else Raw(b'"auto"')


def _text(config: TextConfig | None) -> Raw:
    text: dict[str, object] = {"format": {"type": "text"}}
    if config is not None and config.format is not None:
        text["format"] = config.format
        if isinstance(config.format, JsonSchemaFormat):
            text["format"] = {
                "type": "json_schema",
                "name": config.format.name,
                "description": config.format.description,
                "schema": config.format.schema,
                "strict": config.format.strict is True,
            }
    text["verbosity"] = (config.verbosity if config is not None else None) or "medium"
    return Raw(_encode(text))


def _function(raw: Raw) -> Raw:
    """The client's tool with the keys that every function echo has."""
    keys = _decode_object(raw)
    for name, default in _FUNCTION_DEFAULTS.items():
        keys.setdefault(name, default)
    return Raw(_encode(keys))
