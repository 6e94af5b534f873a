"""One turn: a request becomes a response.

Theory of operation. :meth:`Turn.run` is the whole life in order: history → tools → prompt →
upstream call → row ``in_progress`` → events as they come, round after round (``rounds.py``) → row
terminal → terminal event. Until the row exists
nothing has been sent and every fault is raised, to become an HTTP error. From then on nothing is
raised: whatever happens ends in one terminal state (machine/states.py), stored with what was
produced, and then told to the client. A model server that is slow to accept the call is not waited
for with closed lips: after a while the response is announced without it. Nor is it called before
what the client has approved was run: that is a part of the response.

The order of the two ends is what makes chains safe: the row is committed before the terminal event
is sent, so a client that continues at once always finds it. If it cannot be committed the response
fails.

Cancellation means that nobody listens any more or that the process is told to stop. The upstream
call is closed first, then the partial output is stored, shielded and bounded in time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

import msgspec
from msgspec import Raw

from ..api.echo import response_settings
from ..api.errors import ApiError, ContextOverflow, server_error, unavailable
from ..api.ids import new_id
from ..api.request import CreateResponse
from ..api.response import IncompleteReason, ResponseError, ResponseStatus, Usage
from ..machine.emitter import Emitter
from ..machine.reader import EndKind, StreamEnd
from ..machine.states import ResponsePhase
from ..machine.style import EventStyle
from ..prompt.profile import ModelProfile
from ..prompt.transcript import Transcript
from ..store import DatabaseUnavailable, LeaseLost, Outcome, StoredItem
from ..tools.hosted import Listing
from ..upstream import ChatStream
from .faults import store_faults
from .parts import Caller, Parts
from .plan import Plan
from .preparation import prepare
from .prompt import Prompt
from .rounds import Rounds
from .shield import finish_anyway
from .sink import EventSink
from .tool_calls import ToolCalls

__all__ = ["Turn"]

log = logging.getLogger(__name__)
COMMIT_PATIENCE_SECONDS = 5.0
COMMIT_PAUSE_SECONDS = 0.2
FAREWELL_COMMIT_SECONDS = 2.0
FAREWELL_SECONDS = 5.0
_INCOMPLETE: dict[EndKind, IncompleteReason] = {
    EndKind.OUT_OF_TOKENS: "max_output_tokens",
    EndKind.FILTERED: "content_filter",
    EndKind.OUT_OF_ROUNDS: "max_messages",
}
_encode = msgspec.json.Encoder().encode


class Turn:
    """Runs once. After :meth:`run`, ``response`` is the finished Response and ``error`` why it
    failed.
    """

    def __init__(
        self, parts: Parts, request: CreateResponse, caller: Caller, sink: EventSink
    ) -> None:
        self._parts = parts
        self._request: CreateResponse | None = request
        self._stores = request.store
        self._parent_id = request.body.previous_response_id
        self._input: list[StoredItem] = []
        self._caller = caller
        self.sink = sink
        self.id = new_id("resp")
        self._created_at = int(time.time())
        self._settings = response_settings(request)
        profile = parts.profile_of(request.model)
        self._emitter = Emitter(
            id=self.id,
            created_at=self._created_at,
            settings=self._settings,
            style=_style(parts, request, caller, profile),
        )
        self._profile = profile
        self._transcript: Transcript | None = None
        self._plan: Plan | None = None
        self._listings: list[Listing] = []
        self._rounds = Rounds(self._emitter, sink)
        self._deletions: int | None = None
        self._is_row = False
        self.error: ApiError | None = None
        self.client_left = False
        """Set by whoever cancels a turn because its client has gone."""

    @property
    def response(self) -> Raw:
        return self._emitter.response

    @property
    def has_run_calls(self) -> bool:
        """Whether it has run something: then its failure must not look like one to try again."""
        return self._rounds.has_run_calls

    async def run(self) -> None:
        """Raises :class:`ApiError` while nothing has been sent, and never after."""
        try:
            await self._run()
        except asyncio.CancelledError:
            await finish_anyway(self._farewell(), FAREWELL_SECONDS)
            raise
        finally:
            self._parts.store.leave(self.id)

    async def _run(self) -> None:
        try:
            stream, prompt = await self._open(await self._prepare())
        except ApiError as error:
            if self._emitter.phase is ResponsePhase.NEW:
                raise
            await self._finish(self._broken(error))
            return
        except Exception:
            if self._emitter.phase is ResponsePhase.NEW:
                raise
            log.exception("response %s broke", self.id)
            await self._finish(self._broken(server_error()))
            return
        with stream:
            if self._emitter.phase is ResponsePhase.NEW:
                await self._create()
            end = await self._relay(stream, prompt)
        await self._finish(end)

    # --- before the first event ----------------------------------------------------------------

    async def _prepare(self) -> Prompt:
        request, self._request = self._request, None
        assert request is not None, "a turn runs once"
        prepared = await prepare(self._parts, request, self._caller, self._profile, self.id)
        self._input = prepared.input
        self._deletions = prepared.deletions
        self._listings = [listing for tool in prepared.tools for listing in tool.listings]
        plan, granted = prepared.plan, prepared.transcript.granted
        if request.store:
            self._transcript = prepared.transcript
        if prepared.tools:
            parallel = request.body.parallel_tool_calls is not False
            self._plan = plan
            self._rounds.serve(
                plan,
                ToolCalls(
                    prepared.tools,
                    self._parts.tool_bounds,
                    max_calls=request.body.max_tool_calls,
                    parallel=parallel,
                ),
            )
        if not granted:
            return plan.first()
        plan.check_choice()
        await self._create()
        prompt = await self._rounds.run_granted(granted)
        assert prompt is not None, "nothing has been used yet"
        return prompt

    async def _open(self, prompt: Prompt) -> tuple[ChatStream, Prompt]:
        """Call the model server, with less and less of a prompt that is too long and may be cut.

        Returns the stream and, in short, what it was opened with: an open stream keeps no body.
        """
        while True:
            try:
                stream = await self._call(prompt.body)
                return stream, msgspec.structs.replace(prompt, body=b"", without=None)
            except ContextOverflow as overflow:
                shorter = prompt.shortened(overflow)
                if shorter is None:
                    raise
                prompt = shorter

    async def _call(self, body: bytes) -> ChatStream:
        """One call; the response is announced when the model server takes long to accept it."""
        opening = asyncio.ensure_future(self._parts.upstream.open_chat(body, self._caller.headers))
        try:
            await asyncio.wait({opening}, timeout=self._parts.announce_seconds)
            if not opening.done() and self._emitter.phase is ResponsePhase.NEW:
                await self._create()
                await self._rounds.flush()
            return await opening
        except BaseException:
            opening.cancel()
            await asyncio.wait({opening})
            if not opening.cancelled() and opening.exception() is None:
                opening.result().close()
            raise

    async def _create(self) -> None:
        """The row, then the first events: the tools of servers that are new here come first."""
        await self._create_row()
        self._emitter.create()
        for listing in self._listings:
            self._emitter.list_tools(listing.label)
            self._emitter.listed(listing.tools)

    async def _create_row(self) -> None:
        if not self._stores:
            return
        self._is_row = True  # from here on there may be one, also if this is cancelled half-way
        with store_faults():
            deletions = await self._parts.store.create(
                self._caller.tenant,
                id=self.id,
                parent_id=self._parent_id,
                created_at=self._created_at,
                settings=self._settings,
                input=self._input,
            )
        self._input = []
        # what is deleted after a history was read must not be taken for part of it
        self._deletions = deletions if self._deletions is None else self._deletions

    # --- the stream ----------------------------------------------------------------------------

    async def _relay(self, stream: ChatStream, prompt: Prompt) -> StreamEnd:
        """The rounds of the model, until the last one has ended somehow. A fault of ours is an end
        too.
        """
        try:
            return await self._rounds.run(stream, prompt, self._open)
        except Exception:
            log.exception("response %s broke", self.id)
            return self._broken(server_error())

    def _broken(self, error: ApiError) -> StreamEnd:
        self._emitter.close("incomplete")
        return StreamEnd(EndKind.BROKEN, self._rounds.usage, error)

    # --- the end -------------------------------------------------------------------------------

    async def _finish(self, end: StreamEnd) -> None:
        """Commit, then say so; the last items and the terminal event leave together."""
        now = int(time.time())
        reason = _INCOMPLETE.get(end.kind)
        if end.error is not None:
            outcome = self._outcome("failed", end.usage, error=end.error)
        elif reason is not None:
            outcome = self._outcome("incomplete", end.usage, reason=reason)
        else:
            outcome = self._outcome("completed", end.usage, completed_at=now)
        failure = await self._commit(outcome)
        self.error = end.error or failure
        if self.error is not None:
            log.warning(
                "response %s failed: %s (request %s)",
                *(self.id, self.error.message, self._caller.headers.get("x-request-id")),
            )
            self._emitter.fail(self.error, end.usage)
        elif reason is not None:
            self._emitter.cut(reason, end.usage)
        else:
            self._emitter.complete(end.usage, now)
        if failure is None:
            self._keep_history()
        await self.sink.finish(self._emitter.take())

    async def _farewell(self) -> None:
        """The turn was cancelled: store what there is; tell a client that still listens."""
        if self._emitter.phase not in (ResponsePhase.NEW, ResponsePhase.IN_PROGRESS):
            return
        self._emitter.close("incomplete")
        usage = self._rounds.usage
        if self.client_left or self._emitter.phase is ResponsePhase.NEW:
            await self._commit(self._outcome("cancelled", usage), FAREWELL_COMMIT_SECONDS)
            self._emitter.cancel()
            return
        error = unavailable("The server is shutting down.")
        await self._commit(self._outcome("failed", usage, error=error), FAREWELL_COMMIT_SECONDS)
        self._emitter.fail(error, usage)
        self.error = error
        await self.sink.finish(self._emitter.take())

    def _outcome(
        self,
        status: ResponseStatus,
        usage: Usage | None = None,
        *,
        error: ApiError | None = None,
        reason: IncompleteReason | None = None,
        completed_at: int | None = None,
    ) -> Outcome:
        failure = None
        if error is not None:
            failure = _encode(ResponseError(error.failure_code, error.message))
        return Outcome(
            status=status,
            completed_at=completed_at,
            usage=None if usage is None else _encode(usage),
            error=failure,
            incomplete_reason=reason,
            output=[StoredItem(r.id, r.type, r.body) for r in self._emitter.records],
        )

    async def _commit(
        self, outcome: Outcome, seconds: float = COMMIT_PATIENCE_SECONDS
    ) -> ApiError | None:
        """Store the end of the response. Returns why it could not be, if it could not.

        Cancelled half-way, it may have taken effect or not: the next try finds out (``finish``).
        """
        if not self._is_row:
            return None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if await self._is_committed(outcome):
                        return None
                    await asyncio.sleep(COMMIT_PAUSE_SECONDS)
        except TimeoutError:
            log.error("response %s could not be stored: the database is away", self.id)
            return server_error("The response could not be stored.")
        except LeaseLost:
            return server_error("The response was deleted or taken over while it was running.")

    async def _is_committed(self, outcome: Outcome) -> bool:
        try:
            await self._parts.store.finish(self._caller.tenant, self.id, outcome)
        except DatabaseUnavailable:
            return False
        return True

    def _keep_history(self) -> None:
        records = self._emitter.records
        if self._is_row and self._deletions is not None and self._transcript is not None:
            self._parts.histories.keep(
                self._caller.tenant,
                self.id,
                self._parent_id,
                self._transcript,
                records if self._plan is None else self._plan.fresh(records),
                self._deletions,
            )


def _style(
    parts: Parts, request: CreateResponse, caller: Caller, profile: ModelProfile
) -> EventStyle:
    options = request.body.stream_options
    padded = options is None or options.include_obfuscation is not False
    seal = None
    if "reasoning.encrypted_content" in request.includes:
        seal = partial(parts.sealer.seal, tenant=caller.tenant)
    return EventStyle(
        dialect=caller.reasoning_dialect,
        summary=profile.reasoning_summary == "verbatim" and request.reasoning.wants_summary,
        seal=seal,
        logprobs=request.wants_logprobs,
        obfuscation=parts.obfuscates and padded and request.stream,
        phases=profile.message_phases,
    )
