"""The only place that makes the events of a response.

Theory of operation. The :class:`Emitter` stands in one :class:`~.states.Open` state. A delta names
the state it belongs to; the steps from here to there stand in ``ITEM_TABLE``, each step is one
method below, and then the delta itself is emitted. Closing steps put together what the deltas said
(a list of pieces, joined once), so a ``done`` event, its part, its item, the stored item and the
final output are one value. A finished item is encoded once; those bytes go to all of these places
and are never parsed again.

Events wait in a list until :meth:`Emitter.take`: the caller sends all events of one upstream read
at once. Ending is in two moves, because the stored row must be committed before the terminal event
is sent: :meth:`Emitter.close` closes what is open, then one of ``complete``, ``cut``, ``fail`` and
``cancel`` ends.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET, Raw, UnsetType

from ..api import events as ev
from ..api.content import SummaryText
from ..api.errors import ApiError
from ..api.ids import IdPrefix, new_id
from ..api.items.conversation import ItemStatus, MessagePhase
from ..api.items.output import (
    OutputCustomToolCall,
    OutputFunctionCall,
    OutputMessage,
    OutputReasoning,
    OutputShellCall,
    OutputTextPart,
    ReasoningTextPart,
    RefusalPart,
)
from ..api.response import (
    IncompleteDetails,
    IncompleteReason,
    ResponseError,
    ResponseState,
    ResponseStatus,
    Usage,
    join_response,
)
from ..api.tools import CallKind, CallTarget
from .actions import action_item, blank
from .states import (
    ITEM_TABLE,
    RESPONSE_TABLE,
    IllegalTransition,
    Open,
    ResponsePhase,
    ResponseStep,
    Step,
)
from .style import EventStyle
from .unescape import InputReader
from .writer import EventWriter

__all__ = ["Emitter"]

DEFAULT_STYLE = EventStyle()
_PREFIXES: dict[CallKind, IdPrefix] = {
    "tool_search": "tsc",
    "local_shell": "lsh",
    "shell": "sh",
    "apply_patch": "apc",
    "computer": "cu",
    "computer_use_preview": "cu",
}


class Emitter(EventWriter):
    """Turns deltas into the events of one response (ORDERING §0–§2).

    ``settings`` is an encoded ``ResponseSettings``; ``created_at`` is in seconds.
    """

    __slots__ = (
        "_call_id",
        "_created_at",
        "_id",
        "_input",
        "_is_followed",
        "_phase",
        "_reasoning_delta",
        "_reasoning_done",
        "_response",
        "_settings",
        "_target",
        "open",
    )

    def __init__(
        self, *, id: str, created_at: int, settings: bytes, style: EventStyle = DEFAULT_STYLE
    ) -> None:
        super().__init__(style)
        self._id = id
        self._created_at = created_at
        self._settings = settings
        openai = style.dialect == "openai"
        self._reasoning_delta = ev.ReasoningTextDelta if openai else ev.ReasoningDelta
        self._reasoning_done = ev.ReasoningTextDone if openai else ev.ReasoningDone
        self._phase = ResponsePhase.NEW
        self.open = Open.NOTHING
        """What is open; only the steps below change it."""
        self._response = Raw(b"null")
        self._call_id = ""
        self._target = CallTarget("function", "")
        self._input = InputReader()
        self._is_followed = False

    # --- what the caller sees ------------------------------------------------------------------

    @property
    def phase(self) -> ResponsePhase:
        return self._phase

    @property
    def response(self) -> Raw:
        """The whole Response object as the newest lifecycle event shows it."""
        return self._response

    # --- deltas --------------------------------------------------------------------------------

    def text(self, delta: str, logprobs: tuple[Raw, ...] = ()) -> None:
        if self.open is not Open.TEXT:
            self._go(Open.TEXT)
        self._pieces.append(delta)
        if logprobs:
            self._logprobs += logprobs
        self._events.append(
            ev.OutputTextDelta(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                delta=delta,
                logprobs=logprobs,
                obfuscation=self._pad(delta, self._sequence),
            )
        )

    def reasoning(self, delta: str) -> None:
        self._go(Open.REASONING)
        self._part_delta(self._reasoning_delta, delta)

    def refusal(self, delta: str) -> None:
        self._go(Open.REFUSAL)
        self._part_delta(ev.RefusalDelta, delta)

    def call(self, target: CallTarget, call_id: str) -> None:
        """Begin the next call; whatever is open is closed first."""
        self._is_followed = True
        self.close()
        self._is_followed = False
        self._target, self._call_id = target, call_id
        match target.kind:
            case "function":
                self._go(Open.ARGUMENTS)
            case "custom":
                self._go(Open.INPUT)
            case _:
                self._go(Open.ACTION)

    def arguments(self, delta: str) -> None:
        """More of the open call's arguments, as the model writes them."""
        match self.open:
            case Open.ARGUMENTS:
                self._call_delta(ev.FunctionCallArgumentsDelta, delta)
            case Open.INPUT:
                self._call_delta(ev.CustomToolCallInputDelta, self._input.feed(delta))
            case Open.ACTION:
                self._pieces.append(delta)
            case _:
                raise IllegalTransition(self.open, Open.ARGUMENTS)

    # --- the response's life -------------------------------------------------------------------

    def create(self) -> None:
        """The first two events."""
        self._advance(ResponseStep.CREATE)
        self._lifecycle(ev.ResponseCreated, "in_progress")
        self._lifecycle(ev.ResponseInProgress, "in_progress")

    def close(self, status: ItemStatus = "completed") -> None:
        """Close the open part and item, if any, with ``status``."""
        for step in ITEM_TABLE[self.open, Open.NOTHING]:
            _STEPS[step](self, status)
        self.open = Open.NOTHING

    def complete(self, usage: Usage | None, completed_at: int) -> None:
        self._end(ResponseStep.COMPLETE)
        self._lifecycle(ev.ResponseCompleted, "completed", usage=usage, completed_at=completed_at)

    def cut(self, reason: IncompleteReason, usage: Usage | None) -> None:
        self._end(ResponseStep.CUT)
        self._lifecycle(
            ev.ResponseIncomplete, "incomplete", usage=usage, details=IncompleteDetails(reason)
        )

    def fail(self, error: ApiError, usage: Usage | None = None) -> None:
        """``error``, then ``response.failed`` (ORDERING §1)."""
        self._end(ResponseStep.FAIL)
        code = error.failure_code
        self._events.append(
            ev.StreamError(
                sequence_number=self._next(),
                code=code,
                message=error.message,
                param=error.param,
                error=ev.StreamErrorBody(error.type, code, error.message, error.param),
            )
        )
        failure = ResponseError(code, error.message)
        self._lifecycle(ev.ResponseFailed, "failed", usage=usage, error=failure)

    def cancel(self) -> None:
        """No event says that a response was cancelled: the stream just ends (SURFACE §8.3)."""
        self._end(ResponseStep.CANCEL)
        self._response = self._object("cancelled")

    # --- moving --------------------------------------------------------------------------------

    def _go(self, then: Open) -> None:
        if self.open is then:
            return
        self._advance(ResponseStep.DELTA)
        self._is_followed = True
        for step in ITEM_TABLE[self.open, then]:
            _STEPS[step](self, "completed")
        self._is_followed = False
        self.open = then

    def _advance(self, step: ResponseStep) -> None:
        after = RESPONSE_TABLE.get((self._phase, step))
        if after is None:
            raise IllegalTransition(self._phase, step)
        self._phase = after

    def _end(self, step: ResponseStep) -> None:
        if self.open is not Open.NOTHING:
            raise IllegalTransition(self.open, step)
        self._advance(step)

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

    # --- the response object -------------------------------------------------------------------

    def _lifecycle(
        self,
        kind: type[ev.ResponseEvent],
        status: ResponseStatus,
        *,
        usage: Usage | None = None,
        completed_at: int | None = None,
        details: IncompleteDetails | None = None,
        error: ResponseError | None = None,
    ) -> None:
        self._response = self._object(status, usage, completed_at, details, error)
        self._events.append(kind(sequence_number=self._next(), response=self._response))

    def _object(
        self,
        status: ResponseStatus,
        usage: Usage | None = None,
        completed_at: int | None = None,
        details: IncompleteDetails | None = None,
        error: ResponseError | None = None,
    ) -> Raw:
        state = ResponseState(
            id=self._id,
            created_at=self._created_at,
            completed_at=completed_at,
            status=status,
            error=error,
            incomplete_details=details,
            output=() if status == "in_progress" else tuple(Raw(r.body) for r in self.records),
            usage=usage,
            service_tier="auto" if status == "in_progress" else "default",
        )
        return join_response(state, self._settings)


