"""Input items (SURFACE §5.1) and output items (SURFACE §5.2).

A request's items arrive as raw bytes and stay so (``msgspec.Raw``): their head is peeked at, the
known kinds are decoded into the Structs below for validation and for the prompt, and what is stored
is the client's own JSON. An item of an unknown kind is an :class:`UnknownItem`: kept, listed, never
shown to the model. A new kind needs a Struct here and a line in ``INPUT_ITEMS``.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from .content import ContentPart, OutputText, PlainText, ReasoningText, SummaryText

__all__ = [
    "INPUT_ITEMS",
    "FunctionCall",
    "FunctionCallOutput",
    "InputItem",
    "ItemHead",
    "ItemReference",
    "ItemStatus",
    "Message",
    "OutputFunctionCall",
    "OutputItem",
    "OutputMessage",
    "OutputReasoning",
    "OutputTextPart",
    "ReasoningItem",
    "ReasoningTextPart",
    "RefusalPart",
    "Role",
    "UnknownItem",
]

ItemStatus = Literal["in_progress", "completed", "incomplete"]
Role = Literal["user", "assistant", "system", "developer"]


class ItemHead(Struct, frozen=True):
    """What tells which kind an item is; messages and references may have no ``type``, or null."""

    type: str | UnsetType | None = UNSET
    role: Raw | UnsetType = UNSET
    id: Raw | UnsetType = UNSET


# --- items that a client sends -----------------------------------------------------------------


class Message(Struct, frozen=True, tag_field="type", tag="message"):
    """All three message forms of SURFACE §5.1 in one: easy, input and replayed output."""

    role: Role
    content: str | list[ContentPart]
    id: str | None = None
    status: ItemStatus | None = None


class FunctionCall(Struct, frozen=True, tag_field="type", tag="function_call"):
    name: str
    arguments: str
    call_id: str
    id: str | None = None
    status: ItemStatus | None = None


class FunctionCallOutput(Struct, frozen=True, tag_field="type", tag="function_call_output"):
    call_id: str
    output: str | list[ContentPart]
    id: str | None = None
    status: ItemStatus | None = None


class ReasoningItem(Struct, frozen=True, tag_field="type", tag="reasoning"):
    id: str | None = None
    summary: list[SummaryText] | None = None
    content: list[ReasoningText | OutputText | PlainText] | None = None
    encrypted_content: str | None = None
    status: ItemStatus | None = None


class ItemReference(Struct, frozen=True, tag_field="type", tag="item_reference"):
    """Stands for a stored item of the same tenant (SURFACE §5.1)."""

    id: str


class UnknownItem(Struct, frozen=True):
    """An item of a kind we do not know, or do not execute: its bytes are all we keep."""

    type: str
    raw: Raw


InputItem = (
    Message | FunctionCall | FunctionCallOutput | ReasoningItem | ItemReference | UnknownItem
)

KnownItem = type[Message | FunctionCall | FunctionCallOutput | ReasoningItem | ItemReference]
INPUT_ITEMS: dict[str, KnownItem] = {
    "message": Message,
    "function_call": FunctionCall,
    "function_call_output": FunctionCallOutput,
    "reasoning": ReasoningItem,
    "item_reference": ItemReference,
}


# --- items that we send ------------------------------------------------------------------------


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


class OutputReasoning(Struct, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    id: str
    status: ItemStatus
    summary: tuple[SummaryText, ...] = ()
    content: tuple[ReasoningTextPart, ...] = ()


class OutputFunctionCall(Struct, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    id: str
    status: ItemStatus
    call_id: str
    name: str
    arguments: str = ""


OutputItem = OutputMessage | OutputReasoning | OutputFunctionCall
