"""What goes over HTTP to a server, watched: the SDK's transports ride on this one.

Theory of operation. The SDK knows JSON-RPC, and loses on the way what we must tell: the status of
an answer, and whether a request was ever sent. A connection that fails under it ends the whole
session, with every call in it. So its HTTP client gets this transport, which hands each request to
the real client and turns what went wrong with *one* JSON-RPC request into the JSON-RPC error of
that request, with our own code (`WIRE_FAULT`) and the facts in its ``data``. It also bounds what a
server may send, gives OAuth tokens, and never waits for long on what is no request.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import httpx2
import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = ["MAX_MESSAGE_BYTES", "WIRE_FAULT", "TokenSource", "WatchedTransport", "WireFault"]

log = logging.getLogger(__name__)
WIRE_FAULT = -32_097
MAX_MESSAGE_BYTES = 33_554_432
MAX_ERROR_BYTES = 65_536
BRIEF_SECONDS = 3.0
REDIRECTS_OF_POST = (307, 308)
SESSION_HEADER = "mcp-session-id"
LISTEN_METHOD = "subscriptions/listen"
CANCEL_METHOD = "notifications/cancelled"
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_encode = msgspec.json.Encoder().encode


class WireFault(Struct, frozen=True):
    """Why a request has no answer: ``status`` is the server's, or None if there was none."""

    status: int | None = None
    is_unsent: bool = False
    is_session_lost: bool = False


class TokenSource(Protocol):
    """Access tokens (see ``oauth.py``)."""

    async def token(self, client: httpx2.AsyncClient) -> str:
        """Raises ``httpx2.HTTPError`` if there is none to be had."""
        ...

    def expire(self, token: str) -> None: ...


class _Params(Struct, rename="camel"):
    request_id: int | str | UnsetType = UNSET


class _Message(Struct):
    """As much of a JSON-RPC message as is needed."""

    method: str | None = None
    id: int | str | None = None
    params: _Params | UnsetType = UNSET


class _RpcError(Struct, omit_defaults=True):
    code: int
    message: str
    data: Raw | UnsetType = UNSET


class _RpcErrorAnswer(Struct):
    error: _RpcError


_message_of = msgspec.json.Decoder(_Message).decode
_error_of = msgspec.json.Decoder(_RpcErrorAnswer).decode


