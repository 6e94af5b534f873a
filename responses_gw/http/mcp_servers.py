"""``/v1/mcp/servers``: the MCP servers that the operator has configured, and their tools."""

from __future__ import annotations

import msgspec
from starlette.types import Receive, Scope, Send

from ..engine import Engine
from .answers import send_json

__all__ = ["McpServerIndex", "McpServerTools"]

_encode = msgspec.json.Encoder().encode


class McpServerIndex:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(scope, send, _encode(self._engine.mcp_servers()))


class McpServerTools:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        label: str = scope["path_params"]["label"]
        await send_json(scope, send, _encode(await self._engine.mcp_tools(label)))
