"""The tools of a server: all pages of its list, in measure, as OpenAI shows them."""

from __future__ import annotations

import msgspec
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND, PaginatedRequestParams, Tool
from msgspec import Raw

from ...api.items.hosted import McpToolInfo
from .catalog import MAX_LIST_BYTES, MAX_TOOLS
from .faults import INTERNAL_ERROR, protocol_fault

__all__ = ["all_tools"]

MAX_PAGES = 128
_encode = msgspec.json.Encoder().encode


async def all_tools(client: Client) -> tuple[McpToolInfo, ...]:
    """Raises :class:`~.faults.ServerFault` for a list without measure, and what the SDK raises."""
    found: list[McpToolInfo] = []
    size, cursor = 0, None
    for _ in range(MAX_PAGES):
        try:
            page = await client.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        except MCPError as error:
            if error.code == METHOD_NOT_FOUND and not found:
                return ()  # a server of prompts and resources only
            raise
        for tool in page.tools:
            found.append(info := _info_of(tool))
            size += len(info.input_schema) + len(info.description or "")
        if len(found) > MAX_TOOLS or size > MAX_LIST_BYTES:
            break
        cursor = page.next_cursor
        if cursor is None:
            return tuple(found)
    raise protocol_fault(
        INTERNAL_ERROR,
        f"The list of tools is too long: at most {MAX_TOOLS} tools with {MAX_LIST_BYTES} bytes of "
        "schemas are taken.",
    )


def _info_of(tool: Tool) -> McpToolInfo:
    """``read_only`` is OpenAI's own hint (OPENAI_WIRE §6); MCP's stand beside it."""
    hints = tool.annotations
    shown: dict[str, object] = {"read_only": bool(hints is not None and hints.read_only_hint)}
    if hints is not None:
        shown |= hints.model_dump(mode="json", by_alias=True, exclude_none=True)
    return McpToolInfo(
        name=tool.name,
        input_schema=Raw(_encode(tool.input_schema)),
        description=tool.description,
        annotations=Raw(_encode(shown)),
    )
