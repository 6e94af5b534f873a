"""A Responses request into the body of a chat completion request.

``model`` and ``messages`` stand first, so that two turns of a chain share their first bytes. What
vLLM rejects is never sent: no empty ``tools``, no ``tool_choice`` without tools (VLLM_CHAT,
"Rejected with 400").
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from ..api.request import (
    CreateResponse,
    JsonObjectFormat,
    JsonSchemaFormat,
    RequestBody,
    UpstreamExtras,
)
from ..api.tools import AllowedTools, FunctionTool, HostedToolChoice, NamedFunction
from .dialect import Dialect

__all__ = ["chat_request"]

Value = object
_encode = msgspec.json.Encoder().encode
_OPENAI_EXTRAS = ("logit_bias", "seed", "stop")
_VLLM_EXTRAS = UpstreamExtras.__struct_fields__
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


def chat_request(request: CreateResponse, messages: bytes, dialect: Dialect) -> bytes:
    """The JSON to send upstream; ``messages`` is what ``Transcript.messages`` gave."""
    body = request.body
    chat: dict[str, Value] = {
        "model": request.model,
        "messages": Raw(messages),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    chat |= _tools(request)
    chat |= {name: value for name in _SAMPLING if (value := getattr(body, name)) is not None}
    if body.max_output_tokens is not None:
        chat["max_completion_tokens"] = body.max_output_tokens
    if body.reasoning is not None and body.reasoning.effort is not None:
        chat["reasoning_effort"] = body.reasoning.effort
    if (format := _response_format(body)) is not None:
        chat["response_format"] = format
    for name in _VLLM_EXTRAS if dialect == "vllm" else _OPENAI_EXTRAS:
        value = getattr(body, name)
        if isinstance(value, Raw) and bytes(value) != b"null":
            chat[name] = value
    return _encode(chat)


def _tools(request: CreateResponse) -> dict[str, Value]:
    offered = [tool for tool in request.tools if isinstance(tool, FunctionTool)]
    choice = request.tool_choice
    if isinstance(choice, AllowedTools):
        allowed = {tool.name for tool in choice.tools if tool.type == "function"}
        offered = [tool for tool in offered if tool.name in allowed]
    if not offered:
        return {}
    fields: dict[str, Value] = {"tools": [_chat_tool(tool) for tool in offered]}
    match choice:
        case NamedFunction():
            fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
        case AllowedTools():
            fields["tool_choice"] = choice.mode
        case HostedToolChoice():
            fields["tool_choice"] = "auto"
        case _:
            fields["tool_choice"] = choice
    if request.body.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.body.parallel_tool_calls
    return fields


def _chat_tool(tool: FunctionTool) -> dict[str, Value]:
    function: dict[str, Value] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if isinstance(tool.parameters, Raw) and bytes(tool.parameters) != b"null":
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _response_format(body: RequestBody) -> dict[str, Value] | None:
    chosen = body.text.format if body.text is not None else None
    match chosen:
        case JsonObjectFormat():
            return {"type": "json_object"}
        case JsonSchemaFormat():
            schema: dict[str, Value] = {"name": chosen.name, "schema": chosen.schema}
            if chosen.description is not None:
                schema["description"] = chosen.description
            if chosen.strict is not None:
                schema["strict"] = chosen.strict
            return {"type": "json_schema", "json_schema": schema}
        case _:
            return None
