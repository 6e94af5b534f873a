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
from typing import Literal

import msgspec
from msgspec import Raw

from ..api import events as ev
from ..api.errors import ApiError
from ..api.ids import IdPrefix, new_id
from ..api.items import (
    ItemStatus,
    OutputFunctionCall,
    OutputItem,
    OutputMessage,
    OutputReasoning,
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
from ..api.stored import ItemRecord
from .states import (
    ITEM_TABLE,
    RESPONSE_TABLE,
    IllegalTransition,
    Open,
    ResponsePhase,
    ResponseStep,
    Step,
)

__all__ = ["Emitter", "ReasoningDialect"]

ReasoningDialect = Literal["openai", "open_responses"]
_encode = msgspec.json.Encoder().encode


class Emitter:
    """Turns deltas into the events of one response (ORDERING §0–§2).

    ``settings`` is an encoded ``ResponseSettings``; ``created_at`` is in seconds. ``dialect`` picks
    the names of the raw reasoning events (SURFACE §10).
    """

    __slots__ = (
        "_call_id",
        "_content_index",
        "_created_at",
        "_events",
        "_id",
        "_item_id",
        "_name",
        "_open",
        "_parts",
        "_phase",
        "_pieces",
        "_reasoning_delta",
        "_reasoning_done",
        "_response",
        "_sequence",
        "_settings",
        "records",
    )

    def __init__(
        self, *, id: str, created_at: int, settings: bytes, dialect: ReasoningDialect = "openai"
    ) -> None:
        self._id = id
        self._created_at = created_at
        self._settings = settings
        openai = dialect == "openai"
        self._reasoning_delta = ev.ReasoningTextDelta if openai else ev.ReasoningDelta
        self._reasoning_done = ev.ReasoningTextDone if openai else ev.ReasoningDone
        self._phase = ResponsePhase.NEW
        self._open = Open.NOTHING
        self._sequence = 0
        self._events: list[ev.Event] = []
        self._response = Raw(b"null")
        self._item_id = ""
        self._content_index = 0
        self._pieces: list[str] = []
        self._parts: list[OutputTextPart | RefusalPart | ReasoningTextPart] = []
        self._call_id = ""
        self._name = ""
        self.records: list[ItemRecord] = []
        """The finished output items, in the order of the output."""

    # --- what the caller sees ------------------------------------------------------------------

    @property
    def phase(self) -> ResponsePhase:
        return self._phase

    @property
    def open(self) -> Open:
        return self._open

    @property
    def response(self) -> Raw:
        """The whole Response object as the newest lifecycle event shows it."""
        return self._response

    def take(self) -> list[ev.Event]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events

    # --- deltas --------------------------------------------------------------------------------

    def text(self, delta: str) -> None:
        self._go(Open.TEXT)
        self._pieces.append(delta)
        self._events.append(
            ev.OutputTextDelta(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                delta=delta,
            )
        )

    def reasoning(self, delta: str) -> None:
        self._go(Open.REASONING)
        self._part_delta(self._reasoning_delta, delta)

    def refusal(self, delta: str) -> None:
        self._go(Open.REFUSAL)
        self._part_delta(ev.RefusalDelta, delta)

    def call(self, name: str, call_id: str) -> None:
        """Open the next function call; an open one is closed first."""
        self._advance(ResponseStep.DELTA)
        for step in ITEM_TABLE[self._open, Open.ARGUMENTS]:
            if step is Step.OPEN_CALL:
                self._name, self._call_id = name, call_id
            _STEPS[step](self, "completed")
        self._open = Open.ARGUMENTS

    def arguments(self, delta: str) -> None:
        """More of the open call's arguments."""
        if self._open is not Open.ARGUMENTS:
            raise IllegalTransition(self._open, Open.ARGUMENTS)
        self._pieces.append(delta)
        self._events.append(
            ev.FunctionCallArgumentsDelta(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                delta=delta,
            )
        )

    # --- the response's life -------------------------------------------------------------------

    def create(self) -> None:
        """The first two events."""
        self._advance(ResponseStep.CREATE)
        self._lifecycle(ev.ResponseCreated, "in_progress")
        self._lifecycle(ev.ResponseInProgress, "in_progress")

    def close(self, status: ItemStatus = "completed") -> None:
        """Close the open part and item, if any, with ``status``."""
        for step in ITEM_TABLE[self._open, Open.NOTHING]:
            _STEPS[step](self, status)
        self._open = Open.NOTHING

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
        if self._open is then:
            return
        self._advance(ResponseStep.DELTA)
        for step in ITEM_TABLE[self._open, then]:
            _STEPS[step](self, "completed")
        self._open = then

    def _advance(self, step: ResponseStep) -> None:
        after = RESPONSE_TABLE.get((self._phase, step))
        if after is None:
            raise IllegalTransition(self._phase, step)
        self._phase = after

    def _end(self, step: ResponseStep) -> None:
        if self._open is not Open.NOTHING:
            raise IllegalTransition(self._open, step)
        self._advance(step)

    def _next(self) -> int:
        number = self._sequence
        self._sequence = number + 1
        return number

    # --- steps: items --------------------------------------------------------------------------

    def _open_reasoning(self, _: ItemStatus) -> None:
        self._item_added("rs", lambda id: OutputReasoning(id=id, status="in_progress"))

    def _open_message(self, _: ItemStatus) -> None:
        self._item_added("msg", lambda id: OutputMessage(id=id, status="in_progress"))

    def _open_call(self, _: ItemStatus) -> None:
        self._item_added("fc", lambda id: self._call_item(id, "in_progress", ""))

    def _close_reasoning(self, status: ItemStatus) -> None:
        content = tuple(part for part in self._parts if isinstance(part, ReasoningTextPart))
        self._item_done(OutputReasoning(id=self._item_id, status=status, content=content))

    def _close_message(self, status: ItemStatus) -> None:
        content = tuple(part for part in self._parts if not isinstance(part, ReasoningTextPart))
        self._item_done(OutputMessage(id=self._item_id, status=status, content=content))

    def _close_call(self, status: ItemStatus) -> None:
        self._item_done(self._call_item(self._item_id, status, self._join()))

    def _call_item(self, id: str, status: ItemStatus, arguments: str) -> OutputFunctionCall:
        return OutputFunctionCall(
            id=id, status=status, call_id=self._call_id, name=self._name, arguments=arguments
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
        text = self._join()
        self._events.append(
            ev.OutputTextDone(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                text=text,
            )
        )
        self._part_done(OutputTextPart(text))

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
            self.arguments("{}")  # a call without arguments has an empty object (ORDERING §2.4)
        self._events.append(
            ev.FunctionCallArgumentsDone(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                name=self._name,
                arguments=self._join(),
            )
        )

    # --- the events behind the steps -----------------------------------------------------------

    def _item_added(self, prefix: IdPrefix, make: Callable[[str], OutputItem]) -> None:
        self._item_id = new_id(prefix)
        self._content_index = -1
        self._parts = []
        self._pieces = []
        self._events.append(
            ev.OutputItemAdded(
                sequence_number=self._next(),
                output_index=len(self.records),
                item=make(self._item_id),
            )
        )

    def _item_done(self, item: OutputItem) -> None:
        body = _encode(item)
        self._events.append(
            ev.OutputItemDone(
                sequence_number=self._next(), output_index=len(self.records), item=Raw(body)
            )
        )
        self.records.append(ItemRecord(item.id, str(item.__struct_config__.tag), body))

    def _part_added(self, part: OutputTextPart | RefusalPart | ReasoningTextPart) -> None:
        self._content_index += 1
        self._pieces = []
        self._events.append(
            ev.ContentPartAdded(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                part=part,
            )
        )

    def _part_done(self, part: OutputTextPart | RefusalPart | ReasoningTextPart) -> None:
        self._parts.append(part)
        self._events.append(
            ev.ContentPartDone(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                part=part,
            )
        )

    def _part_delta(self, kind: type[ev.PartDeltaEvent], delta: str) -> None:
        self._pieces.append(delta)
        self._events.append(
            kind(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                delta=delta,
            )
        )

    def _join(self) -> str:
        return "".join(self._pieces)

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
    Step.OPEN_REASONING_PART: Emitter._open_reasoning_part,
    Step.OPEN_TEXT_PART: Emitter._open_text_part,
    Step.OPEN_REFUSAL_PART: Emitter._open_refusal_part,
    Step.CLOSE_REASONING_PART: Emitter._close_reasoning_part,
    Step.CLOSE_TEXT_PART: Emitter._close_text_part,
    Step.CLOSE_REFUSAL_PART: Emitter._close_refusal_part,
    Step.CLOSE_ARGUMENTS: Emitter._close_arguments,
    Step.CLOSE_REASONING: Emitter._close_reasoning,
    Step.CLOSE_MESSAGE: Emitter._close_message,
    Step.CLOSE_CALL: Emitter._close_call,
}
