"""Stream events (SURFACE §8.2, ORDERING). Their ``type`` is the Struct's tag.

``sequence_number`` stands first so that a reader of raw frames finds it; it is the position of the
event in its response, from 0, without gaps.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from .content import SummaryText
from .items.output import OutputItem, OutputTextPart, ReasoningTextPart, RefusalPart

__all__ = [
    "CallDeltaEvent",
    "ContentPartAdded",
    "ContentPartDone",
    "CustomToolCallInputDelta",
    "CustomToolCallInputDone",
    "Event",
    "FunctionCallArgumentsDelta",
    "FunctionCallArgumentsDone",
    "HostedArgumentsDone",
    "HostedItemEvent",
    "McpCallArgumentsDelta",
    "McpCallArgumentsDone",
    "McpCallCompleted",
    "McpCallFailed",
    "McpCallInProgress",
    "McpListToolsCompleted",
    "McpListToolsFailed",
    "McpListToolsInProgress",
    "OutputItemAdded",
    "OutputItemDone",
    "OutputTextDelta",
    "OutputTextDone",
    "PartDeltaEvent",
    "ReasoningDelta",
    "ReasoningDone",
    "ReasoningTextDelta",
    "ReasoningTextDone",
    "RefusalDelta",
    "RefusalDone",
    "ResponseCompleted",
    "ResponseCreated",
    "ResponseFailed",
    "ResponseInProgress",
    "ResponseIncomplete",
    "ShellCommandAdded",
    "ShellCommandDelta",
    "ShellCommandDone",
    "StreamError",
    "StreamErrorBody",
    "SummaryPartAdded",
    "SummaryPartDone",
    "SummaryTextDelta",
    "SummaryTextDone",
    "event_type",
]


class Event(Struct, kw_only=True, gc=False, tag_field="type"):
    """What every event has; each kind of event is a subclass whose tag is its wire name."""

    sequence_number: int


def event_type(kind: type[Event]) -> str:
    """The wire name of a kind of event, which is also the name of its SSE ``event:`` line."""
    tag = kind.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{kind.__name__} is no event of its own: it has no type")
    return tag


# --- the response ------------------------------------------------------------------------------


class ResponseEvent(Event, kw_only=True, gc=False):
    """The events that carry the whole Response object, already encoded."""

    response: Raw


class ResponseCreated(ResponseEvent, tag="response.created", gc=False):
    pass


class ResponseInProgress(ResponseEvent, tag="response.in_progress", gc=False):
    pass


class ResponseCompleted(ResponseEvent, tag="response.completed", gc=False):
    pass


class ResponseIncomplete(ResponseEvent, tag="response.incomplete", gc=False):
    pass


class ResponseFailed(ResponseEvent, tag="response.failed", gc=False):
    pass


class StreamErrorBody(Struct, frozen=True):
    type: str
    code: str
    message: str
    param: str | None


class StreamError(Event, kw_only=True, tag="error", gc=False):
    """Both shapes at once: flat as the SDK types it, nested as it is sent live (SURFACE §9.2)."""

    code: str
    message: str
    param: str | None
    error: StreamErrorBody


# --- items and parts ---------------------------------------------------------------------------


class OutputItemEvent(Event, kw_only=True, gc=False):
    output_index: int
    item: OutputItem


class OutputItemAdded(OutputItemEvent, tag="response.output_item.added", gc=False):
    pass


class OutputItemDone(Event, kw_only=True, tag="response.output_item.done", gc=False):
    """The item is already encoded: the same bytes are stored and stand in the final output."""

    output_index: int
    item: Raw


class ContentPartEvent(Event, kw_only=True, gc=False):
    item_id: str
    output_index: int
    content_index: int
    part: OutputTextPart | RefusalPart | ReasoningTextPart


class ContentPartAdded(ContentPartEvent, tag="response.content_part.added", gc=False):
    pass


class ContentPartDone(ContentPartEvent, tag="response.content_part.done", gc=False):
    pass


# --- text, refusal, reasoning ------------------------------------------------------------------


class PartDeltaEvent(Event, kw_only=True, gc=False):
    """``obfuscation`` is padding: the size of a frame does not tell its text (ORDERING §0.10)."""

    item_id: str
    output_index: int
    content_index: int
    delta: str
    obfuscation: str | UnsetType = UNSET


class OutputTextDelta(PartDeltaEvent, kw_only=True, tag="response.output_text.delta", gc=False):
    """``logprobs`` has to be there even when it is empty (CLIENTS §2)."""

    logprobs: tuple[Raw, ...] = ()


class OutputTextDone(Event, kw_only=True, tag="response.output_text.done", gc=False):
    item_id: str
    output_index: int
    content_index: int
    text: str
    logprobs: tuple[Raw, ...] = ()


class RefusalDelta(PartDeltaEvent, tag="response.refusal.delta", gc=False):
    pass


class RefusalDone(Event, kw_only=True, tag="response.refusal.done", gc=False):
    item_id: str
    output_index: int
    content_index: int
    refusal: str


class ReasoningTextDelta(PartDeltaEvent, tag="response.reasoning_text.delta", gc=False):
    pass


class ReasoningDelta(PartDeltaEvent, tag="response.reasoning.delta", gc=False):
    """The same under its Open Responses name (SURFACE §10)."""


class ReasoningDoneEvent(Event, kw_only=True, gc=False):
    item_id: str
    output_index: int
    content_index: int
    text: str


class ReasoningTextDone(ReasoningDoneEvent, tag="response.reasoning_text.done", gc=False):
    pass


class ReasoningDone(ReasoningDoneEvent, tag="response.reasoning.done", gc=False):
    """The same under its Open Responses name (SURFACE §10)."""


class SummaryPartEvent(Event, kw_only=True, gc=False):
    item_id: str
    output_index: int
    summary_index: int
    part: SummaryText


class SummaryPartAdded(SummaryPartEvent, tag="response.reasoning_summary_part.added", gc=False):
    pass


class SummaryPartDone(
    SummaryPartEvent, kw_only=True, tag="response.reasoning_summary_part.done", gc=False
):
    """``status`` is there when the summary was cut."""

    status: Literal["incomplete"] | UnsetType = UNSET


class SummaryTextDelta(Event, kw_only=True, tag="response.reasoning_summary_text.delta", gc=False):
    item_id: str
    output_index: int
    summary_index: int
    delta: str
    obfuscation: str | UnsetType = UNSET


class SummaryTextDone(Event, kw_only=True, tag="response.reasoning_summary_text.done", gc=False):
    item_id: str
    output_index: int
    summary_index: int
    text: str


# --- calls -------------------------------------------------------------------------------------


class CallDeltaEvent(Event, kw_only=True, gc=False):
    item_id: str
    output_index: int
    delta: str
    obfuscation: str | UnsetType = UNSET


class FunctionCallArgumentsDelta(
    CallDeltaEvent, tag="response.function_call_arguments.delta", gc=False
):
    pass


class FunctionCallArgumentsDone(
    Event, kw_only=True, tag="response.function_call_arguments.done", gc=False
):
    item_id: str
    output_index: int
    name: str
    arguments: str


class CustomToolCallInputDelta(
    CallDeltaEvent, tag="response.custom_tool_call_input.delta", gc=False
):
    pass


class CustomToolCallInputDone(
    Event, kw_only=True, tag="response.custom_tool_call_input.done", gc=False
):
    item_id: str
    output_index: int
    input: str


class ShellCommandEvent(Event, kw_only=True, gc=False):
    """They have no ``item_id`` (ORDERING §0.3)."""

    output_index: int
    command_index: int
    command: str


class ShellCommandAdded(ShellCommandEvent, tag="response.shell_call_command.added", gc=False):
    pass


class ShellCommandDelta(Event, kw_only=True, tag="response.shell_call_command.delta", gc=False):
    output_index: int
    command_index: int
    delta: str
    obfuscation: str | UnsetType = UNSET


class ShellCommandDone(ShellCommandEvent, tag="response.shell_call_command.done", gc=False):
    pass


# --- tools that the gateway runs ----------------------------------------------------------------


class HostedItemEvent(Event, kw_only=True, gc=False):
    """How far a call is (or a list of tools): nothing but the item that it is about."""

    item_id: str
    output_index: int


class McpListToolsInProgress(HostedItemEvent, tag="response.mcp_list_tools.in_progress", gc=False):
    pass


class McpListToolsCompleted(HostedItemEvent, tag="response.mcp_list_tools.completed", gc=False):
    pass


class McpListToolsFailed(HostedItemEvent, tag="response.mcp_list_tools.failed", gc=False):
    pass


class McpCallInProgress(HostedItemEvent, tag="response.mcp_call.in_progress", gc=False):
    pass


class McpCallArgumentsDelta(CallDeltaEvent, tag="response.mcp_call_arguments.delta", gc=False):
    pass


class HostedArgumentsDone(HostedItemEvent, kw_only=True, gc=False):
    arguments: str


class McpCallArgumentsDone(HostedArgumentsDone, tag="response.mcp_call_arguments.done", gc=False):
    pass


class McpCallCompleted(HostedItemEvent, tag="response.mcp_call.completed", gc=False):
    pass


class McpCallFailed(HostedItemEvent, tag="response.mcp_call.failed", gc=False):
    pass
