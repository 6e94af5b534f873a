"""The response as a whole: its phase, the events that carry it, its ends."""

from __future__ import annotations

from msgspec import Raw

from ..api import events as ev
from ..api.errors import ApiError
from ..api.response import (
    IncompleteDetails,
    IncompleteReason,
    ResponseError,
    ResponseState,
    ResponseStatus,
    Usage,
    join_response,
)
from .states import RESPONSE_TABLE, IllegalTransition, Open, ResponsePhase, ResponseStep
from .style import EventStyle
from .writer import EventWriter

__all__ = ["Lifecycle"]


class Lifecycle(EventWriter):
    """``settings`` is an encoded ``ResponseSettings``; ``created_at`` is in seconds."""

    __slots__ = ("_created_at", "_id", "_phase", "_response", "_settings", "open")

    def __init__(self, *, id: str, created_at: int, settings: bytes, style: EventStyle) -> None:
        super().__init__(style)
        self._id = id
        self._created_at = created_at
        self._settings = settings
        self._phase = ResponsePhase.NEW
        self.open = Open.NOTHING
        """What is open; only the emitter's steps change it."""
        self._response = Raw(b"null")

    @property
    def phase(self) -> ResponsePhase:
        return self._phase

    @property
    def response(self) -> Raw:
        """The whole Response object as the newest lifecycle event shows it."""
        return self._response

    def create(self) -> None:
        """The first two events."""
        self._advance(ResponseStep.CREATE)
        self._lifecycle(ev.ResponseCreated, "in_progress")
        self._lifecycle(ev.ResponseInProgress, "in_progress")

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

    def _advance(self, step: ResponseStep) -> None:
        after = RESPONSE_TABLE.get((self._phase, step))
        if after is None:
            raise IllegalTransition(self._phase, step)
        self._phase = after

    def _end(self, step: ResponseStep) -> None:
        if self.open is not Open.NOTHING:
            raise IllegalTransition(self.open, step)
        self._advance(step)

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
