"""Calls of functions and custom tools, the search for tools, and their outputs (SURFACE §5.1)."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from ..content import ContentPart
from .conversation import ItemStatus

__all__ = [
    "AdditionalTools",
    "CustomToolCall",
    "CustomToolCallOutput",
    "FunctionCall",
    "FunctionCallOutput",
    "ToolSearchCall",
    "ToolSearchOutput",
]

Execution = Literal["server", "client"]


class FunctionCall(Struct, frozen=True, tag_field="type", tag="function_call"):
    name: str
    arguments: str
    call_id: str
    id: str | None = None
    namespace: str | None = None
    status: ItemStatus | None = None


class FunctionCallOutput(Struct, frozen=True, tag_field="type", tag="function_call_output"):
    """``call_id`` is missing when a server began the call; then there is no call to answer."""

    output: str | list[ContentPart]
    call_id: str | None = None
    name: str | None = None
    id: str | None = None
    status: ItemStatus | None = None


class CustomToolCall(Struct, frozen=True, tag_field="type", tag="custom_tool_call"):
    name: str
    input: str
    call_id: str
    id: str | None = None
    namespace: str | None = None
    status: ItemStatus | None = None


class CustomToolCallOutput(Struct, frozen=True, tag_field="type", tag="custom_tool_call_output"):
    call_id: str
    output: str | list[ContentPart]
    id: str | None = None
    status: ItemStatus | None = None


class ToolSearchCall(Struct, frozen=True, tag_field="type", tag="tool_search_call"):
    """``arguments`` is a JSON value and no string; a server's own search has no ``call_id``."""

    arguments: Raw
    call_id: str | None = None
    execution: Execution | None = None
    id: str | None = None
    status: ItemStatus | None = None


class ToolSearchOutput(Struct, frozen=True, tag_field="type", tag="tool_search_output"):
    """``tools`` can be called from here on."""

    tools: list[Raw]
    call_id: str | None = None
    execution: Execution | None = None
    id: str | None = None
    status: ItemStatus | None = None


class AdditionalTools(Struct, frozen=True, tag_field="type", tag="additional_tools"):
    """Tools that a client declares in its input."""

    tools: list[Raw]
    role: str | None = None
    id: str | None = None
