"""One body from a URL that a client chose, within bounds.

Every URL, host and redirect is judged by the guard (``guard.py``); redirects are followed by hand.
As the last gate the address is checked again where the socket is made, behind everything that the
HTTP client does. Size, time and compression are bounded while bytes come in; no cookies, no
proxies, no credentials.
"""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct
from yarl import URL

from .. import __version__
from .guard import UNREACHABLE, EgressError, Guard

__all__ = ["Egress", "Fetched"]

USER_AGENT = f"responses-gw/{__version__}"
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
DECODED_PIECE_BYTES = 262_144


class Fetched(Struct, frozen=True):
    """``media_type`` is the Content-Type as it was sent, "" for none; ``url`` the last hop's."""

    body: bytes
    media_type: str
    url: str


class Egress:
    """An async context manager that owns the session. The guard is its owner's."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # One connection per request: none is ever found again by its name, whose address may have
        # changed.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_GuardedResolver(self._guard),
                use_dns_cache=False,
                force_close=True,
                ssl=self._guard.tls,
                socket_factory=self._socket,
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self, url: str, *, max_bytes: int, seconds: float) -> Fetched:
        """GET the URL: at most ``max_bytes`` of body, decoded or not, everything in ``seconds``.

        Raises :class:`EgressError`, also for any status but 200.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._follow(self._guard.check_url(url), max_bytes)
        except TimeoutError as error:
            raise EgressError(f"it did not arrive within {seconds:g} seconds") from error
        except EgressError:
            raise
        except aiohttp.ClientConnectorError as error:
            raise EgressError(UNREACHABLE) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EgressError("its server broke off or did not speak HTTP") from error

    async def _follow(self, url: URL, max_bytes: int) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            if self._session is None:
                raise RuntimeError("Egress is used outside its context")
            # a part of the URL behind # is for the client alone
            response = await self._session.get(url.with_fragment(None), allow_redirects=False)
            try:
                if response.status not in REDIRECTS:
                    return await _read(response, max_bytes)
                location = response.headers.get("location", "")
                url = self._guard.check_redirect(url, location)
            finally:
                response.close()
        raise EgressError(f"it leads through more than {MAX_REDIRECTS} redirects")

    def _socket(self, target: aiohttp.AddrInfoType) -> socket.socket:
        """The last gate, whatever chose this address."""
        family, kind, protocol, _, address = target
        if not self._guard.may_connect(str(address[0])):
            raise OSError("this address may not be reached")
        return socket.socket(family, kind, protocol)


class _GuardedResolver(AbstractResolver):
    """Gives out only addresses that may be reached, and none of a host that has any other."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            addresses = await self._guard.addresses(host, port)
        except EgressError as error:  # what the connector expects of a resolver
            raise OSError("this host may not be reached") from error
        return [_record(host, port, address) for address in addresses]

    async def close(self) -> None:
        pass


def _record(host: str, port: int, address: str) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> Fetched:
    if response.status != 200:
        raise EgressError(f"its server answered with status {response.status}")
    encoding = response.headers.get("content-encoding", "identity").strip().lower() or "identity"
    decode = _decoder(encoding)
    too_large = EgressError(f"it is larger than {max_bytes} bytes")
    if (response.content_length or 0) > max_bytes:
        raise too_large
    body, received = bytearray(), 0
    while data := await response.content.readany():
        received += len(data)
        if received > max_bytes:
            raise too_large
        for piece in decode.pieces(data):
            body += piece
            if len(body) > max_bytes:
                raise too_large
    body += decode.rest()
    return Fetched(bytes(body), response.headers.get("content-type", ""), str(response.url))


def _decoder(encoding: str) -> _Plain | _Inflating:
    """We ask for no compression, but some servers compress anyway."""
    match encoding:
        case "identity":
            return _Plain()
        case "gzip" | "x-gzip" | "deflate":
            return _Inflating()
        case _:
            raise EgressError("its server compresses in a way that it was not asked for")


class _Plain:
    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield data

    def rest(self) -> bytes:
        return b""


class _Inflating:
    """Bytes grow one bounded piece at a time: whoever has had enough stops in between."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data and not self._inflate.eof:
            try:
                yield self._inflate.decompress(data, DECODED_PIECE_BYTES)
            except zlib.error as error:
                raise EgressError("its server compressed it wrongly") from error
            data = self._inflate.unconsumed_tail

    def rest(self) -> bytes:
        """Less than one repetition of the compression, that is at most 258 bytes."""
        rest = self._inflate.flush()
        if not self._inflate.eof:
            raise EgressError("its server broke off")
        return rest
