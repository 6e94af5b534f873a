"""``POST /v1/responses``: one turn, streamed or in one piece.

Two tasks live as long as the request: the turn, and a watcher on ``receive()``. ASGI servers tell
of a client that left only there, and only to somebody who waits for it (DESIGN §8); the watcher
cancels the turn then, which closes the upstream call. Both belong to one task group.
"""

from __future__ import annotations

import anyio
from starlette.types import Receive, Scope, Send

from ..api.errors import ApiError
from ..api.request import CreateResponse
from ..api.validate import decode_create_response
from ..engine import Caller, Engine, EventSink, NoSink, Turn
from ..settings import ResponsesSettings
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
        max_body_bytes: int,
        settings: ResponsesSettings,
    ) -> None:
        self._engine = engine
        self._heartbeat = heartbeat
        self._max_body_bytes = max_body_bytes
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            data = await read_json_body(scope, receive, self._max_body_bytes)
        except ClientGone:
            return
        request = decode_create_response(data)
        caller = self._caller(scope)
        if request.stream:
            await self._stream(request, caller, scope, receive, send)
        else:
            await self._whole(request, caller, scope, receive, send)

    async def _stream(
        self, request: CreateResponse, caller: Caller, scope: Scope, receive: Receive, send: Send
    ) -> None:
        sink = SseSink(scope, send, caller.headers.get("user-agent", ""))
        with self._heartbeat.watching(sink):
            await self._run(request, caller, sink, receive)

    async def _whole(
        self, request: CreateResponse, caller: Caller, scope: Scope, receive: Receive, send: Send
    ) -> None:
        turn = await self._run(request, caller, NoSink(), receive)
        if turn.client_left:
            return
        if turn.error is not None:
            raise turn.error
        await send_json(scope, send, bytes(turn.response))

    async def _run(
        self, request: CreateResponse, caller: Caller, sink: EventSink, receive: Receive
    ) -> Turn:
        turn = self._engine.turn(request, caller, sink)
        refusal: ApiError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_watch, receive, turn, tasks.cancel_scope)
            try:
                await turn.run()
            except ApiError as error:  # kept out of the task group, which would wrap it
                refusal = error
            tasks.cancel_scope.cancel()
        if refusal is not None:
            raise refusal
        return turn

    def _caller(self, scope: Scope) -> Caller:
        headers = headers_of(scope)
        headers["x-request-id"] = scope["responses_gw.request_id"]
        dialect = self._settings.reasoning_events
        return Caller(
            tenant=tenant_of(scope),
            headers=headers,
            reasoning_dialect="open_responses" if OPEN_RESPONSES_HEADER in headers else dialect,
        )


async def _watch(receive: Receive, turn: Turn, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    turn.client_left = True
    scope.cancel()
