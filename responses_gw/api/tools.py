"""Tools and ``tool_choice`` (SURFACE §6).

Tools are peeked at like items: a ``function`` is decoded, every other type is an
:class:`UnknownTool` that is echoed and left out of the prompt until a room of ours executes it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

__all__ = [
    "AllowedTool",
    "AllowedTools",
    "FunctionTool",
    "HostedToolChoice",
    "NamedFunction",
    "Tool",
    "ToolChoice",
    "ToolChoiceMode",
    "UnknownTool",
]

ToolName = Annotated[str, Meta(min_length=1, max_length=128, pattern="^[a-zA-Z0-9_-]+$")]
ToolChoiceMode = Literal["none", "auto", "required"]


class FunctionTool(Struct, frozen=True, tag_field="type", tag="function"):
    """``parameters`` is the client's JSON schema, byte for byte; ``strict`` absent means not
    strict.
    """

    name: ToolName
    parameters: Raw | UnsetType = UNSET
    description: str | None = None
    strict: bool | None = None


class UnknownTool(Struct, frozen=True):
    type: str
    raw: Raw


Tool = FunctionTool | UnknownTool


class NamedFunction(Struct, frozen=True, tag_field="type", tag="function"):
    name: str


class AllowedTool(Struct, frozen=True):
    """One entry of ``allowed_tools``; only some kinds of tools have names."""

    type: str
    name: str | None = None


class AllowedTools(Struct, frozen=True, tag_field="type", tag="allowed_tools"):
    """Only the functions named in ``tools`` may be called."""

    tools: list[AllowedTool]
    mode: Literal["none", "auto", "required"] = "auto"


class HostedToolChoice(Struct, frozen=True):
    """Any other object form: it names a tool that nobody runs here, so the model chooses."""

    type: str


ToolChoice = ToolChoiceMode | NamedFunction | AllowedTools | HostedToolChoice
