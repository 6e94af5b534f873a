"""A gateway of one MCP server, and what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import msgspec

from responses_gw.api.tools import McpTool
from responses_gw.settings import McpServerSettings, McpSettings
from responses_gw.tools.mcp import McpServers, Server

from . import MODERN, OLD

__all__ = [
    "Gateway",
    "children",
    "gateway",
    "is_alive",
    "old_settings",
    "sockets",
    "stdio_settings",
    "unguarded_client",
]


def stdio_settings(script: Path = MODERN, *arguments: str) -> McpServerSettings:
    args = (str(script), *(arguments or (("stdio",) if script == MODERN else ())))
    return McpServerSettings(label="it", command=sys.executable, args=args)


def old_settings(manner: str = "") -> McpServerSettings:
    return stdio_settings(OLD, manner)


class Gateway:
    """McpServers with one server, ``it``."""

    def __init__(self, servers: McpServers, it: Server) -> None:
        self.servers = servers
        self.it = it

    async def names(self) -> list[str]:
        return [tool.name for tool in await self.servers.list_tools(self.it)]

    async def output(self, name: str, /, **arguments: object) -> str:
        text = msgspec.json.encode(arguments).decode()
        result = await self.servers.call(self.it, name, text)
        assert result.error is None, bytes(result.error)
        assert result.output is not None
        return result.output

    async def error(self, name: str, /, **arguments: object) -> dict[str, object]:
        text = msgspec.json.encode(arguments).decode()
        result = await self.servers.call(self.it, name, text)
        assert result.output is None and result.error is not None
        found: dict[str, object] = msgspec.json.decode(result.error)
        return found


@contextlib.asynccontextmanager
async def gateway(server: McpServerSettings, **settings: float) -> AsyncIterator[Gateway]:
    """``settings`` are those of ``[mcp]``."""
    whole = msgspec.structs.replace(McpSettings(servers=(server,)), **settings)
    async with McpServers(whole, unguarded_client) as servers:
        yield Gateway(servers, servers.server_of(McpTool(server.label)))


def unguarded_client(*, timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """Where a request-declared server may be on this machine."""
    return httpx2.AsyncClient(timeout=timeout, trust_env=False)


def children() -> set[int]:
    """Processes that were started from this one and have not been waited for."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return {int(pid) for pid in file.read().split()}


def sockets() -> int:
    """Open sockets and pipes of this process."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith(("socket:", "pipe:"))
        except FileNotFoundError:
            continue
    return count


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
