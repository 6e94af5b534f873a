"""What the model is told about a tool: the description and the parameters of its function."""

from __future__ import annotations

from msgspec import Raw

from ..api.tools import (
    ApplyPatchTool,
    ComputerTool,
    ComputerUsePreviewTool,
    CustomTool,
    FunctionTool,
    GrammarFormat,
    LocalShellTool,
    ShellTool,
    Tool,
    ToolSearchTool,
)

__all__ = ["INPUT", "function_of"]

INPUT = "input"
"""The one parameter of a custom tool's function."""

Function = dict[str, object]
_TEXT = {"type": "string"}
_INTEGER = {"type": "integer"}


def function_of(tool: Tool, can_constrain: bool) -> Function:
    """The chat function without its name. ``can_constrain``: the model server takes ``strict``."""
    match tool:
        case FunctionTool():
            return _function(tool)
        case CustomTool():
            return _custom(tool, can_constrain)
        case ToolSearchTool():
            return _tool_search(tool)
        case LocalShellTool():
            return _LOCAL_SHELL
        case ShellTool():
            return _SHELL
        case ApplyPatchTool():
            return _APPLY_PATCH
        case ComputerTool():
            return _COMPUTER
        case ComputerUsePreviewTool():
            return _computer_preview(tool)
    raise TypeError(f"{type(tool).__name__} is not for the model to call")


def _function(tool: FunctionTool) -> Function:
    """The client's own schema, untouched."""
    function: Function = {}
    if tool.description is not None:
        function["description"] = tool.description
    if isinstance(tool.parameters, Raw) and bytes(tool.parameters) != b"null":
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def _custom(tool: CustomTool, can_constrain: bool) -> Function:
    text: dict[str, object] = {"type": "string", "description": "The input, as plain text."}
    described = tool.description or f"Calls {tool.name} with free text."
    if isinstance(tool.format, GrammarFormat):
        text["description"] = "The input, as plain text that follows the grammar."
        described += (
            f"\n\nThe input must follow this {tool.format.syntax} grammar:\n"
            f"{tool.format.definition}"
        )
        if can_constrain and tool.format.syntax == "regex":
            text["pattern"] = tool.format.definition
    function = _taking({INPUT: text}, [INPUT], described)
    if can_constrain:
        function["strict"] = True  # or the model server takes any text for arguments
    return function


def _tool_search(tool: ToolSearchTool) -> Function:
    described = tool.description or "Searches for tools that can be called afterwards."
    if isinstance(tool.parameters, Raw) and bytes(tool.parameters) != b"null":
        return {"description": described, "parameters": tool.parameters}
    query = {"type": "string", "description": "What the tool should be able to do."}
    return _taking({"query": query}, ["query"], described)


def _computer_preview(tool: ComputerUsePreviewTool) -> Function:
    described = (
        f"Does one thing with a {tool.environment} screen of {tool.display_width} by "
        f"{tool.display_height} pixels and returns a screenshot."
    )
    return _taking({"action": _ACTION}, ["action"], described)


def _taking(properties: dict[str, object], required: list[str], description: str) -> Function:
    return {
        "description": description,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
    }


_LOCAL_SHELL = _taking(
    {
        "command": {"type": "array", "items": _TEXT, "description": "The program, its arguments."},
        "working_directory": _TEXT,
        "timeout_ms": _INTEGER,
        "env": {"type": "object", "additionalProperties": _TEXT},
    },
    ["command"],
    "Runs a command on the user's machine and returns its output.",
)
_SHELL = _taking(
    {
        "commands": {"type": "array", "items": _TEXT, "description": "Command lines to run."},
        "timeout_ms": _INTEGER,
        "max_output_length": {"type": "integer", "description": "In characters."},
    },
    ["commands"],
    "Runs command lines in a shell on the user's machine and returns their output.",
)
_APPLY_PATCH = _taking(
    {
        "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
        "path": _TEXT,
        "diff": {"type": "string", "description": "A V4A diff; not for delete_file."},
    },
    ["type", "path"],
    "Creates, changes or deletes one file.",
)
_ACTION = {
    "type": "object",
    "properties": {
        "type": {
            "type": "string",
            "enum": [
                "click", "double_click", "drag", "keypress", "move", "screenshot", "scroll",
                "type", "wait",
            ],
        },
        "x": _INTEGER,
        "y": _INTEGER,
        "button": {"type": "string", "enum": ["left", "right", "wheel", "back", "forward"]},
        "keys": {"type": "array", "items": _TEXT},
        "text": _TEXT,
        "scroll_x": _INTEGER,
        "scroll_y": _INTEGER,
        "path": {
            "type": "array",
            "items": {"type": "object", "properties": {"x": _INTEGER, "y": _INTEGER}},
        },
    },
    "required": ["type"],
}  # fmt: skip
_COMPUTER = _taking(
    {"actions": {"type": "array", "items": _ACTION}},
    ["actions"],
    "Uses the computer's mouse and keyboard and returns a screenshot.",
)