class WatchedTransport(httpx2.AsyncBaseTransport):
    """Sends with ``client``, which it owns. ``on_broken`` is called when a stream that carries the
    whole session (``is_one_stream``: the old SSE transport) ended or refused a message.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        *,
        tokens: TokenSource | None,
        is_one_stream: bool,
        on_broken: Callable[[], None],
    ) -> None:
        self._client = client
        self._tokens = tokens
        self._is_one_stream = is_one_stream
        self._on_broken = on_broken
        self._streams: dict[int | str, _BoundedStream] = {}
        self.stream_fault: WireFault | None = None
        """Why ``on_broken`` was called, when it was a message that was refused."""

    async def aclose(self) -> None:
        await self._client.aclose()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["accept-encoding"] = "identity"  # a packed answer could unpack to anything
        message = await _read(request)
        if message is None or message.id is None or message.method is None:
            self._abandon(message)
            return await self._other(request, is_message=message is not None)
        if message.method == LISTEN_METHOD:
            _bound_silence(request, None)
        try:
            response = await self._sent(request)
            return await self._checked(request, response, message.id)
        except httpx2.HTTPError as error:
            log.debug("no answer of an MCP server: %r", error)
            fault = WireFault(is_unsent=isinstance(error, _UNSENT))
            return self._failed(request, message.id, fault)

    async def _other(self, request: httpx2.Request, *, is_message: bool) -> httpx2.Response:
        """A notification, an answer, the end of a session, or the stream of what the server says
        unasked: nobody waits for these but the SDK's own loop, which must not wait long.
        """
        _bound_silence(request, None if request.method == "GET" else BRIEF_SECONDS)
        try:
            response = await self._sent(request)
        except httpx2.HTTPError:
            if is_message:  # it is lost; the next request will say what is wrong
                return httpx2.Response(503, request=request)
            raise
        if request.method != "GET" or not self._is_one_stream:
            return _bounded(response, None)
        return _bounded(response, self._on_broken, limit=None)

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        if self._tokens is None:
            return await self._send(request)
        token = await self._tokens.token(self._client)
        request.headers["authorization"] = f"Bearer {token}"
        response = await self._send(request)
        if response.status_code != 401:
            return response
        await response.aclose()
        self._tokens.expire(token)
        token = await self._tokens.token(self._client)
        request.headers["authorization"] = f"Bearer {token}"
        return await self._send(request)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        return await self._client.send(request, stream=True, follow_redirects=False)

    async def _checked(
        self, request: httpx2.Request, response: httpx2.Response, id: int | str
    ) -> httpx2.Response:
        """The answer to a request, or what is wrong with it. What is read here can break only the
        one request.
        """
        status, kind = response.status_code, response.headers.get("content-type", "").lower()
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            return self._failed(request, id, WireFault(502))
        if status in REDIRECTS_OF_POST and _stays(response):
            return _bounded(response, None, limit=MAX_ERROR_BYTES)
        if 200 <= status < 300 and self._is_one_stream:
            return _bounded(response, None, limit=MAX_ERROR_BYTES)
        if status == 200 and kind.startswith("text/event-stream"):
            return self._followed(response, id)
        limit = MAX_MESSAGE_BYTES if status == 200 else MAX_ERROR_BYTES
        body = await _read_up_to(response, limit)
        if status == 200 and kind.startswith("application/json") and body is not None:
            return _answer(request, body, response.headers.get(SESSION_HEADER))
        if status in (400, 404) and body is not None:
            return self._refused(request, status, body, id)
        return self._failed(request, id, WireFault(502 if status < 400 else status))

    def _followed(self, response: httpx2.Response, id: int | str) -> httpx2.Response:
        bounded = _bounded(response, lambda: self._streams.pop(id, None))
        assert isinstance(bounded.stream, _BoundedStream)
        self._streams[id] = bounded.stream
        return bounded

    def _abandon(self, message: _Message | None) -> None:
        """Nobody waits for a request that is cancelled. Before 2026-07-28 the SDK reads on for its
        answer, which a server may never end.
        """
        if message is None or message.method != CANCEL_METHOD or message.params is UNSET:
            return
        if message.params.request_id is UNSET:
            return
        stream = self._streams.pop(message.params.request_id, None)
        if stream is not None:
            stream.is_abandoned = True

    def _refused(
        self, request: httpx2.Request, status: int, body: bytes, id: int | str
    ) -> httpx2.Response:
        """A server may say in JSON-RPC why. One that has forgotten the session says 404 (MCP's
        streamable HTTP), or 400 in words of its own, and has done nothing with the request.
        """
        try:
            said = _error_of(body).error
        except (msgspec.MsgspecError, UnicodeDecodeError):
            said = None
        if SESSION_HEADER in request.headers and (
            status == 404 or (said is not None and "session" in said.message.lower())
        ):
            return self._failed(request, id, WireFault(status, True, is_session_lost=True))
        if said is None:
            return self._failed(request, id, WireFault(status))
        return _answer(request, _encode({"jsonrpc": "2.0", "id": id, "error": said}))

    def _failed(self, request: httpx2.Request, id: int | str, fault: WireFault) -> httpx2.Response:
        if self._is_one_stream:  # its answers come over the one stream: none will come
            self.stream_fault = fault
            self._on_broken()
            return httpx2.Response(202, request=request)
        error = {"code": WIRE_FAULT, "message": "", "data": fault}
        return _answer(request, _encode({"jsonrpc": "2.0", "id": id, "error": error}))


def _bound_silence(request: httpx2.Request, seconds: float | None) -> None:
    """How long this request may wait for the next byte; None: for ever."""
    timeout = {**request.extensions.get("timeout", {}), "read": seconds}
    request.extensions = {**request.extensions, "timeout": timeout}


async def _read(request: httpx2.Request) -> _Message | None:
    """The JSON-RPC message that is sent; None if it is none. The SDK has written it."""
    return _message_of(await request.aread()) if request.method == "POST" else None


def _answer(request: httpx2.Request, body: bytes, session: str | None = None) -> httpx2.Response:
    headers = {"content-type": "application/json"}
    if session is not None:
        headers[SESSION_HEADER] = session
    return httpx2.Response(200, headers=headers, content=body, request=request)


def _stays(response: httpx2.Response) -> bool:
    """Whether a redirect leads to another path of the same server: others are not followed."""
    if response.next_request is None:
        return False
    here, there = response.request.url, response.next_request.url
    return (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)


async def _read_up_to(response: httpx2.Response, limit: int) -> bytes | None:
    """The body, or None if it is longer; the response is closed."""
    body = bytearray()
    try:
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > limit:
                return None
    finally:
        await response.aclose()
    return bytes(body)


def _bounded(
    response: httpx2.Response,
    on_end: Callable[[], object] | None,
    *,
    limit: int | None = MAX_MESSAGE_BYTES,
) -> httpx2.Response:
    stream = _BoundedStream(response, on_end, limit)
    return httpx2.Response(
        response.status_code,
        headers=response.headers,
        stream=stream,
        extensions=response.extensions,
        request=response.request,
    )


class _BoundedStream(httpx2.AsyncByteStream):
    """The bytes of a response, up to a limit, and a word when they end."""

    def __init__(
        self, response: httpx2.Response, on_end: Callable[[], object] | None, limit: int | None
    ) -> None:
        self._response = response
        self._on_end = on_end
        self._left = limit
        self.is_abandoned = False
        """It ends with the next piece."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.aiter_raw():
                if self.is_abandoned:
                    await self._response.aclose()
                    return
                if self._left is not None:
                    self._left -= len(piece)
                    if self._left < 0:
                        raise httpx2.ReadError("the answer is too large")
                yield piece
        finally:
            if self._on_end is not None:
                self._on_end()

    async def aclose(self) -> None:
        await self._response.aclose()
