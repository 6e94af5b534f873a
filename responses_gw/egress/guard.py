"""The judge of every URL that the service reaches for a client and that the client chose.

Theory of operation. A client must not reach through us what only we can reach: this machine, its
networks, a cloud's metadata. So a URL is refused by its form first (scheme, user, port, a literal
address). Then its host is resolved once, every address of the answer is checked, and the connection
goes to one of exactly these addresses: a name that changes its answer between check and connection
gains nothing. A redirect is judged as a new URL. The clients of HTTP (``fetching.py``,
``http_client.py``) resolve no name and follow no URL that was not judged here.

What is refused is not told apart from what is not there: the answers are no map of our networks.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_network
from types import TracebackType
from typing import Self

from yarl import URL

from ..settings import EgressSettings
from .addresses import is_inside, is_public, literal_address

__all__ = ["UNREACHABLE", "EgressError", "Guard", "Resolve"]

MAX_URL_CHARACTERS = 8192
RESOLVER_THREADS = 4
UNREACHABLE = "its host cannot be reached from this server"
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_AUTHORITY_END = re.compile("[/?#]")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text. Raises ``OSError``."""


class EgressError(Exception):
    """Nothing was fetched. The message is a clause for the client: "it has no host"."""


class Guard:
    """One for the whole service, and an async context manager that owns the resolver's threads.

    ``resolve`` stands in for the system's resolver, ``tls`` for its certificate authorities (those
    of SSL_CERT_FILE and SSL_CERT_DIR, or OpenSSL's own); hosts and networks that the operator
    allows are verified like all others.
    """

    def __init__(
        self,
        settings: EgressSettings,
        resolve: Resolve | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.tls = tls or ssl.create_default_context()
        self._ports = frozenset(settings.ports)
        self._hosts = frozenset(_as_in_url(host) for host in settings.allowed_hosts)
        self._networks = tuple(ip_network(network) for network in settings.allowed_networks)
        self._allows_all = settings.allow_private_networks
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="egress")
        self._resolve = resolve or self._system_addresses

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def check_url(self, url: str) -> URL:
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
        if parsed.scheme not in ("http", "https"):
            raise EgressError("it is not an https:// URL")
        if not host:
            raise EgressError("it has no host")
        # of the text: yarl drops an @ with nothing before it
        if "@" in _AUTHORITY_END.split(url.partition("://")[2], maxsplit=1)[0]:
            raise EgressError("it has a user or a password in it")
        self._check_host(parsed.scheme, host, port)
        return parsed

    def check_redirect(self, url: URL, location: str) -> URL:
        """Where a response of ``url`` leads with this Location. Raises :class:`EgressError`."""
        if not location or _UNFIT.search(location):
            raise EgressError("it leads to an invalid redirect")
        try:
            target = str(url.join(URL(location)))
        except (ValueError, IndexError) as error:
            raise EgressError("it leads to an invalid redirect") from error
        try:
            return self.check_url(target)
        except EgressError as error:
            raise EgressError(f"it leads to another URL, and {error}") from error

    async def addresses(self, host: str, port: int) -> list[str]:
        """Where to connect for this host of a checked URL: the host is resolved once, here.

        Raises :class:`EgressError` for a host that is not found, or has any address, even beside
        good ones, that may not be reached on this port.
        """
        literal = literal_address(host)
        try:
            found = [literal] if literal is not None else [*await self._resolve(host, port)]
        except (OSError, ValueError) as error:  # no such host; a label that is no label
            raise EgressError(UNREACHABLE) from error
        if not found or not all(self._may_reach(host, port, address) for address in found):
            raise EgressError(UNREACHABLE)
        return found

    def may_connect(self, address: str) -> bool:
        """The last gate, for who makes sockets and knows no host: whether any host may be there.

        With allowed hosts it cannot judge.
        """
        return (
            self._allows_all
            or bool(self._hosts)
            or is_public(address)
            or is_inside(address, self._networks)
        )

    def _check_host(self, scheme: str, host: str, port: int | None) -> None:
        if self._allows_all or host.lower() in self._hosts or is_inside(host, self._networks):
            return
        if scheme != "https":
            raise EgressError("it is not an https:// URL")
        literal = literal_address(host)
        if port not in self._ports and (literal is not None or not self._networks):
            # a name may be in an allowed network: its port is judged with its addresses
            raise EgressError("its port is not allowed")
        if literal is not None and not is_public(literal):
            raise EgressError(UNREACHABLE)

    def _may_reach(self, host: str, port: int, address: str) -> bool:
        if self._allows_all or host.lower() in self._hosts:
            return True
        if is_inside(address, self._networks):
            return True
        return port in self._ports and is_public(address)

    async def _system_addresses(self, host: str, port: int) -> list[str]:
        """By the system, in threads of our own: a name server that says nothing holds them for
        long after we gave up, and must not hold up the names of others."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        )
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _as_in_url(host: str) -> str:
    """An allowed host as it is compared: in lower case, an international name in ASCII."""
    try:
        return (URL.build(scheme="https", host=host).raw_host or host).lower()
    except ValueError:
        return host.lower()
