"""Items: what a conversation is made of (SURFACE §5).

A request's items arrive as raw bytes and stay so (``msgspec.Raw``): their head is peeked at, the
known kinds are decoded into the Structs of this folder for validation and for the prompt, and what
is stored is the client's own JSON. An item of an unknown kind is an :class:`UnknownItem`: kept,
listed, never shown to the model.

``ITEM_KINDS`` is the one table of what there is and what becomes of it. A new kind needs a Struct
and a line there.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from ..ids import IdPrefix
from .calls import (
    AdditionalTools,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    ToolSearchCall,
    ToolSearchOutput,
)
from .client_tools import (
    ApplyPatchCall,
    ApplyPatchCallOutput,
    ComputerCall,
    ComputerCallOutput,
    LocalShellCall,
    LocalShellCallOutput,
    ShellCall,
    ShellCallOutput,
)
from .conversation import (
    Compaction,
    CompactionTrigger,
    ConfigurationUpdate,
    ItemReference,
    ItemStatus,
    Message,
    ReasoningItem,
    Role,
)
from .hosted import (
    CodeInterpreterCall,
    FileSearchCall,
    ImageGenerationCall,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    Program,
    ProgramOutput,
    WebSearchCall,
)

__all__ = [
    "ITEM_KINDS",
    "AdditionalTools",
    "ApplyPatchCall",
    "ApplyPatchCallOutput",
    "Compaction",
    "CompactionTrigger",
    "ComputerCall",
    "ComputerCallOutput",
    "ConfigurationUpdate",
    "CustomToolCall",
    "CustomToolCallOutput",
    "FunctionCall",
    "FunctionCallOutput",
    "InputItem",
    "ItemHead",
    "ItemKind",
    "ItemReference",
    "ItemStatus",
    "KnownItem",
    "LocalShellCall",
    "LocalShellCallOutput",
    "McpApprovalRequest",
    "McpApprovalResponse",
    "McpCall",
    "McpListTools",
    "Message",
    "ReasoningItem",
    "Role",
    "ShellCall",
    "ShellCallOutput",
    "ToolSearchCall",
    "ToolSearchOutput",
    "UnknownItem",
]


class ItemHead(Struct, frozen=True):
    """What tells which kind an item is; messages and references may have no ``type``, or null."""

    type: str | UnsetType | None = UNSET
    role: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


class UnknownItem(Struct, frozen=True):
    """An item of a kind that we do not know: its bytes are all we keep."""

    type: str
    raw: Raw


KnownItem = (
    Message
    | ReasoningItem
    | ItemReference
    | Compaction
    | CompactionTrigger
    | ConfigurationUpdate
    | FunctionCall
    | FunctionCallOutput
    | CustomToolCall
    | CustomToolCallOutput
    | ToolSearchCall
    | ToolSearchOutput
    | AdditionalTools
    | LocalShellCall
    | LocalShellCallOutput
    | ShellCall
    | ShellCallOutput
    | ApplyPatchCall
    | ApplyPatchCallOutput
    | ComputerCall
    | ComputerCallOutput
    | FileSearchCall
    | WebSearchCall
    | CodeInterpreterCall
    | ImageGenerationCall
    | McpListTools
    | McpApprovalRequest
    | McpApprovalResponse
    | McpCall
    | Program
    | ProgramOutput
)
InputItem = KnownItem | UnknownItem

Shown = Literal["message", "call", "output", "run", "answer", "tools", "request", "nowhere"]


class ItemKind(Struct, frozen=True):
    """What becomes of one kind of item.

    ``shown`` says where the model sees it: as a message, as an assistant's call, as a tool's
    output, as a call that was run with its output, as the answer to a request for approval, among
    its tools, in the settings of the request, or nowhere. ``prefix`` starts the ids
    that we give; ``has_status`` is whether OpenAI's item has one, which is then filled in.
    """

    type: type[KnownItem]
    prefix: IdPrefix
    shown: Shown
    has_status: bool = True


# A tool that a server runs shows its items itself, once it is here; until then they are only kept.
ITEM_KINDS: dict[str, ItemKind] = {
    "message": ItemKind(Message, "msg", "message"),
    "reasoning": ItemKind(ReasoningItem, "rs", "message", has_status=False),
    "item_reference": ItemKind(ItemReference, "item", "nowhere", has_status=False),  # replaced
    "compaction": ItemKind(Compaction, "cmp", "nowhere", has_status=False),
    "compaction_trigger": ItemKind(CompactionTrigger, "cmp", "nowhere", has_status=False),
    "configuration_update": ItemKind(ConfigurationUpdate, "item", "request", has_status=False),
    "function_call": ItemKind(FunctionCall, "fc", "call"),
    "function_call_output": ItemKind(FunctionCallOutput, "fco", "output"),
    "custom_tool_call": ItemKind(CustomToolCall, "ctc", "call"),
    "custom_tool_call_output": ItemKind(CustomToolCallOutput, "ctco", "output"),
    "tool_search_call": ItemKind(ToolSearchCall, "tsc", "call"),
    "tool_search_output": ItemKind(ToolSearchOutput, "tso", "output"),
    "additional_tools": ItemKind(AdditionalTools, "at", "tools", has_status=False),
    "local_shell_call": ItemKind(LocalShellCall, "lsh", "call"),
    "local_shell_call_output": ItemKind(LocalShellCallOutput, "lsho", "output"),
    "shell_call": ItemKind(ShellCall, "sh", "call"),
    "shell_call_output": ItemKind(ShellCallOutput, "sho", "output"),
    "apply_patch_call": ItemKind(ApplyPatchCall, "apc", "call"),
    "apply_patch_call_output": ItemKind(ApplyPatchCallOutput, "apco", "output"),
    "computer_call": ItemKind(ComputerCall, "cu", "call"),
    "computer_call_output": ItemKind(ComputerCallOutput, "cuo", "output"),
    "file_search_call": ItemKind(FileSearchCall, "fs", "nowhere"),
    "web_search_call": ItemKind(WebSearchCall, "ws", "nowhere"),
    "code_interpreter_call": ItemKind(CodeInterpreterCall, "ci", "nowhere"),
    "image_generation_call": ItemKind(ImageGenerationCall, "ig", "nowhere"),
    "mcp_list_tools": ItemKind(McpListTools, "mcpl", "tools", has_status=False),
    "mcp_approval_request": ItemKind(McpApprovalRequest, "mcpr", "nowhere", has_status=False),
    "mcp_approval_response": ItemKind(McpApprovalResponse, "mcpa", "answer", has_status=False),
    "mcp_call": ItemKind(McpCall, "mcp", "run"),
    "program": ItemKind(Program, "cm", "nowhere", has_status=False),
    "program_output": ItemKind(ProgramOutput, "cmo", "nowhere"),
}
