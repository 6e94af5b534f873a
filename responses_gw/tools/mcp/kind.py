"""MCP servers as a kind of tool: what one turn may call of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from ...api.errors import ApiError
from ...api.items.hosted import McpProtocolError, McpToolInfo
from ...api.tools import CallKind, CallTarget, HostedCall, HostedResult, McpTool, Tool
from ...prompt.hosted import GrantedCall
from ...prompt.toolset import HostedFunction
from ..hosted import Listing, ToolContext
from .catalog import MAX_LIST_BYTES, MAX_TOOLS
from .policy import is_allowed, needs_approval
from .server import Server

__all__ = ["McpKind", "OpenMcp"]

MAX_SERVERS = 32
"""Of one request."""
MAX_DESCRIPTION_CHARACTERS = 1024
"""Of a server: every one of its functions carries it."""
_INVALID_PARAMS = -32602
_encode = msgspec.json.Encoder().encode
_decode_info = msgspec.json.Decoder(McpToolInfo).decode


class Servers(Protocol):
    """What :class:`~.servers.McpServers` is to a turn."""

    def server_of(self, tool: McpTool, tenant: str) -> Server: ...

    async def list_tools(self, server: Server) -> tuple[McpToolInfo, ...]: ...

    async def call(self, server: Server, name: str, arguments: str) -> HostedResult: ...


class Declared(Struct, frozen=True):
    """A tool of the request, the server that it means, and what may be called there."""

    tool: McpTool
    server: Server
    offered: Mapping[str, McpToolInfo]

    @classmethod
    def of(cls, tool: McpTool, server: Server, infos: Iterable[McpToolInfo]) -> Declared:
        return cls(
            tool, server, {info.name: info for info in infos if is_allowed(tool, server, info)}
        )


class McpKind:
    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    async def open(self, tools: Sequence[Tool], context: ToolContext) -> OpenMcp | None:
        """Raises :class:`ApiError`: 400 for what the request says, 424 for a server that cannot be
        listed.
        """
        declared = [tool for tool in tools if isinstance(tool, McpTool)]
        _check_labels(declared)
        servers = [self._servers.server_of(tool, context.tenant) for tool in declared]
        _check_granted(declared, context.granted)
        if not declared:
            return None
        known = [_infos(context.listed.get(tool.server_label)) for tool in declared]
        missing = [server for server, infos in zip(servers, known, strict=True) if infos is None]
        fresh = dict(zip(missing, await self._list_all(missing), strict=True))
        return OpenMcp(
            self._servers,
            {
                tool.server_label: Declared.of(
                    tool, server, fresh[server] if infos is None else infos
                )
                for tool, server, infos in zip(declared, servers, known, strict=True)
            },
            [Listing(server.label, infos) for server, infos in fresh.items()],
        )

    async def _list_all(self, servers: Sequence[Server]) -> list[tuple[McpToolInfo, ...]]:
        """All at once; the first fault ends the others."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._servers.list_tools(one)) for one in servers]
        except ExceptionGroup as faults:
            refused, _ = faults.split(ApiError)
            raise (refused or faults).exceptions[0] from None
        return [task.result() for task in tasks]


class OpenMcp:
    """The servers of one turn."""

    kinds: frozenset[CallKind] = frozenset(("mcp",))

    def __init__(
        self, servers: Servers, declared: Mapping[str, Declared], listings: Sequence[Listing]
    ) -> None:
        self._servers = servers
        self._declared = declared
        self.listings = listings
        self.functions = [function for one in declared.values() for function in _functions(one)]

    async def run(self, call: HostedCall) -> HostedResult:
        """Also a call that was approved: it may be of a tool that is no longer there. And a call
        of what was not offered: it is here that nothing runs without an approval.
        """
        declared = self._declared.get(call.target.namespace or "")
        info = None if declared is None else declared.offered.get(call.target.name)
        if declared is None or info is None:
            return self.refuse(f"There is no tool '{call.target.name}' that may be called.")
        if not call.is_approved and needs_approval(declared.tool, declared.server, info):
            return self.refuse(f"The tool '{call.target.name}' cannot be called now.")
        return await self._servers.call(declared.server, call.target.name, call.arguments)

    def refuse(self, message: str) -> HostedResult:
        return HostedResult(error=Raw(_encode(McpProtocolError(_INVALID_PARAMS, message))))


def _functions(declared: Declared) -> Iterable[HostedFunction]:
    about = declared.tool.server_description or declared.server.description or ""
    about = about[:MAX_DESCRIPTION_CHARACTERS]
    for name, info in declared.offered.items():
        asks = needs_approval(declared.tool, declared.server, info)
        target = CallTarget("mcp_approval" if asks else "mcp", name, declared.tool.server_label)
        described = "\n\n".join(text for text in (info.description, about) if text)
        yield HostedFunction(target, info.input_schema, described or None)


def _infos(listed: tuple[Raw, ...] | None) -> tuple[McpToolInfo, ...] | None:
    """The tools of a list that stands in the history; None if there is none that can be read, or
    one that no server could have given.
    """
    if listed is None or len(listed) > MAX_TOOLS or sum(map(len, listed)) > MAX_LIST_BYTES:
        return None
    try:
        return tuple(map(_decode_info, listed))
    except msgspec.MsgspecError:
        return None


def _check_labels(declared: Sequence[McpTool]) -> None:
    if len(declared) > MAX_SERVERS:
        raise ApiError(f"A request can name at most {MAX_SERVERS} MCP servers.", param="tools")
    labels: set[str] = set()
    for tool in declared:
        if tool.server_label in labels:
            raise ApiError(f"Duplicate MCP server_label found: {tool.server_label}.", param="tools")
        labels.add(tool.server_label)


def _check_granted(declared: Sequence[McpTool], granted: Sequence[GrantedCall]) -> None:
    """An approved call runs now, so its server has to be there."""
    labels = {tool.server_label for tool in declared}
    for call in granted:
        if call.target.namespace not in labels:
            raise ApiError(
                f"MCP server '{call.target.namespace}' of an approved call must be specified with "
                "'tools' parameter.",
                param="tools",
            )
