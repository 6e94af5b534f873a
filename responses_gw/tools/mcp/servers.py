"""The MCP servers of one process: which there are, what they offer, and calls of their tools."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import msgspec

from ...api.errors import mcp_list_failed
from ...api.items.hosted import McpProtocolError, McpToolInfo
from ...api.tools import HostedResult, McpTool
from ...settings import McpSettings
from .catalog import Catalog
from .faults import INTERNAL_ERROR, INVALID_PARAMS, ServerFault
from .pool import ClientFactory, SessionPool
from .results import failed
from .server import Directory, Server

if TYPE_CHECKING:
    from .session import Session

__all__ = ["McpServers"]

log = logging.getLogger(__name__)
_object_of = msgspec.json.Decoder(dict[str, object]).decode
_T = TypeVar("_T")


class McpServers:
    """An async context manager. ``declared_client`` makes the HTTP client for a server that a
    request declares, and must guard where it goes; without one no request can declare a server.
    ``check_url`` raises ``EgressError`` for a URL whose form alone rules it out.
    """

    def __init__(
        self,
        settings: McpSettings,
        declared_client: ClientFactory | None = None,
        check_url: Callable[[str], object] = str,
    ) -> None:
        can_declare = settings.request_declared and declared_client is not None
        self._directory = Directory(settings.servers, check_url if can_declare else None)
        self._catalog = Catalog(settings.list_ttl_seconds)
        self._pool = SessionPool(settings, declared_client, self._catalog.drop)

    async def __aenter__(self) -> Self:
        if self._directory.configured:
            await self._pool.load()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._catalog.close()
        await self._pool.close()

    @property
    def configured(self) -> tuple[Server, ...]:
        """The operator's servers, in the order of the settings."""
        return self._directory.configured

    def find(self, label: str) -> Server | None:
        """The operator's server of this label."""
        return self._directory.find(label)

    def server_of(self, tool: McpTool, tenant: str = "") -> Server:
        """Raises :class:`~responses_gw.api.errors.ApiError` (400) if there is no such server."""
        return self._directory.server_of(tool, tenant)

    async def list_tools(self, server: Server) -> tuple[McpToolInfo, ...]:
        """The tools that may be called, perhaps as they were a while ago.

        Raises :class:`~responses_gw.api.errors.ApiError` (424).
        """

        async def fetch() -> tuple[McpToolInfo, ...]:
            return await self._with_session(server, lambda session: session.tools())

        try:
            tools = await self._catalog.tools(server.key, fetch)
        except ServerFault as fault:
            log.info("%r cannot list its tools: %s", server, fault.error.code)
            raise mcp_list_failed(server.label, fault.reason) from fault
        return tuple(tool for tool in tools if server.allows(tool.name))

    async def call(self, server: Server, name: str, arguments: str) -> HostedResult:
        """Call a tool with what the model wrote. Whatever goes wrong is in the result; only
        ``CancelledError`` is raised, after the server was told.
        """
        if not server.allows(name):
            return failed(McpProtocolError(INVALID_PARAMS, f"Unknown tool: {name}"))
        try:
            values = _object_of(arguments) if arguments.strip() else {}
        except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
            wrong = "The arguments of the call are not a JSON object."
            return failed(McpProtocolError(INVALID_PARAMS, wrong))
        try:
            return await self._with_session(server, lambda session: session.call(name, values))
        except ServerFault as fault:
            log.info("a call of %r failed: %s", server, fault.error.code)
            return failed(fault.error)
        except Exception:
            log.exception("a call of %r failed", server)
            return failed(McpProtocolError(INTERNAL_ERROR, "The gateway could not make this call."))

    async def _with_session(
        self, server: Server, request: Callable[[Session], Awaitable[_T]]
    ) -> _T:
        """A session that was open may be one that the server has forgotten. Only if it certainly
        has not seen the request, a new session tries once more: a call may have effects.
        """
        session = await self._pool.session(server)
        was_open = session.is_open
        try:
            return await request(session)
        except ServerFault as fault:
            if not (fault.is_unsent and was_open):
                raise
        session.retire()
        return await request(await self._pool.session(server))
