"""The steps of ``states.py``, one method each: what it emits, and what it leaves for the next.

Closing steps put together what the deltas said (a list of pieces, joined once), so a ``done``
event, its part, its item, the stored item and the final output are one value.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from ..api import events as ev
from ..api.content import SummaryText
from ..api.ids import IdPrefix, new_id
from ..api.items.conversation import ItemStatus, MessagePhase
from ..api.items.hosted import McpToolInfo
from ..api.items.output import (
    OutputCustomToolCall,
    OutputFunctionCall,
    OutputMcpListTools,
    OutputMessage,
    OutputReasoning,
    OutputShellCall,
    OutputTextPart,
    ReasoningTextPart,
    RefusalPart,
)
from ..api.tools import CallKind, CallTarget, HostedResult
from .actions import action_item, blank
from .hosted import LIVES, HostedItem, approval_request
from .lifecycle import Lifecycle
from .states import Step
from .style import EventStyle
from .unescape import InputReader

__all__ = ["STEPS", "Steps"]

DEFAULT_STYLE = EventStyle()
_NOT_LISTED = "The server's tools could not be listed."
_PREFIXES: dict[CallKind, IdPrefix] = {
    "tool_search": "tsc",
    "local_shell": "lsh",
    "shell": "sh",
    "apply_patch": "apc",
    "computer": "cu",
    "computer_use_preview": "cu",
}


class Steps(Lifecycle):
    """What is open, and what is known of it."""

    __slots__ = (
        "_approval_id",
        "_call_id",
        "_input",
        "_is_followed",
        "_label",
        "_reasoning_delta",
        "_reasoning_done",
        "_result",
        "_target",
        "_tools",
    )

    def __init__(
        self, *, id: str, created_at: int, settings: bytes, style: EventStyle = DEFAULT_STYLE
    ) -> None:
        super().__init__(id=id, created_at=created_at, settings=settings, style=style)
        openai = style.dialect == "openai"
        self._reasoning_delta = ev.ReasoningTextDelta if openai else ev.ReasoningDelta
        self._reasoning_done = ev.ReasoningTextDone if openai else ev.ReasoningDone
        self._call_id = ""
        self._target = CallTarget("function", "")
        self._input = InputReader()
        self._is_followed = False
        self._approval_id: str | None = None
        self._result: HostedResult | None = None
        self._label = ""
        self._tools: tuple[McpToolInfo, ...] | None = None

    # --- steps: items --------------------------------------------------------------------------

    def _open_reasoning(self, _: ItemStatus) -> None:
        self._item_added(OutputReasoning(id=new_id("rs"), status="in_progress"))

    def _open_message(self, _: ItemStatus) -> None:
        self._item_added(OutputMessage(id=new_id("msg"), status="in_progress"))

    def _open_call(self, _: ItemStatus) -> None:
        self._item_added(self._call_item(new_id("fc"), "in_progress", ""))

    def _open_custom_call(self, _: ItemStatus) -> None:
        self._input = InputReader()
        self._item_added(self._custom_item(new_id("ctc"), "in_progress", ""))

    def _collect_action(self, _: ItemStatus) -> None:
        self._pieces = []

    def _close_reasoning(self, status: ItemStatus) -> None:
        content = tuple(part for part in self._parts if isinstance(part, ReasoningTextPart))
        text = "".join(part.text for part in content)
        summary: tuple[SummaryText, ...] = ()
        if self.style.summary and text:
            summary = (SummaryText(text),)
            self._summarise(text, status)
        seal = self.style.seal
        self._item_done(
            OutputReasoning(
                id=self._item_id,
                status=status,
                summary=summary,
                content=content,
                encrypted_content=UNSET if seal is None else seal(text),
            )
        )

    def _close_message(self, status: ItemStatus) -> None:
        content = tuple(part for part in self._parts if not isinstance(part, ReasoningTextPart))
        phase: MessagePhase | UnsetType = UNSET
        if self.style.phases and status == "completed":
            phase = "commentary" if self._is_followed else "final_answer"
        self._item_done(
            OutputMessage(id=self._item_id, status=status, content=content, phase=phase)
        )

    def _close_call(self, status: ItemStatus) -> None:
        self._item_done(self._call_item(self._item_id, status, self._join()))

    def _close_custom_call(self, status: ItemStatus) -> None:
        self._item_done(self._custom_item(self._item_id, status, self._join()))

    def _call_item(self, id: str, status: ItemStatus, arguments: str) -> OutputFunctionCall:
        return OutputFunctionCall(
            id=id,
            status=status,
            call_id=self._call_id,
            name=self._target.name,
            arguments=arguments,
            namespace=self._target.namespace or UNSET,
        )

    def _custom_item(self, id: str, status: ItemStatus, input: str) -> OutputCustomToolCall:
        return OutputCustomToolCall(
            id=id,
            status=status,
            call_id=self._call_id,
            name=self._target.name,
            input=input,
            namespace=self._target.namespace or UNSET,
        )

    # --- steps: a call that becomes an item of its own type -------------------------------------

    def _emit_action(self, status: ItemStatus) -> None:
        """All events of the item at once. What no client could run is shown as it was written.

        The events of a patch's diff are left out: the SDKs do not know them, and openai-node's
        stream ends over an event that it does not know (CLIENTS §2).
        """
        arguments = self._join()
        kind = self._target.kind
        if kind == "mcp_approval":
            self._ask_for_approval(arguments, status)
            return
        id = new_id(_PREFIXES[kind])
        item = None
        if status == "completed":
            item = action_item(kind, id, self._call_id, arguments, status)
        if item is None:
            self._open_call(status)
            if arguments:
                self._call_delta(ev.FunctionCallArgumentsDelta, arguments)
            self._close_arguments(status)
            self._close_call(status)
            return
        self._item_added(blank(item))
        if isinstance(item, OutputShellCall):
            for index, command in enumerate(item.action.commands):
                self._shell_command(index, command)
        self._item_done(item)

    # --- steps: what the gateway does itself ----------------------------------------------------

    def _ask_for_approval(self, arguments: str, status: ItemStatus) -> None:
        """A call that was cut in the middle cannot be approved: it is a call that never ran."""
        if status != "completed":
            self._target = CallTarget("mcp", self._target.name, self._target.namespace)
            self._approval_id = None
            self._open_hosted_call(status)
            self._call_delta(LIVES["mcp"].delta, arguments)
            self._close_hosted_arguments(status)
            self._close_hosted_call(status)
            return
        item = approval_request(new_id("mcpr"), self._target, arguments or "{}")
        self._item_added(item)
        self._item_done(item)

    def _open_hosted_call(self, _: ItemStatus) -> None:
        life = LIVES[self._target.kind]
        self._result = None
        item = HostedItem(
            new_id(life.prefix), self._target, "in_progress", approval_id=self._approval_id
        )
        self._item_added(life.item(item))
        self._hosted(life.begun)

    def _close_hosted_arguments(self, status: ItemStatus) -> None:
        life = LIVES[self._target.kind]
        if not self._pieces and status == "completed":
            self._call_delta(life.delta, "{}")
        self._events.append(
            life.written(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                arguments=self._join(),
            )
        )

    def _close_hosted_call(self, _: ItemStatus) -> None:
        """A call that was stopped before it had a result is incomplete."""
        life = LIVES[self._target.kind]
        result, self._result = self._result, None
        item = HostedItem(
            self._item_id, self._target, "incomplete", self._join(), self._approval_id
        )
        if result is not None:
            failed = result.error is not None
            self._hosted(life.failed if failed else life.completed)
            item = replace(item, status="failed" if failed else "completed", result=result)
        self._item_done(life.item(item))

    def _open_listing(self, _: ItemStatus) -> None:
        self._tools = None
        self._item_added(OutputMcpListTools(id=new_id("mcpl"), server_label=self._label))
        self._hosted(ev.McpListToolsInProgress)

    def _close_listing(self, _: ItemStatus) -> None:
        tools, self._tools = self._tools, None
        self._hosted(ev.McpListToolsFailed if tools is None else ev.McpListToolsCompleted)
        self._item_done(
            OutputMcpListTools(
                id=self._item_id,
                server_label=self._label,
                tools=tools or (),
                error=_NOT_LISTED if tools is None else None,
            )
        )

    # --- steps: parts --------------------------------------------------------------------------

    def _open_reasoning_part(self, _: ItemStatus) -> None:
        self._part_added(ReasoningTextPart(""))

    def _open_text_part(self, _: ItemStatus) -> None:
        self._part_added(OutputTextPart(""))

    def _open_refusal_part(self, _: ItemStatus) -> None:
        self._part_added(RefusalPart(""))

    def _close_reasoning_part(self, _: ItemStatus) -> None:
        text = self._join()
        self._events.append(
            self._reasoning_done(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                text=text,
            )
        )
        self._part_done(ReasoningTextPart(text))

    def _close_text_part(self, _: ItemStatus) -> None:
        text, logprobs = self._join(), tuple(self._logprobs)
        self._events.append(
            ev.OutputTextDone(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                text=text,
                logprobs=logprobs,
            )
        )
        self._part_done(OutputTextPart(text, logprobs=logprobs))

    def _close_refusal_part(self, _: ItemStatus) -> None:
        refusal = self._join()
        self._events.append(
            ev.RefusalDone(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                refusal=refusal,
            )
        )
        self._part_done(RefusalPart(refusal))

    def _close_arguments(self, status: ItemStatus) -> None:
        if not self._pieces and status == "completed":
            # a call without arguments has an empty object (ORDERING §2.4)
            self._call_delta(ev.FunctionCallArgumentsDelta, "{}")
        self._events.append(
            ev.FunctionCallArgumentsDone(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                name=self._target.name,
                arguments=self._join(),
            )
        )

    def _close_input(self, _: ItemStatus) -> None:
        self._call_delta(ev.CustomToolCallInputDelta, self._input.finish())
        self._events.append(
            ev.CustomToolCallInputDone(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                input=self._join(),
            )
        )


STEPS: dict[Step, Callable[[Steps, ItemStatus], None]] = {
    Step.OPEN_REASONING: Steps._open_reasoning,
    Step.OPEN_MESSAGE: Steps._open_message,
    Step.OPEN_CALL: Steps._open_call,
    Step.OPEN_CUSTOM_CALL: Steps._open_custom_call,
    Step.COLLECT_ACTION: Steps._collect_action,
    Step.OPEN_REASONING_PART: Steps._open_reasoning_part,
    Step.OPEN_TEXT_PART: Steps._open_text_part,
    Step.OPEN_REFUSAL_PART: Steps._open_refusal_part,
    Step.CLOSE_REASONING_PART: Steps._close_reasoning_part,
    Step.CLOSE_TEXT_PART: Steps._close_text_part,
    Step.CLOSE_REFUSAL_PART: Steps._close_refusal_part,
    Step.CLOSE_ARGUMENTS: Steps._close_arguments,
    Step.CLOSE_INPUT: Steps._close_input,
    Step.CLOSE_REASONING: Steps._close_reasoning,
    Step.CLOSE_MESSAGE: Steps._close_message,
    Step.CLOSE_CALL: Steps._close_call,
    Step.CLOSE_CUSTOM_CALL: Steps._close_custom_call,
    Step.EMIT_ACTION: Steps._emit_action,
    Step.OPEN_HOSTED_CALL: Steps._open_hosted_call,
    Step.CLOSE_HOSTED_ARGUMENTS: Steps._close_hosted_arguments,
    Step.CLOSE_HOSTED_CALL: Steps._close_hosted_call,
    Step.OPEN_LISTING: Steps._open_listing,
    Step.CLOSE_LISTING: Steps._close_listing,
}
