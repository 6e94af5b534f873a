"""A guarded HTTP client for the MCP SDK: httpx2 above the guard's own wire.

Theory of operation. The SDK builds requests from URLs that a server sent (an endpoint event, a
redirect, the metadata of OAuth), so it is not the caller who asks the guard but the transport: it
judges every request that leaves the client. Below it, the backend of httpcore2 asks the guard for
the addresses of the very host that the connection is for and connects to one of them; the name
stays with httpcore2 for SNI and for the certificate. So no name is resolved anywhere else.

Imported by its own name only, when there is a server to reach.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import cast

import httpcore2
import httpx2

from .. import __version__
from .guard import UNREACHABLE, EgressError, Guard

__all__ = ["guarded_client"]

USER_AGENT = f"responses-gw/{__version__}"
DEFAULT_TIMEOUT = httpx2.Timeout(30.0, read=300.0)  # the SDK's: streams may be silent for long
MAX_CONNECTIONS = 100
MAX_IDLE_CONNECTIONS = 20
IDLE_SECONDS = 5.0

# the most exact kind first
_ERRORS: tuple[tuple[type[Exception], type[httpx2.TransportError]], ...] = (
    (httpcore2.ConnectTimeout, httpx2.ConnectTimeout),
    (httpcore2.ReadTimeout, httpx2.ReadTimeout),
    (httpcore2.WriteTimeout, httpx2.WriteTimeout),
    (httpcore2.PoolTimeout, httpx2.PoolTimeout),
    (httpcore2.TimeoutException, httpx2.TimeoutException),
    (httpcore2.ConnectError, httpx2.ConnectError),
    (httpcore2.ReadError, httpx2.ReadError),
    (httpcore2.WriteError, httpx2.WriteError),
    (httpcore2.NetworkError, httpx2.NetworkError),
    (httpcore2.LocalProtocolError, httpx2.LocalProtocolError),
    (httpcore2.RemoteProtocolError, httpx2.RemoteProtocolError),
    (httpcore2.ProtocolError, httpx2.ProtocolError),
    (httpcore2.UnsupportedProtocol, httpx2.UnsupportedProtocol),
)


def guarded_client(
    guard: Guard,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: httpx2.Timeout | None = None,
    auth: httpx2.Auth | None = None,
) -> httpx2.AsyncClient:
    """A client that reaches only what the guard allows, whoever chose the URL.

    ``partial(guarded_client, guard)`` is a client factory for the SDK. A refused URL raises
    ``httpx2.ConnectError``, whose cause is an :class:`EgressError`; no error's text has an address
    that the URL does not have. No proxies, no credentials from the environment, no cookies, no
    redirects but those that the caller follows, each judged again. ``headers`` go with every
    request to every host: a client is for one server.
    """
    named = {"user-agent": USER_AGENT, "accept-encoding": "identity"}
    return httpx2.AsyncClient(
        transport=_GuardedTransport(guard),
        headers={**named, **{name.lower(): value for name, value in (headers or {}).items()}},
        timeout=DEFAULT_TIMEOUT if timeout is None else timeout,
        auth=auth,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
        follow_redirects=False,
    )


class _GuardedTransport(httpx2.AsyncBaseTransport):
    """Judges each request, then sends it over the guarded wire.

    Built of httpcore2's public parts and not of httpx2's own transport, whose pool takes no
    backend: a guard that hung on a private name could fall off silently.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=guard.tls,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_GuardedBackend(guard),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        self._check(url)
        with _httpx2_errors():
            answer = await self._pool.handle_async_request(
                httpcore2.Request(
                    method=request.method,
                    url=httpcore2.URL(
                        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=cast("AsyncIterable[bytes]", request.stream),
                    # not all: with sni_hostname another name's certificate would do
                    extensions={"timeout": request.extensions.get("timeout", {})},
                )
            )
        return httpx2.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(cast("AsyncIterable[bytes]", answer.stream), answer.aclose),
            extensions=answer.extensions,
        )

    def _check(self, url: httpx2.URL) -> None:
        try:
            checked = self._guard.check_url(str(url))
            if not _is_same_host(checked.raw_host or "", url.raw_host.decode("ascii")):
                raise EgressError("it is no valid URL")  # two parsers, two opinions
        except EgressError as error:
            raise httpx2.ConnectError(str(error)) from error

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, pieces: AsyncIterable[bytes], close: Callable[[], Awaitable[None]]) -> None:
        self._pieces = pieces
        self._close = close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _httpx2_errors():
            async for piece in self._pieces:
                yield piece

    async def aclose(self) -> None:
        await self._close()


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to the addresses that the guard gave out for the host, one after the other."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._wire = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises httpcore2's ``ConnectError`` and ``ConnectTimeout``, without addresses."""
        try:
            async with asyncio.timeout(timeout) as limit:
                addresses = await self._guard.addresses(host, port)
                return await self._first(addresses, port, limit.when(), socket_options)
        except EgressError as error:
            raise httpcore2.ConnectError(str(error)) from error
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(UNREACHABLE) from error

    async def _first(
        self,
        addresses: list[str],
        port: int,
        deadline: float | None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None,
    ) -> httpcore2.AsyncNetworkStream:
        """The first that answers; one that is silent leaves its share of the time to the others."""
        for place, address in enumerate(addresses):
            share = None
            if deadline is not None:
                left = deadline - asyncio.get_running_loop().time()
                share = max(left, 0.0) / (len(addresses) - place)
            try:
                return await self._wire.connect_tcp(
                    address, port, timeout=share, socket_options=socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        raise EgressError(UNREACHABLE)


def _is_same_host(one: str, other: str) -> bool:
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return one.lower() == other.lower()


@contextmanager
def _httpx2_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        for kind, wanted in _ERRORS:
            if isinstance(error, kind):
                raise wanted(str(error)) from error
        raise
