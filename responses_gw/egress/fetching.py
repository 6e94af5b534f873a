"""The guard of everything that the service fetches for a client from a URL that the client chose.

Theory of operation. A client must not reach through us what only we can reach: this machine, its
networks, a cloud's metadata. So a URL is refused by its form first (scheme, user, port, a literal
address). Then its host is resolved once, every address of the answer is checked, and the connection
goes to one of exactly these addresses: a name that changes its answer between check and connection
gains nothing. As the last gate the address is checked again where the socket is made, behind
everything that the HTTP client does. Redirects are followed by hand, each as a new URL. Size, time
and compression are bounded while bytes come in; no cookies, no proxies, no credentials.

What is refused is not told apart from what is not there: the answers are no map of our networks.
"""

from __future__ import annotations

import asyncio
import re
import socket
import zlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct
from yarl import URL

from .. import __version__
from ..settings import EgressSettings
from .addresses import is_public, literal_address

__all__ = ["Egress", "EgressError", "Fetched", "Resolve"]

USER_AGENT = f"responses-gw/{__version__}"
MAX_URL_CHARACTERS = 8192
RESOLVER_THREADS = 4
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
DECODED_PIECE_BYTES = 262_144
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_UNREACHABLE = "its host cannot be reached from this server"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text. Raises ``OSError``."""


class EgressError(Exception):
    """Nothing was fetched. The message is a clause for the client: "its scheme is not https"."""


class Fetched(Struct, frozen=True):
    """``media_type`` is the Content-Type as it was sent, "" for none; ``url`` the last hop's."""

    body: bytes
    media_type: str
    url: str


class Egress:
    """An async context manager that owns the session. ``resolve`` stands in for the system's."""

    def __init__(self, settings: EgressSettings, resolve: Resolve | None = None) -> None:
        self._ports = frozenset(settings.ports)
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._allows_all = settings.allow_private_networks
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="egress")
        self._resolver = _CheckedResolver(resolve or self._resolve, self._may_reach)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # One connection per request: none is ever found again by its name, whose address may have
        # changed. The socket's maker knows no host, so with allowed hosts it cannot judge.
        judges = not self._allows_all and not self._hosts
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver,
                use_dns_cache=False,
                force_close=True,
                socket_factory=_public_socket if judges else None,
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
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _resolve(self, host: str, port: int) -> list[str]:
        """By the system, in threads of our own: a name server that says nothing holds them for
        long after we gave up, and must not hold up the names of others."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    async def fetch(self, url: str, *, max_bytes: int, seconds: float) -> Fetched:
        """GET the URL: at most ``max_bytes`` of body, decoded or not, everything in ``seconds``.

        Raises :class:`EgressError`, also for any status but 200.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._follow(self.checked(url), max_bytes)
        except TimeoutError as error:
            raise EgressError(f"it did not arrive within {seconds:g} seconds") from error
        except EgressError:
            raise
        except aiohttp.ClientConnectorError as error:
            raise EgressError(_UNREACHABLE) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EgressError("its server broke off or did not speak HTTP") from error

    def checked(self, url: str) -> URL:
        """The URL, parsed once for all that follows. Raises :class:`EgressError` for its form."""
        if len(url) > MAX_URL_CHARACTERS:
            raise EgressError(f"it is longer than {MAX_URL_CHARACTERS} characters")
        if _UNFIT.search(url):
            raise EgressError("it has a space, a backslash or a control character in it")
        try:
            parsed = URL(url)
            host, port = parsed.raw_host, parsed.port
        except (ValueError, IndexError) as error:  # yarl's, for brackets in odd places
            raise EgressError("it is no valid URL") from error
        return self._checked(parsed, host, port)

    def _checked(self, url: URL, host: str | None, port: int | None) -> URL:
        if url.scheme not in ("http", "https"):
            raise EgressError("it is neither an http:// nor an https:// URL")
        if not host:
            raise EgressError("it has no host")
        if "@" in url.raw_authority:
            raise EgressError("it has a user or a password in it")
        if host in self._hosts or self._allows_all:
            return url
        if port not in self._ports:
            raise EgressError("its port is not allowed")
        address = literal_address(host)
        if address is not None and not is_public(address):
            raise EgressError(_UNREACHABLE)
        return url

    def _may_reach(self, host: str, address: str) -> bool:
        return self._allows_all or host.lower() in self._hosts or is_public(address)

    # --- the wire ------------------------------------------------------------------------------

    async def _follow(self, url: URL, max_bytes: int) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            if self._session is None:
                raise RuntimeError("Egress is used outside its context")
            # a part of the URL behind # is for the client alone
            response = await self._session.get(url.with_fragment(None), allow_redirects=False)
            try:
                if response.status not in REDIRECTS:
                    return await _read(response, max_bytes)
                url = self._next(url, response.headers.get("location", ""))
            finally:
                response.close()
        raise EgressError(f"it leads through more than {MAX_REDIRECTS} redirects")

    def _next(self, url: URL, location: str) -> URL:
        if not location or _UNFIT.search(location):
            raise EgressError("it leads to an invalid redirect")
        try:
            target = str(url.join(URL(location)))
        except (ValueError, IndexError) as error:
            raise EgressError("it leads to an invalid redirect") from error
        try:
            return self.checked(target)
        except EgressError as error:
            raise EgressError(f"it leads to another URL, and {error}") from error


class _CheckedResolver(AbstractResolver):
    """Gives out only addresses that may be reached, and none of a host that has any other."""

    def __init__(self, resolve: Resolve, may_reach: Callable[[str, str], bool]) -> None:
        self._resolve = resolve
        self._may_reach = may_reach

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._resolve(host, port)
        if not addresses or not all(self._may_reach(host, address) for address in addresses):
            raise OSError("this host may not be reached")
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


def _public_socket(target: aiohttp.AddrInfoType) -> socket.socket:
    """The last gate: whatever chose this address, it is not connected to unless it is public."""
    family, kind, protocol, _, address = target
    if not is_public(str(address[0])):
        raise OSError("this address may not be reached")
    return socket.socket(family, kind, protocol)


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
