"""Which tools of a server a request may use, and which of its calls need an approval (SURFACE
§7.15).

Both the client and the operator have a say: what the operator does not allow is not there, and what
the operator wants to have approved is asked for, whatever the request says. A tool that does not
say that it only reads is taken for one that does more.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from ...api.items.hosted import McpToolInfo
from ...api.tools import McpTool, ToolFilter
from .server import Server

__all__ = ["is_allowed", "needs_approval"]


class _Annotations(Struct, frozen=True):
    """MCP's ``readOnlyHint``, and ``read_only`` as OpenAI's lists have it."""

    readOnlyHint: bool | None = None
    read_only: bool | None = None


_decode = msgspec.json.Decoder(_Annotations | None).decode


def is_allowed(tool: McpTool, server: Server, info: McpToolInfo) -> bool:
    if not server.allows(info.name):
        return False
    match tool.allowed_tools:
        case None:
            return True
        case ToolFilter() as wanted:
            return _matches(wanted, info)
        case names:
            return info.name in names


def needs_approval(tool: McpTool, server: Server, info: McpToolInfo) -> bool:
    """A server that the request declares is asked about unless the request says otherwise; one of
    the operator's is trusted as far as the operator says.
    """
    if server.require_approval == "always":
        return True
    match tool.require_approval:
        case None:
            return not server.is_configured
        case "always":
            return True
        case "never":
            return False
        case chosen:
            if chosen.always is not None and _matches(chosen.always, info):
                return True
            return chosen.never is None or not _matches(chosen.never, info)


def _matches(wanted: ToolFilter, info: McpToolInfo) -> bool:
    """A filter that says nothing matches nothing."""
    if wanted.tool_names is None and wanted.read_only is None:
        return False
    named = wanted.tool_names is None or info.name in wanted.tool_names
    return named and wanted.read_only in (None, _only_reads(info.annotations))


def _only_reads(annotations: Raw) -> bool:
    try:
        said = _decode(annotations)
    except msgspec.MsgspecError:
        return False
    return said is not None and (said.readOnlyHint is True or said.read_only is True)
