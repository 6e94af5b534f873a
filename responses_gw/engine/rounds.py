"""The rounds of one turn: the model speaks, the gateway runs what it called, the model goes on.

Theory of operation. A round is one chat stream, read to its end. It is the last one unless the
gateway has run calls of it (the next round has their results), or the answer has to be made again
in a format (``engine/prompt.py``). Calls for the client end the turn, but first all others of the
round are run: the next request continues with all results in place. The usage of all rounds is
summed. No stream is open while tools run.

When a bound of ``tool_calls.py`` is reached, one last round has no tools. If even that fails, the
response is incomplete, with what it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from ..api.errors import ApiError
from ..api.response import Usage
from ..api.tools import HostedCall, HostedResult
from ..machine.emitter import Emitter
from ..machine.reader import ChatReader, EndKind, StreamEnd
from ..prompt.hosted import GrantedCall
from ..upstream import ChatStream
from .plan import Plan
from .prompt import Prompt
from .sink import EventSink
from .tool_calls import ToolCalls

__all__ = ["Rounds"]

Opening = Callable[[Prompt], Awaitable[tuple[ChatStream, Prompt]]]
"""Calls the model server. Raises :class:`ApiError`."""


class Rounds:
    def __init__(self, emitter: Emitter, sink: EventSink) -> None:
        self._emitter = emitter
        self._sink = sink
        self._plan: Plan | None = None
        self._calls: ToolCalls | None = None
        self._usage: Usage | None = None

    def serve(self, plan: Plan, calls: ToolCalls) -> None:
        """There are tools that the gateway runs."""
        self._plan = plan
        self._calls = calls

    @property
    def usage(self) -> Usage | None:
        """Of the rounds that have ended."""
        return self._usage

    @property
    def has_run_calls(self) -> bool:
        """Whether the gateway has run something, which may have had effects."""
        return self._calls is not None and self._calls.has_run

    async def run(self, stream: ChatStream, prompt: Prompt, opening: Opening) -> StreamEnd:
        """From the stream of the first round to the end of the last one; ``opening`` opens the
        others. A round that cannot be opened is an end, too.
        """
        while True:
            reader = ChatReader(self._emitter, prompt.targets, keeps_text=prompt.final is not None)
            with stream:
                end = await self._read(stream, reader)
            end = self._summed(end)
            following: Prompt | StreamEnd = end
            if end.kind is EndKind.STOPPED:
                following = await self._following(reader, prompt, end)
            if isinstance(following, StreamEnd):
                return self._judged(following)
            await self.flush()
            try:
                stream, prompt = await opening(following)
            except ApiError as error:
                return self._judged(StreamEnd(EndKind.BROKEN, self._usage, error))

    async def run_granted(self, granted: list[GrantedCall]) -> Prompt | None:
        """The calls that the client has approved, before the model speaks. Returns the prompt of
        the first round.
        """
        assert self._calls is not None and self._plan is not None, "what was approved can be run"
        waiting = list(granted)
        self._begin(waiting.pop(0))

        def tell(result: HostedResult) -> None:
            self._emitter.result(result)
            if waiting:
                self._begin(waiting.pop(0))

        await self.flush()
        calls = [HostedCall(call.target, call.arguments, is_approved=True) for call in granted]
        await self._calls.run(calls, tell, self.flush)
        return self._next()

    async def flush(self) -> None:
        if events := self._emitter.take():
            await self._sink.send(events)

    def _begin(self, call: GrantedCall) -> None:
        self._emitter.approved(call.target, call.arguments, call.request_id)

    async def _read(self, stream: ChatStream, reader: ChatReader) -> StreamEnd:
        """Read, translate, send."""
        await self.flush()
        read, take, send = stream.read, self._emitter.take, self._sink.send
        while reader.end is None:
            try:
                data = await read()
            except stream.FAULTS as fault:
                try:
                    data = stream.rest(fault)
                except ApiError as error:
                    reader.fail(error)
                    break
            if data:
                reader.feed(data)
            else:
                reader.eof()
            if reader.end is None and (events := take()):
                await send(events)
        assert reader.end is not None, "a reader that failed has ended"
        return reader.end

    async def _following(
        self, reader: ChatReader, prompt: Prompt, end: StreamEnd
    ) -> Prompt | StreamEnd:
        """The prompt of the next round, or the end; what is ours to run is run."""
        if outstanding := reader.outstanding:
            assert self._plan is not None and self._calls is not None, "what was offered can be run"
            await self.flush()
            await self._calls.run(outstanding, reader.resolve, self.flush)
            if reader.has_client_calls:
                return end
            self._plan.skip(prompt.skipped)
            return self._next() or StreamEnd(EndKind.OUT_OF_TOKENS, self._usage)
        if prompt.final is None or not reader.draft:
            return end
        if prompt.final.accepts(reader.draft):
            reader.tell_draft()
            return end
        return Prompt(prompt.final.without(prompt.skipped))

    def _next(self) -> Prompt | None:
        assert self._plan is not None and self._calls is not None, "what was offered can be run"
        return self._plan.next(self._emitter.records, self._usage, is_last=self._calls.is_exhausted)

    def _summed(self, end: StreamEnd) -> StreamEnd:
        if self._usage is not None and end.usage is not None:
            self._usage += end.usage
        else:
            self._usage = end.usage or self._usage
        return replace(end, usage=self._usage)

    def _judged(self, end: StreamEnd) -> StreamEnd:
        """A last round that failed was one too many; what came before it is worth keeping."""
        exhausted = self._calls is not None and self._calls.is_exhausted
        if exhausted and end.kind is EndKind.BROKEN:
            return StreamEnd(EndKind.OUT_OF_ROUNDS, end.usage)
        return end
