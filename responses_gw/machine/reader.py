"""One upstream stream: its bytes in, deltas out to the emitter.

Theory of operation. :meth:`ChatReader.feed` takes whatever one read gave, splits it into events,
decodes each chunk and hands its deltas on. The stream is over when ``[DONE]`` came, when an error
frame came, or when the connection ended; only then is :attr:`ChatReader.end` set. A
``finish_reason`` alone does not end it: the usage comes after it. Whatever way it ends, ``end``
says one of four things (:class:`StreamEnd`), so a caller has no other case to think of.

The text of a round that is only a trial is kept back (``keeps_text``) until it is known whether the
model calls a function: then it is told, before the call.

White space that starts a message or a block of reasoning waits for something visible: chat
templates put line breaks between reasoning, text and calls, and an item of white space alone is
nothing a client wants to see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial

from msgspec import Raw, Struct

from ..api.errors import ApiError, server_error
from ..api.items import ItemStatus
from ..api.response import InputTokensDetails, OutputTokensDetails, Usage
from ..api.tools import CallTarget, HostedCall, HostedResult
from .calls import CallAssembler
from .chunk import BadChunk, ChunkDelta, ChunkLogprobs, ChunkUsage, decode_chunk
from .emitter import Emitter
from .sse import EventSplitter, OversizedEvent
from .states import Open
from .upstream_errors import stream_error

__all__ = ["ChatReader", "EndKind", "StreamEnd"]


class EndKind(Enum):
    STOPPED = "stopped"
    OUT_OF_TOKENS = "max_output_tokens"
    FILTERED = "content_filter"
    OUT_OF_ROUNDS = "max_messages"
    BROKEN = "broken"


class StreamEnd(Struct, frozen=True):
    """How an upstream stream ended; ``error`` is set when it broke. No stream runs out of rounds: a
    turn of several does.
    """

    kind: EndKind
    usage: Usage | None = None
    error: ApiError | None = None


_ENDS = {"length": EndKind.OUT_OF_TOKENS, "content_filter": EndKind.FILTERED}
_BREAKS = frozenset(("abort", "error"))
NO_TARGETS: Mapping[str, CallTarget] = {}
DONE_DATA = b"[DONE]"


class ChatReader:
    """Reads one chat completion stream. After :attr:`end` is set it takes no more."""

    __slots__ = (
        "_blank_logprobs",
        "_blank_reasoning",
        "_blank_text",
        "_calls",
        "_draft",
        "_emitter",
        "_finish",
        "_held",
        "_splitter",
        "_usage",
        "end",
    )

    def __init__(
        self,
        emitter: Emitter,
        targets: Mapping[str, CallTarget] = NO_TARGETS,
        *,
        keeps_text: bool = False,
    ) -> None:
        self._emitter = emitter
        self._draft: list[tuple[Callable[[str], None], str]] | None = [] if keeps_text else None
        self._splitter = EventSplitter()
        self._calls = CallAssembler(emitter, targets)
        self._blank_text: list[str] = []  # white space that waits, and its log probabilities
        self._blank_logprobs: list[Raw] = []
        self._blank_reasoning: list[str] = []
        self._held: list[tuple[Callable[[str], None], str]] = []
        self._finish: str | None = None
        self._usage: Usage | None = None
        self.end: StreamEnd | None = None

    def feed(self, data: bytes) -> None:
        """Take what one read gave."""
        try:
            for event in self._splitter.feed(data):
                if self.end is None:
                    self._event(event)
        except OversizedEvent:
            self._break(server_error("The model server sent an event that is too large."))

    def eof(self) -> None:
        """The connection was closed in good order."""
        for event in self._splitter.finish():
            if self.end is None:
                self._event(event)
        if self.end is None:
            self._conclude()

    def fail(self, error: ApiError) -> None:
        """The connection broke, or went silent for too long. What had finished before stays so."""
        if self.end is None and self._finish is not None:
            self._conclude()
        elif self.end is None:
            self._break(error)

    @property
    def draft(self) -> str:
        """With ``keeps_text``, what the model has said and nobody was told, if it made no call."""
        return "".join(delta for _, delta in self._draft or ()).strip()

    def tell_draft(self) -> None:
        """Say it after all."""
        self._tell_draft()
        self._emitter.close()

    # --- calls that the gateway runs -----------------------------------------------------------

    @property
    def outstanding(self) -> list[HostedCall]:
        """In a stream that has ended well, the calls to run, in the order of the model; until they
        are resolved the first of them is an open item.
        """
        return self._calls.outstanding

    @property
    def has_client_calls(self) -> bool:
        """Whether the model has called what the client has to answer. Known at the end."""
        return self._calls.has_client_calls

    def resolve(self, result: HostedResult) -> None:
        """What came of the first of the outstanding calls."""
        self._calls.resolve(result)
        if not self._calls.outstanding:
            self._release()
            self._emitter.close()

    # --- frames --------------------------------------------------------------------------------

    def _event(self, data: bytes) -> None:
        if data == DONE_DATA:
            self._conclude()
            return
        try:
            chunk = decode_chunk(data)
        except BadChunk:
            self._break(server_error("The model server sent something that could not be read."))
            return
        if isinstance(chunk.error, Raw) and bytes(chunk.error) != b"null":
            self._break(stream_error(chunk.error))
            return
        if chunk.usage is not None:
            self._usage = _usage_of(chunk.usage)
        for choice in chunk.choices or ():
            if not choice.index:
                if choice.delta is not None:
                    self._delta(choice.delta, choice.logprobs)
                if choice.finish_reason is not None:
                    self._finish = choice.finish_reason

    def _delta(self, delta: ChunkDelta, logprobs: ChunkLogprobs | None) -> None:
        if self._emitter.open is Open.TEXT and delta.is_text and logprobs is None:
            self._emitter.text(delta.content or "")  # by far the most frequent
            return
        reasoning = delta.reasoning or delta.reasoning_content
        if reasoning:
            self._say(self._reasoning, reasoning)
        if delta.content:
            if logprobs is not None and self._emitter.style.logprobs:
                told = tuple(Raw(bytes(entry)) for entry in logprobs.content or ())
                self._say_text(partial(self._text, logprobs=told), delta.content)
            else:
                self._say_text(self._text, delta.content)
        if delta.refusal:
            self._tell_draft()
            self._forget_blanks()
            self._say(self._emitter.refusal, delta.refusal)
        if delta.tool_calls:
            self._tell_draft()
            self._forget_blanks()
            for fragment in delta.tool_calls:
                self._calls.feed(fragment)
            if self._held and not self._calls.is_busy:
                self._release()

    def _say_text(self, emit: Callable[[str], None], delta: str) -> None:
        if self._draft is None:
            self._say(emit, delta)
        else:
            self._draft.append((emit, delta))

    def _tell_draft(self) -> None:
        """The draft, and from here on nothing is kept any more."""
        draft, self._draft = self._draft, None
        for emit, delta in draft or ():
            emit(delta)

    def _say(self, emit: Callable[[str], None], delta: str) -> None:
        """What comes in the middle of a call's arguments waits for their end, and for the result
        of a call that the gateway runs.
        """
        if self._calls.is_busy:
            self._held.append((emit, delta))
        else:
            emit(delta)

    def _release(self) -> None:
        held, self._held = self._held, []
        for emit, delta in held:
            emit(delta)

    def _text(self, delta: str, logprobs: tuple[Raw, ...] = ()) -> None:
        if self._emitter.open is not Open.TEXT:
            self._blank_text.append(delta)
            self._blank_logprobs += logprobs
            if delta.isspace():
                return
            delta, logprobs = "".join(self._blank_text), tuple(self._blank_logprobs)
            self._forget_blanks()
        self._emitter.text(delta, logprobs)

    def _reasoning(self, delta: str) -> None:
        if self._emitter.open is not Open.REASONING:
            self._blank_reasoning.append(delta)
            if delta.isspace():
                return
            delta = "".join(self._blank_reasoning)
            self._forget_blanks()
        self._emitter.reasoning(delta)

    def _forget_blanks(self) -> None:
        self._blank_text.clear()
        self._blank_logprobs.clear()
        self._blank_reasoning.clear()

    # --- ends ----------------------------------------------------------------------------------

    def _conclude(self) -> None:
        if self._finish is None:
            self._break(
                server_error("The model server closed the stream before the response was finished.")
            )
            return
        if self._finish in _BREAKS:
            self._break(
                server_error("The model server stopped the response before it was finished.")
            )
            return
        kind = _ENDS.get(self._finish, EndKind.STOPPED)
        self._close("completed" if kind is EndKind.STOPPED else "incomplete")
        self.end = StreamEnd(kind, self._usage)

    def _break(self, error: ApiError) -> None:
        self._close("incomplete")
        self.end = StreamEnd(EndKind.BROKEN, self._usage, error)

    def _close(self, status: ItemStatus) -> None:
        cut = status == "incomplete"
        if cut:
            self._tell_draft()
        self._calls.finish(cut)
        if self._calls.outstanding:
            return
        if not (cut and self._calls.is_busy):
            self._release()
        self._emitter.close(status)


def _usage_of(usage: ChunkUsage) -> Usage:
    given = usage.prompt_tokens or 0
    made = usage.completion_tokens or 0
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        input_tokens=given,
        input_tokens_details=InputTokensDetails(
            cached_tokens=(prompt.cached_tokens or 0) if prompt else 0,
            cache_write_tokens=(prompt.created_cache_tokens or 0) if prompt else 0,
        ),
        output_tokens=made,
        output_tokens_details=OutputTokensDetails(
            reasoning_tokens=(completion.reasoning_tokens or 0) if completion else 0
        ),
        total_tokens=given + made,
    )
