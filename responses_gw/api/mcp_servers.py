"""What operators are shown of the MCP servers that they have configured.

OpenAI has no such API; the objects have the form of its lists. Neither addresses nor credentials
are in them.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

__all__ = ["McpServerList", "McpServerObject", "McpToolList", "McpToolObject"]


class McpServerObject(Struct, frozen=True):
    """``id`` is the ``server_label`` of requests; ``allowed_tools`` None: all of them."""

    id: str
    transport: Literal["streamable_http", "sse", "stdio"]
    description: str | None
    connector_id: str | None
    allowed_tools: tuple[str, ...] | None
    require_approval: Literal["never", "always"]
    object: Literal["mcp.server"] = "mcp.server"


class McpServerList(Struct, frozen=True):
    data: tuple[McpServerObject, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool = False
    object: Literal["list"] = "list"


class McpToolObject(Struct, frozen=True):
    """``id`` is the tool's name."""

    id: str
    name: str
    description: str | None
    input_schema: Raw
    annotations: Raw | None
    object: Literal["mcp.tool"] = "mcp.tool"


class McpToolList(Struct, frozen=True):
    data: tuple[McpToolObject, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool = False
    object: Literal["list"] = "list"
