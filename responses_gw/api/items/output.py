"""Items that we send (SURFACE §5.2), as ``output_item.added`` and ``output_item.done`` show them.

Every field is there from the start; what is not known yet has its zero value (ORDERING §2).
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from ..content import SummaryText
from .client_tools import LocalShellAction, PatchOperation, ShellAction
from .conversation import ItemStatus, MessagePhase
from .hosted import McpToolInfo

__all__ = [
    "HostedStatus",
    "OutputApplyPatchCall",
    "OutputComputerCall",
    "OutputCustomToolCall",
    "OutputFunctionCall",
    "OutputItem",
    "OutputLocalShellCall",
    "OutputMcpApprovalRequest",
    "OutputMcpCall",
    "OutputMcpListTools",
    "OutputMessage",
    "OutputReasoning",
    "OutputShellCall",
    "OutputTextPart",
    "OutputToolSearchCall",
    "ReasoningTextPart",
    "RefusalPart",
]


HostedStatus = Literal["in_progress", "completed", "incomplete", "failed"]


class OutputTextPart(Struct, frozen=True, tag_field="type", tag="output_text"):
    text: str
    annotations: tuple[Raw, ...] = ()
    logprobs: tuple[Raw, ...] = ()


class RefusalPart(Struct, frozen=True, tag_field="type", tag="refusal"):
    refusal: str


class ReasoningTextPart(Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    text: str


class OutputMessage(Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    id: str
    status: ItemStatus
    role: Literal["assistant"] = "assistant"
    content: tuple[OutputTextPart | RefusalPart, ...] = ()
    phase: MessagePhase | UnsetType = UNSET


class OutputReasoning(Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    id: str
    status: ItemStatus
    summary: tuple[SummaryText, ...] = ()
    content: tuple[ReasoningTextPart, ...] = ()
    encrypted_content: str | UnsetType = UNSET


class OutputFunctionCall(Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    id: str
    status: ItemStatus
    call_id: str
    name: str
    arguments: str = ""
    namespace: str | UnsetType = UNSET


class OutputCustomToolCall(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="custom_tool_call"
):
    id: str
    status: ItemStatus
    call_id: str
    name: str
    input: str = ""
    namespace: str | UnsetType = UNSET


class OutputToolSearchCall(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="tool_search_call"
):
    id: str
    status: ItemStatus
    call_id: str
    execution: Literal["client"] = "client"
    arguments: Raw = Raw(b"{}")


class OutputLocalShellCall(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="local_shell_call"
):
    id: str
    status: ItemStatus
    call_id: str
    action: LocalShellAction = LocalShellAction(())


class OutputShellCall(Struct, frozen=True, kw_only=True, tag_field="type", tag="shell_call"):
    id: str
    status: ItemStatus
    call_id: str
    action: ShellAction = ShellAction(())
    environment: None = None


class OutputApplyPatchCall(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="apply_patch_call"
):
    id: str
    status: Literal["in_progress", "completed"]
    call_id: str
    operation: PatchOperation


class OutputComputerCall(Struct, frozen=True, kw_only=True, tag_field="type", tag="computer_call"):
    """One of ``action`` (the preview tool) and ``actions`` is set."""

    id: str
    status: ItemStatus
    call_id: str
    action: Raw | UnsetType = UNSET
    actions: tuple[Raw, ...] | UnsetType = UNSET
    pending_safety_checks: tuple[Raw, ...] = ()


class OutputMcpListTools(Struct, frozen=True, kw_only=True, tag_field="type", tag="mcp_list_tools"):
    """OpenAI's has no status; ``error`` is there when the server could not be asked."""

    id: str
    server_label: str
    tools: tuple[McpToolInfo, ...] = ()
    error: str | None = None


class OutputMcpCall(Struct, frozen=True, kw_only=True, tag_field="type", tag="mcp_call"):
    id: str
    status: HostedStatus
    server_label: str
    name: str
    arguments: str = ""
    approval_request_id: str | None = None
    output: str | None = None
    error: Raw | None = None


class OutputMcpApprovalRequest(
    Struct, frozen=True, kw_only=True, tag_field="type", tag="mcp_approval_request"
):
    id: str
    server_label: str
    name: str
    arguments: str


OutputItem = (
    OutputMessage
    | OutputReasoning
    | OutputFunctionCall
    | OutputCustomToolCall
    | OutputToolSearchCall
    | OutputLocalShellCall
    | OutputShellCall
    | OutputApplyPatchCall
    | OutputComputerCall
    | OutputMcpListTools
    | OutputMcpCall
    | OutputMcpApprovalRequest
)
