"""Calls of a client's built-in tools: a model's arguments into an item of the tool's own type.

The model is shown a function; what it writes becomes the action that the client knows how to run
(SURFACE §7.12, §7.13). Models are taken at their word where that is clear: a command that is one
string is a command line.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

from ..api.items.client_tools import (
    CreateFile,
    DeleteFile,
    LocalShellAction,
    PatchOperation,
    ShellAction,
    UpdateFile,
)
from ..api.items.conversation import ItemStatus
from ..api.items.output import (
    OutputApplyPatchCall,
    OutputComputerCall,
    OutputItem,
    OutputLocalShellCall,
    OutputShellCall,
    OutputToolSearchCall,
)
from ..api.tools import CallKind

__all__ = ["ActionItem", "action_item", "blank"]

ActionItem = (
    OutputToolSearchCall
    | OutputLocalShellCall
    | OutputShellCall
    | OutputApplyPatchCall
    | OutputComputerCall
)


class LocalShellArguments(Struct):
    command: list[str] | str
    env: dict[str, str] | None = None
    timeout_ms: int | None = None
    working_directory: str | None = None


class ShellArguments(Struct):
    commands: list[str] | str
    timeout_ms: int | None = None
    max_output_length: int | None = None


class ComputerArguments(Struct):
    actions: list[Raw]


class ComputerPreviewArguments(Struct):
    action: Raw


# numbers may be written as strings
_local_shell = msgspec.json.Decoder(LocalShellArguments, strict=False).decode
_shell = msgspec.json.Decoder(ShellArguments, strict=False).decode
_patch: Callable[[str], PatchOperation] = msgspec.json.Decoder(PatchOperation).decode
_computer = msgspec.json.Decoder(ComputerArguments).decode
_preview = msgspec.json.Decoder(ComputerPreviewArguments).decode
_object = msgspec.json.Decoder(dict[str, Raw]).decode


def action_item(
    kind: CallKind, id: str, call_id: str, arguments: str, status: ItemStatus
) -> ActionItem | None:
    """The finished item, or None when the arguments are not what the tool takes."""
    try:
        return _MAKERS[kind](id, call_id, arguments, status)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None


def blank(item: ActionItem) -> OutputItem:
    """The item as it opens: nothing known but what it is (ORDERING §2.13)."""
    replace = msgspec.structs.replace
    match item:
        case OutputToolSearchCall():
            return replace(item, status="in_progress", arguments=Raw(b"{}"))
        case OutputLocalShellCall():
            return replace(item, status="in_progress", action=LocalShellAction(()))
        case OutputShellCall():
            return replace(item, status="in_progress", action=ShellAction(()))
        case OutputComputerCall():
            return replace(item, status="in_progress")
        case OutputApplyPatchCall(operation=DeleteFile()):
            return replace(item, status="in_progress")
        case OutputApplyPatchCall(operation=CreateFile() | UpdateFile() as operation):
            return replace(item, status="in_progress", operation=replace(operation, diff=""))
    raise TypeError(f"{type(item).__name__} opens in no way that is known")


def _tool_search(id: str, call_id: str, text: str, status: ItemStatus) -> ActionItem:
    _object(text)
    arguments = _on_one_line(text.encode())
    return OutputToolSearchCall(id=id, status=status, call_id=call_id, arguments=arguments)


def _local_shell_item(id: str, call_id: str, text: str, status: ItemStatus) -> ActionItem:
    asked = _local_shell(text)
    command = asked.command
    action = LocalShellAction(
        command=("bash", "-lc", command) if isinstance(command, str) else tuple(command),
        env=asked.env or {},
        timeout_ms=asked.timeout_ms,
        working_directory=asked.working_directory,
    )
    return OutputLocalShellCall(id=id, status=status, call_id=call_id, action=action)


def _shell_item(id: str, call_id: str, text: str, status: ItemStatus) -> ActionItem:
    asked = _shell(text)
    commands = asked.commands
    action = ShellAction(
        commands=(commands,) if isinstance(commands, str) else tuple(commands),
        timeout_ms=asked.timeout_ms,
        max_output_length=asked.max_output_length,
    )
    return OutputShellCall(id=id, status=status, call_id=call_id, action=action)


def _patch_item(id: str, call_id: str, text: str, status: ItemStatus) -> ActionItem:
    return OutputApplyPatchCall(id=id, status="completed", call_id=call_id, operation=_patch(text))


def _computer_item(id: str, call_id: str, text: str, status: ItemStatus) -> ActionItem:
    actions = tuple(_on_one_line(bytes(action)) for action in _computer(text).actions)
    return OutputComputerCall(id=id, status=status, call_id=call_id, actions=actions)


def _preview_item(id: str, call_id: str, text: str, status: ItemStatus) -> ActionItem:
    action = _on_one_line(bytes(_preview(text).action))
    return OutputComputerCall(id=id, status=status, call_id=call_id, action=action)


def _on_one_line(data: bytes) -> Raw:
    """A model may indent what it writes; a line break would end the line of an SSE event."""
    return Raw(bytes(msgspec.json.format(data, indent=-1)))


_MAKERS: dict[CallKind, Callable[[str, str, str, ItemStatus], ActionItem]] = {
    "tool_search": _tool_search,
    "local_shell": _local_shell_item,
    "shell": _shell_item,
    "apply_patch": _patch_item,
    "computer": _computer_item,
    "computer_use_preview": _preview_item,
}
