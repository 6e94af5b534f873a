"""The operator's MCP servers, as they are shown over HTTP."""

from __future__ import annotations

from ..api.errors import not_found
from ..api.mcp_servers import McpServerList, McpServerObject, McpToolList, McpToolObject
from ..tools.mcp import McpServers, Server

__all__ = ["mcp_server_list", "mcp_tool_list"]


def mcp_server_list(servers: McpServers) -> McpServerList:
    data = tuple(_shown(server) for server in servers.configured)
    return McpServerList(data, *_ends([one.id for one in data]))


async def mcp_tool_list(servers: McpServers, label: str) -> McpToolList:
    """Raises :class:`~responses_gw.api.errors.ApiError`: 404, or 424 if it cannot be asked."""
    server = servers.find(label)
    if server is None:
        raise not_found("MCP server", label)
    data = tuple(
        McpToolObject(tool.name, tool.name, tool.description, tool.input_schema, tool.annotations)
        for tool in await servers.list_tools(server)
    )
    return McpToolList(data, *_ends([one.id for one in data]))


def _shown(server: Server) -> McpServerObject:
    return McpServerObject(
        id=server.label,
        transport=server.transport,
        description=server.description,
        connector_id=server.connector,
        allowed_tools=server.allowed_tools,
        require_approval=server.require_approval or "never",
    )


def _ends(ids: list[str]) -> tuple[str | None, str | None]:
    return (ids[0], ids[-1]) if ids else (None, None)