_STEPS: dict[Step, Callable[[Emitter, ItemStatus], None]] = {
    Step.OPEN_REASONING: Emitter._open_reasoning,
    Step.OPEN_MESSAGE: Emitter._open_message,
    Step.OPEN_CALL: Emitter._open_call,
    Step.OPEN_CUSTOM_CALL: Emitter._open_custom_call,
    Step.COLLECT_ACTION: Emitter._collect_action,
    Step.OPEN_REASONING_PART: Emitter._open_reasoning_part,
    Step.OPEN_TEXT_PART: Emitter._open_text_part,
    Step.OPEN_REFUSAL_PART: Emitter._open_refusal_part,
    Step.CLOSE_REASONING_PART: Emitter._close_reasoning_part,
    Step.CLOSE_TEXT_PART: Emitter._close_text_part,
    Step.CLOSE_REFUSAL_PART: Emitter._close_refusal_part,
    Step.CLOSE_ARGUMENTS: Emitter._close_arguments,
    Step.CLOSE_INPUT: Emitter._close_input,
    Step.CLOSE_REASONING: Emitter._close_reasoning,
    Step.CLOSE_MESSAGE: Emitter._close_message,
    Step.CLOSE_CALL: Emitter._close_call,
    Step.CLOSE_CUSTOM_CALL: Emitter._close_custom_call,
    Step.EMIT_ACTION: Emitter._emit_action,
}
