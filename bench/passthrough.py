"""The twin: the least that a proxy can do on the same server. It relays bytes, a send per read."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

uvloop.install()  # hypercorn imports the app before it makes its loop

_URL = os.environ["RESPONSES_GW_UPSTREAM"] + "/chat/completions"
_JSON = {"content-type": "application/json"}
_HEAD = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]


class Relay:
    """The route's endpoint, as plain ASGI: what comes in goes up, what comes back goes out."""

    session: aiohttp.ClientSession

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        relaying = asyncio.ensure_future(self._relay(body, send))
        watching = asyncio.ensure_future(self._watch(receive, relaying))
        try:
            await asyncio.wait({relaying})
            if not relaying.cancelled():
                relaying.result()
        finally:
            watching.cancel()

    async def _relay(self, body: bytes, send: Send) -> None:
        async with self.session.post(_URL, data=body, headers=_JSON) as response:
            await send({"type": "http.response.start", "status": response.status, "headers": _HEAD})
            while data := await response.content.readany():
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _watch(self, receive: Receive, relaying: asyncio.Future[None]) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        relaying.cancel()


relay = Relay()


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    relay.session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300),
        auto_decompress=False,
        read_bufsize=65536,
    )
    async with relay.session:
        yield


async def ready(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


app = Starlette(
    routes=[Route("/readyz", ready), Route("/v1/responses", relay, methods=["POST"])],
    lifespan=lifespan,
)
