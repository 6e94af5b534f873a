"""``POST /v1/responses``: one turn, streamed or in one piece.

Two tasks live as long as the request: the turn, and a watcher on ``receive()``. ASGI servers tell
of a client that left only there, and only to somebody who waits for it (DESIGN §8); the watcher
cancels the turn then, which closes the upstream call. Both belong to one task group. It is
asyncio's own: anyio's cancellation passes over a task whose next step is already due, and a stream
that is read as fast as it comes is always in that state.
"""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from ..api.errors import ApiError
from ..engine import Caller, Engine, NoSink, Turn
from ..settings import ResponsesSettings, ServerSettings
from .answers import send_json
from .heartbeat import Heartbeat
from .requests import ClientGone, headers_of, read_json_body
from .sse import SseSink
from .tenants import tenant_of

__all__ = ["CreateResponseEndpoint"]

OPEN_RESPONSES_HEADER = "openresponses-version"


class CreateResponseEndpoint:
    def __init__(
        self,
        engine: Engine,
        heartbeat: Heartbeat,
        limits: ServerSettings,
        settings: ResponsesSettings,
    ) -> None:
        self._engine = engine
        self._heartbeat = heartbeat
        self._limits = limits
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = self._caller(scope)
        sink = SseSink(scope, send, caller.headers.get("user-agent", ""))
        try:
            turn = await self._read_turn(scope, receive, caller, sink)
        except ClientGone:
            return
        if turn.sink is sink:
            with self._heartbeat.watching(sink):
                await _run(turn, receive)
            return
        await _run(turn, receive)
        if turn.client_left:
            return
        if turn.error is not None and not turn.has_run_calls:
            raise turn.error
        await send_json(scope, send, bytes(turn.response))

    async def _read_turn(
        self, scope: Scope, receive: Receive, caller: Caller, sink: SseSink
    ) -> Turn:
        """Nothing here outlives the call: a request can be large, and its stream long."""
        data = await read_json_body(
            scope, receive, self._limits.max_body_bytes, self._limits.body_timeout_seconds
        )
        request = self._engine.read(data)
        return self._engine.turn(request, caller, sink if request.stream else NoSink())

    def _caller(self, scope: Scope) -> Caller:
        headers = headers_of(scope)
        headers["x-request-id"] = scope["responses_gw.request_id"]
        dialect = self._settings.reasoning_events
        return Caller(
            tenant=tenant_of(scope),
            headers=headers,
            reasoning_dialect="open_responses" if OPEN_RESPONSES_HEADER in headers else dialect,
        )


async def _run(turn: Turn, receive: Receive) -> None:
    """The turn has a task of its own: whatever wakes it up goes through few frames."""
    refusal: ApiError | None = None

    async def run() -> None:
        nonlocal refusal
        try:
            await turn.run()
        except ApiError as error:  # kept out of the task group, which would wrap it
            refusal = error
        watcher.cancel()

    try:
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(_watch(receive, turn))
            tasks.create_task(run())
    except* ClientGone:
        pass
    if refusal is not None:
        raise refusal


async def _watch(receive: Receive, turn: Turn) -> None:
    """Raises :class:`ClientGone`, which makes the task group cancel the turn."""
    while (await receive())["type"] != "http.disconnect":
        pass
    turn.client_left = True
    raise ClientGone
