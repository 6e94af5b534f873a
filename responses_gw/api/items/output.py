"""Items that we send (SURFACE §5.2), as ``output_item.added`` and ``output_item.done`` show them.

Every field is there from the start; what is not known yet has its zero value (ORDERING §2).
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from ..content import SummaryText
from .client_tools import LocalShellAction, PatchOperation, ShellAction
from .conversation import ItemStatus, MessagePhase

__all__ = [
    "OutputApplyPatchCall",
    "OutputComputerCall",
    "OutputCustomToolCall",
    "OutputFunctionCall",
    "OutputItem",
    "OutputLocalShellCall",
    "OutputMessage",
    "OutputReasoning",
    "OutputShellCall",
    "OutputTextPart",
    "OutputToolSearchCall",
    "ReasoningTextPart",
    "RefusalPart",
]


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
)
