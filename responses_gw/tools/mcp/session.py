"""One session with one server: the SDK's client, living in a task of its own.

Theory of operation. The SDK's transports and its client are built from cancel scopes, which must be
left by the task that entered them. So a task of the session enters them, waits for the end and
leaves them; nobody else ever does. Callers send requests from their own tasks, many at once: the
SDK's dispatcher gives each answer to the one who waits for it, and a caller that is cancelled
cancels its own request (``notifications/cancelled``) and nothing else.

A session ends when it is idle for long, when it broke (a stream or a pipe ended, the server has
forgotten it) or when the pool ends it. A *retired* one takes no new requests and ends with its
last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar

import httpx2
import msgspec
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    PARSE_ERROR,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    Implementation,
    ToolListChangedNotification,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from msgspec import UNSET
from pydantic import TypeAdapter, ValidationError

from ... import __version__
from ...api.items.hosted import McpHttpError, McpToolInfo
from ...api.tools import HostedResult
from ...settings import McpSettings
from .faults import (
    INTERNAL_ERROR,
    ServerFault,
    http_fault,
    protocol_fault,
    timed_out,
    unreachable,
)
from .listing import all_tools
from .oauth import AccessTokens
from .results import result_of
from .server import Server, Transport
from .stdio import stdio_transport
from .wire import MAX_MESSAGE_BYTES, WIRE_FAULT, WatchedTransport, WireFault

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

__all__ = ["Session", "plain_client"]

log = logging.getLogger(__name__)
for _name in ("mcp", "httpx2", "httpcore2"):  # they log addresses, messages and tracebacks
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

SILENCE_MARGIN_SECONDS = 30.0
HEALTH_SECONDS = 5.0
RELISTEN_SECONDS = 5.0
OURS = Implementation(name="responses-gw", version=__version__)
# what the SDK says itself under a code that servers use for everything
_SDK_CLOSED = ("Connection closed", "SSE stream")
_RESULT: TypeAdapter[CallToolResult] = TypeAdapter(CallToolResult)
_T = TypeVar("_T")


def plain_client(*, timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """For the operator's own servers, wherever they are."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=8)
    return httpx2.AsyncClient(timeout=timeout, limits=limits, verify=_tls(), trust_env=False)


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all: to read the certificates takes milliseconds, and most of a megabyte."""
    return httpx2.create_ssl_context(trust_env=False)


class Session:
    """Opens at once; the first request waits for it. ``on_list_changed`` and ``on_end`` are called
    in the session's own task. Use it from one event loop.
    """

    def __init__(
        self,
        server: Server,
        settings: McpSettings,
        client_factory: Callable[..., httpx2.AsyncClient],
        tokens: AccessTokens | None,
        *,
        on_list_changed: Callable[[], None],
        on_end: Callable[[Session], None],
    ) -> None:
        self.server = server
        self._settings = settings
        self._client_factory = client_factory
        self._tokens = tokens
        self._on_list_changed = on_list_changed
        self._on_end = on_end
        self._wire: WatchedTransport | None = None
        self._requests = 0
        self._is_retired = False
        self._end = asyncio.Event()
        self._idle: asyncio.TimerHandle | None = None
        self._extra: set[asyncio.Task[None]] = set()
        self._client: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._client.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.task = asyncio.create_task(self._live(), name="mcp session")

    @property
    def is_open(self) -> bool:
        """It was open before: what is unsent on it may be sent on another one."""
        return self._client.done()

    @property
    def takes_requests(self) -> bool:
        return not (self._is_retired or self._end.is_set() or self.task.done())

    @property
    def is_idle(self) -> bool:
        return self._requests == 0 and self._client.done()

    def retire(self) -> None:
        self._is_retired = True
        if not self._requests:
            self.end()

    def end(self) -> None:
        """Without regard to requests, which fail. ``task`` is done when everything is closed."""
        self._end.set()

    # --- requests ------------------------------------------------------------------------------

    async def tools(self) -> tuple[McpToolInfo, ...]:
        """All pages of the server's list. Raises :class:`ServerFault`."""
        return await self._request(all_tools, "list", self._settings.list_seconds)

    async def call(self, name: str, arguments: Mapping[str, object]) -> HostedResult:
        """Raises :class:`ServerFault`; a tool that failed is a result."""

        async def call(client: Client) -> CallToolResult:
            return await self._called(client, name, dict(arguments))

        result = await self._request(call, "call", self._settings.call_seconds)
        shown = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return result_of(
            shown["content"],
            shown.get("structuredContent", UNSET),
            is_error=result.is_error,
            max_bytes=self._settings.max_output_bytes,
        )

    async def _request(
        self,
        send: Callable[[Client], Awaitable[_T]],
        what: str,
        seconds: float,
    ) -> _T:
        with self._in_use():
            client = await asyncio.shield(self._client)
            if self._end.is_set():
                raise unreachable("closed the connection", is_unsent=True)
            try:
                async with asyncio.timeout(seconds):
                    return await send(client)
            except TimeoutError as error:
                self._beside(self._examine(client))
                raise timed_out("list" if what == "list" else "call", seconds) from error
            except Exception as error:
                raise self._fault_of(error) from error

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        self._requests += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests:
                self._rest()

    def _rest(self) -> None:
        if self._is_retired:
            self.end()
        elif not self._end.is_set():
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(self._settings.idle_seconds, self.retire)

    async def _called(
        self, client: Client, name: str, arguments: dict[str, object]
    ) -> CallToolResult:
        """Not the SDK's ``call_tool``: that one lists the tools again on every new session, and
        gives no result at all when it differs from the schema that the server once told.
        """
        request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments))
        try:
            return await client.session.send_request(request, _RESULT)
        except MCPError as error:
            if error.code != HEADER_MISMATCH:
                raise
        await all_tools(client)  # it wants arguments as headers: the SDK learns which from a list
        return await client.session.send_request(request, _RESULT)

    async def _examine(self, client: Client) -> None:
        """A request took too long: is it the tool, or does the server say nothing any more?"""
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await client.session.list_tools()
        except TimeoutError:
            log.debug("%r says nothing any more", self.server)
            self.retire()
        except (MCPError, ValidationError):
            log.debug("%r answers", self.server)

    # --- life ----------------------------------------------------------------------------------

    async def _live(self) -> None:
        seconds = self._settings.connect_seconds
        try:
            async with asyncio.timeout(seconds) as opening:
                try:
                    await self._live_over(self.server.transport, opening)
                except Exception as error:
                    if not self._may_be_old(error):
                        raise
                    await self._live_over("sse", opening)
        except asyncio.CancelledError:
            self._fail(unreachable("closed the connection"))
            raise
        except TimeoutError as error:
            self._fail(timed_out("connection", seconds), error)
        except Exception as error:  # noqa: BLE001 - the SDK's groups, of whatever its parts raise
            self._fail(self._fault_of(error), error)
        finally:
            self._end.set()
            if self._idle is not None:
                self._idle.cancel()
            self._on_end(self)

    async def _live_over(self, transport: Transport, opening: asyncio.Timeout) -> None:
        async with Client(
            self._streams(transport), message_handler=self._heard, client_info=OURS, cache=None
        ) as client:
            opening.reschedule(None)
            self._client.set_result(client)
            self._beside(self._listen(client))
            try:
                await self._end.wait()
            finally:
                await self._stop_beside()

    def _may_be_old(self, error: Exception) -> bool:
        """A request does not say which transport its server speaks: one that refuses the first
        message of the new one may speak the old one (MCP 2025-06-18, backwards compatibility).
        """
        if self.server.is_configured or self._client.done() or self._end.is_set():
            return False
        fault = self._fault_of(error).error
        return isinstance(fault, McpHttpError) and fault.code in (400, 404, 405)

    def _fail(self, fault: ServerFault, cause: BaseException | None = None) -> None:
        log.debug("the session of %r ended: %s", self.server, fault)
        if not self._client.done():
            fault.__cause__ = cause
            self._client.set_exception(fault)

    def _streams(self, transport: Transport) -> AbstractAsyncContextManager[TransportStreams]:
        server = self.server
        if transport == "stdio":
            return stdio_transport(server.command, dict(server.env), self.end)
        if transport == "sse":
            # the SDK takes no message above 1 MiB here, and offers no way to change that
            return sse_client(server.url, httpx_client_factory=self._sse_client)
        return _streamable_http(server.url, self._http_client(is_one_stream=False))

    def _sse_client(
        self,
        headers: dict[str, str] | None = None,
        timeout: httpx2.Timeout | None = None,
        auth: httpx2.Auth | None = None,
    ) -> httpx2.AsyncClient:
        """In the form that the SDK asks for; all of it is ours to say."""
        return self._http_client(is_one_stream=True)

    def _http_client(self, *, is_one_stream: bool) -> httpx2.AsyncClient:
        connect = self._settings.connect_seconds
        silence = max(self._settings.call_seconds, self._settings.list_seconds)
        timeout = httpx2.Timeout(connect, read=silence + SILENCE_MARGIN_SECONDS)
        self._wire = WatchedTransport(
            self._client_factory(timeout=timeout),
            tokens=self._tokens,
            is_one_stream=is_one_stream,
            on_broken=self.end,
        )
        return httpx2.AsyncClient(
            transport=self._wire,
            headers=[("user-agent", f"responses-gw/{__version__}"), *self.server.headers],
            timeout=timeout,
            trust_env=False,
        )

    # --- what the server says unasked ----------------------------------------------------------

    async def _heard(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._on_list_changed()

    async def _listen(self, client: Client) -> None:
        """Servers of 2026-07-28 and later tell changes only to those who ask for them."""
        tools = client.server_capabilities.tools
        if client.protocol_version not in MODERN_PROTOCOL_VERSIONS or tools is None:
            return
        while tools.list_changed:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self._on_list_changed()
            except SubscriptionLost:
                log.debug("%r hung up", self.server)
            except (MCPError, RuntimeError, TimeoutError) as error:
                log.debug("%r tells no changes: %s", self.server, type(error).__name__)
                return
            self._on_list_changed()  # perhaps: nobody listened
            await asyncio.sleep(RELISTEN_SECONDS)

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._extra.add(task)
        task.add_done_callback(self._extra.discard)

    async def _stop_beside(self) -> None:
        tasks = list(self._extra)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- what went wrong -----------------------------------------------------------------------

    def _fault_of(self, error: BaseException) -> ServerFault:
        match error:
            case ServerFault():
                return error
            case BaseExceptionGroup():
                return self._fault_of(error.exceptions[0])
            case MCPError():
                return self._mcp_fault(error)
            case httpx2.HTTPStatusError():
                return http_fault(error.response.status_code)
            case httpx2.HTTPError() | httpx2.InvalidURL() | OSError():
                return self._wire_fault() or unreachable()
            case ValidationError():
                return protocol_fault(
                    INTERNAL_ERROR, "The server's result does not have the form that MCP demands."
                )
            case _:
                # its text may have the address in it
                log.warning("%r broke off: %s", self.server, type(error).__name__)
                return unreachable("does not speak MCP as it should")

    def _mcp_fault(self, error: MCPError) -> ServerFault:
        if error.code == WIRE_FAULT:
            return self._told(msgspec.convert(error.data, WireFault))
        if error.code == CONNECTION_CLOSED and error.message.startswith(_SDK_CLOSED):
            if error.message == _SDK_CLOSED[0]:
                self.end()  # its task may not know yet
            return self._wire_fault() or unreachable("closed the connection")
        if error.code == PARSE_ERROR:
            return protocol_fault(PARSE_ERROR, "The server's answer is no JSON-RPC message.")
        return protocol_fault(error.code, error.message)

    def _wire_fault(self) -> ServerFault | None:
        """What was wrong with the stream that has carried the session."""
        fault = None if self._wire is None else self._wire.stream_fault
        if fault is None or fault.status is None:
            return None
        return http_fault(fault.status)

    def _told(self, fault: WireFault) -> ServerFault:
        if fault.is_session_lost:
            self.retire()
        if fault.status is None:
            return unreachable(is_unsent=fault.is_unsent)
        return http_fault(fault.status, is_unsent=fault.is_unsent)


@contextlib.asynccontextmanager
async def _streamable_http(
    url: str, client: httpx2.AsyncClient
) -> AsyncGenerator[TransportStreams]:
    """The SDK's transport with a client that ends with it."""
    async with (
        client,
        streamable_http_client(
            url, http_client=client, max_sse_event_size=MAX_MESSAGE_BYTES
        ) as streams,
    ):
        yield streams
