"""The protocol of a tool that the gateway runs.

A :class:`ToolKind` lives as long as the process. For each turn it is *opened* with the tools that
the request declares, before the model is called and before anything is sent: what is wrong with
them is found then. The :class:`OpenTool` says what the model may call and runs the calls. What a
call shows to the client stands in ``machine/hosted.py``, what a past call is to the model in
``prompt/hosted.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Raw, Struct

from ..api.items.hosted import McpToolInfo
from ..api.tools import CallKind, HostedCall, HostedResult, Tool
from ..prompt.hosted import GrantedCall
from ..prompt.toolset import HostedFunction

__all__ = ["Listing", "OpenTool", "ToolContext", "ToolKind"]


class ToolContext(Struct, frozen=True):
    """Whose turn it is, and what its history says: the tools of MCP servers by label, and the calls
    that the client has just approved.
    """

    tenant: str
    listed: Mapping[str, tuple[Raw, ...]]
    granted: Sequence[GrantedCall]


class Listing(Struct, frozen=True):
    """The tools of a server that the history does not have yet: they are shown first."""

    label: str
    tools: tuple[McpToolInfo, ...]


class OpenTool(Protocol):
    """One kind of tool for one turn; ``kinds`` are the calls that it runs."""

    @property
    def kinds(self) -> frozenset[CallKind]: ...

    @property
    def functions(self) -> Sequence[HostedFunction]: ...

    @property
    def listings(self) -> Sequence[Listing]: ...

    async def run(self, call: HostedCall) -> HostedResult:
        """Raises nothing that it knows of: what goes wrong is the error of the result."""

    def refuse(self, message: str) -> HostedResult:
        """A call that is not made, in the form of the item's errors."""


class ToolKind(Protocol):
    async def open(self, tools: Sequence[Tool], context: ToolContext) -> OpenTool | None:
        """None if none of the tools is of this kind.

        Raises :class:`~responses_gw.api.errors.ApiError` for tools that cannot be served.
        """
