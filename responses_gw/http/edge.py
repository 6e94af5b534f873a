"""The route table, and the boundary where every error becomes an answer in OpenAI's envelope."""

from __future__ import annotations

import asyncio
import logging

from starlette.exceptions import HTTPException
from starlette.routing import Route, Router
from starlette.types import Message, Receive, Scope, Send

from ..api.errors import ApiError, server_error, unavailable
from ..engine import Engine
from ..engine.shield import finish_anyway
from ..settings import Settings
from .answers import StartWatch, send_error
from .create import CreateResponseEndpoint
from .health import Live, Ready
from .heartbeat import Heartbeat
from .mcp_servers import McpServerIndex, McpServerTools
from .models import ModelDetail, ModelIndex
from .requests import request_id_of
from .stored import InputItems, StoredResponse
from .upgrade import refuse_websocket

__all__ = ["Edge"]

log = logging.getLogger(__name__)
GOODBYE_SECONDS = 2.0
DISCARD_SECONDS = 10.0


class Edge:
    """The ASGI application behind the lifespan. ``readiness`` raises ApiError while it is not
    ready.
    """

    def __init__(
        self, engine: Engine, settings: Settings, heartbeat: Heartbeat, ready: Ready
    ) -> None:
        self._router = Router(
            [
                Route(
                    "/v1/responses",
                    CreateResponseEndpoint(engine, heartbeat, settings.server, settings.responses),
                    methods=["POST"],
                ),
                Route(
                    "/v1/responses/{response_id}",
                    StoredResponse(engine),
                    methods=["GET", "DELETE"],
                ),
                Route(
                    "/v1/responses/{response_id}/input_items", InputItems(engine), methods=["GET"]
                ),
                Route("/v1/models", ModelIndex(engine), methods=["GET"]),
                Route("/v1/models/{model_id:path}", ModelDetail(engine), methods=["GET"]),
                Route("/v1/mcp/servers", McpServerIndex(engine), methods=["GET"]),
                Route("/v1/mcp/servers/{label}/tools", McpServerTools(engine), methods=["GET"]),
                Route("/livez", Live(), methods=["GET"]),
                Route("/readyz", ready, methods=["GET"]),
            ],
            redirect_slashes=False,
            default=_no_such_url,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await refuse_websocket(scope, receive, send)
            return
        watch, body = StartWatch(send), BodyWatch(receive)
        scope["app"] = self  # Starlette raises HTTPException for a wrong method only inside an app
        scope["responses_gw.request_id"] = request_id_of(scope)
        try:
            await self._router(scope, body, watch)
        except ApiError as error:
            await self._answer(scope, body, watch, error)
        except HTTPException as error:
            await self._answer(scope, body, watch, _of_http_exception(scope, error))
        except asyncio.CancelledError:
            if not watch.started:  # the process is told to stop, and nothing was said yet
                goodbye = send_error(scope, watch, unavailable("The server is shutting down."))
                await finish_anyway(goodbye, GOODBYE_SECONDS)
            raise
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            await self._answer(scope, body, watch, server_error())

    async def _answer(
        self, scope: Scope, body: BodyWatch, watch: StartWatch, error: ApiError
    ) -> None:
        if watch.started:  # half an answer is out: only closing the connection tells the truth now
            raise error
        if error.status >= 500:
            log.warning(
                "%s %s: %d %s (request %s%s)",
                *(scope["method"], scope["path"], error.status, error.message),
                *(scope["responses_gw.request_id"], _cause_of(error)),
            )
        if scope["http_version"] == "2":
            await body.discard()  # hypercorn drops the whole connection over a late piece of it
        await send_error(scope, watch, error)


class BodyWatch:
    """A ``receive`` that knows whether the body has been read to its end."""

    __slots__ = ("_ended", "_receive")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._ended = True
        return message

    async def discard(self) -> None:
        """Read what is left, for a while."""
        try:
            async with asyncio.timeout(DISCARD_SECONDS):
                while not self._ended:
                    await self()
        except TimeoutError:
            log.debug("a body that nobody wants goes on and on")


def _cause_of(error: ApiError) -> str:
    """What only operators are told."""
    return "" if error.__cause__ is None else f", {error.__cause__!r}"


def _of_http_exception(scope: Scope, error: HTTPException) -> ApiError:
    method, path = scope["method"], scope["path"]
    if error.status_code == 405:
        return ApiError(
            f"Not allowed to {method} on {path}.",
            status=405,
            code="method_not_allowed",
            headers=error.headers,
        )
    return ApiError(f"Invalid URL ({method} {path})", status=error.status_code)


async def _no_such_url(scope: Scope, receive: Receive, send: Send) -> None:
    raise ApiError(f"Invalid URL ({scope['method']} {scope['path']})", status=404)
