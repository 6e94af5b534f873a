"""Calls and outputs of a history, of whatever type, as the function calls that the model made.

The inverse of ``machine/actions.py``: an item of a tool's own type becomes again what the model
wrote, in the form that ``functions.py`` has told it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from ..api.items import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    ComputerCall,
    ComputerCallOutput,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    LocalShellCall,
    LocalShellCallOutput,
    ShellCall,
    ShellCallOutput,
    ToolSearchCall,
    ToolSearchOutput,
)
from ..api.items.client_tools import ShellExit, ShellOutput
from ..api.tools import CallTarget
from .functions import INPUT
from .parts import ChatPart, chat_content

__all__ = ["CALLS", "OUTPUTS", "Call", "answered_by", "call_of", "output_of"]

CallItem = (
    FunctionCall
    | CustomToolCall
    | ToolSearchCall
    | LocalShellCall
    | ShellCall
    | ApplyPatchCall
    | ComputerCall
)
OutputItem = (
    FunctionCallOutput
    | CustomToolCallOutput
    | ToolSearchOutput
    | LocalShellCallOutput
    | ShellCallOutput
    | ApplyPatchCallOutput
    | ComputerCallOutput
)
CALLS = (
    FunctionCall,
    CustomToolCall,
    ToolSearchCall,
    LocalShellCall,
    ShellCall,
    ApplyPatchCall,
    ComputerCall,
)
OUTPUTS = (
    FunctionCallOutput,
    CustomToolCallOutput,
    ToolSearchOutput,
    LocalShellCallOutput,
    ShellCallOutput,
    ApplyPatchCallOutput,
    ComputerCallOutput,
)
_encode = msgspec.json.Encoder().encode


class Call(Struct, frozen=True):
    """``arguments`` as the model wrote them; ``is_cut``: it was broken off in the middle."""

    id: str
    target: CallTarget
    arguments: str
    is_cut: bool


def call_of(item: CallItem) -> Call | None:
    """None for a call that a server made by itself."""
    if item.call_id is None:
        return None
    target, arguments = _parts_of(item)
    return Call(item.call_id, target, arguments, item.status == "incomplete")


def _parts_of(item: CallItem) -> tuple[CallTarget, str]:
    match item:
        case FunctionCall():
            return CallTarget("function", item.name, item.namespace), item.arguments
        case CustomToolCall():
            return CallTarget("custom", item.name, item.namespace), _json({INPUT: item.input})
        case ToolSearchCall():
            return CallTarget("tool_search", "tool_search"), _json(_compact(item.arguments))
        case LocalShellCall():
            action = item.action
            arguments: dict[str, object] = {"command": action.command}
            more = {"working_directory": action.working_directory, "timeout_ms": action.timeout_ms}
            arguments |= _set(more) | ({"env": action.env} if action.env else {})
            return CallTarget("local_shell", "local_shell"), _json(arguments)
        case ShellCall():
            bounds = {
                "timeout_ms": item.action.timeout_ms,
                "max_output_length": item.action.max_output_length,
            }
            return CallTarget("shell", "shell"), _json(
                {"commands": item.action.commands} | _set(bounds)
            )
        case ApplyPatchCall():
            return CallTarget("apply_patch", "apply_patch"), _json(item.operation)
        case ComputerCall():
            if item.action is not None:
                target = CallTarget("computer_use_preview", "computer")
                return target, _json({"action": _compact(Raw(_encode(item.action)))})
            return CallTarget("computer", "computer"), _json(
                {"actions": [_compact(action) for action in item.actions or ()]}
            )


def answered_by(item: OutputItem) -> str | None:
    """The id of the call; None for what nobody called."""
    return item.call_id or item.id if isinstance(item, LocalShellCallOutput) else item.call_id


def output_of(item: OutputItem) -> tuple[str | None, str | list[ChatPart]]:
    """The id of the call that is answered, and what the model is told."""
    match item:
        case FunctionCallOutput() | CustomToolCallOutput():
            return item.call_id, chat_content(item.output)
        case ToolSearchOutput():
            return item.call_id, _found(item.tools)
        case LocalShellCallOutput():
            return answered_by(item), item.output
        case ShellCallOutput():
            return item.call_id, "\n".join(map(_shell_text, item.output))
        case ApplyPatchCallOutput():
            return item.call_id, item.output or f"The patch has {item.status}."
        case ComputerCallOutput():
            return item.call_id, _screenshot(item.output.image_url)


def _found(tools: list[Raw]) -> str:
    """The names of the tools; they themselves stand among the functions."""
    named = [msgspec.json.decode(tool, type=_Named) for tool in tools]
    lines = [tool.line for tool in named if isinstance(tool.name, str)]
    return "\n".join(["These tools can be called now:", *lines]) if lines else "No tool was found."


class _Named(Struct):
    """Of a tool of any type, also one that we do not know."""

    name: object = None
    description: object = None

    @property
    def line(self) -> str:
        described = isinstance(self.description, str) and self.description
        return f"- {self.name}: {self.description}" if described else f"- {self.name}"


def _shell_text(output: ShellOutput) -> str:
    end = (
        f"exit code {output.outcome.exit_code}"
        if isinstance(output.outcome, ShellExit)
        else "timed out"
    )
    streams = [text for text in (output.stdout, output.stderr) if text]
    return "\n".join([*streams, f"[{end}]"])


def _screenshot(url: str | None) -> str | list[ChatPart]:
    if url is None:
        return "The screenshot cannot be shown."
    return [{"type": "image_url", "image_url": {"url": url}}]


def _compact(raw: Raw) -> Raw:
    """The same bytes, however a client has laid the JSON out that it replays."""
    return Raw(bytes(msgspec.json.format(bytes(raw), indent=-1)))


def _set(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _json(value: object) -> str:
    return _encode(value).decode()
