"""An MCP server made with the SDK: `modern.py stdio`, or `modern.py http|sse PORT`.

`LEGACY=1` makes it a server of before 2026-07-28, `TOKENS=a,b` wants one of them as a bearer token,
`JSON=1` answers in JSON instead of streams.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, EmbeddedResource, ImageContent, TextContent, ToolAnnotations
from mcp_types import TextResourceContents as TextResource
from starlette.types import ASGIApp, Message, Receive, Scope, Send

server = MCPServer("modern", log_level="ERROR")
started: list[str] = []
cancelled: list[str] = []


@server.tool(annotations=ToolAnnotations(read_only_hint=True, title="Addition"))
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@server.tool()
async def hang(name: str = "it", seconds: float = 3600) -> str:
    started.append(name)
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        cancelled.append(name)
        raise
    return name


@server.tool()
def seen() -> str:
    """Which calls of hang have started and which were cancelled."""
    return json.dumps([started, cancelled])


@server.tool(structured_output=False)
def big(size: int, character: str = "ä") -> str:
    return character * size


@server.tool(structured_output=False)
def picture(size: int) -> CallToolResult:
    data = base64.b64encode(os.urandom(size)).decode()
    image = ImageContent(type="image", data=data, mime_type="image/png")
    return CallToolResult(content=[TextContent(type="text", text="look"), image])


@server.tool(structured_output=False)
def report() -> CallToolResult:
    resource = TextResource(uri="file:///a.txt", text="from a file", mime_type="text/plain")
    return CallToolResult(
        content=[
            TextContent(type="text", text="one"),
            EmbeddedResource(type="resource", resource=resource),
        ]
    )


@server.tool(structured_output=False)
def structured() -> CallToolResult:
    return CallToolResult(content=[], structured_content={"n": 1})


@server.tool()
def fail() -> str:
    raise ValueError("no such file")


@server.tool()
def refuse() -> str:
    raise MCPError(-32042, "not for you")


@server.tool()
def die() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


@server.tool()
def pid() -> str:
    return str(os.getpid())


@server.tool()
def spawn() -> str:
    """A child that outlives the server unless the whole group is ended."""
    child = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL)
    return str(child.pid)


@server.tool()
def variables() -> str:
    return json.dumps(dict(os.environ))


@server.tool()
async def headers(ctx: Context) -> str:
    return json.dumps(dict(ctx.headers or {}))


@server.tool()
async def grow(ctx: Context) -> str:
    """Another tool appears."""
    server.add_tool(lambda: "new", name=f"tool_{len(await server.list_tools())}")
    if os.environ.get("LEGACY"):
        await ctx.session.send_tool_list_changed()
    else:
        await ctx.notify_tools_changed()
    return "grown"


class Door:
    """Before the server: wants a token, knows no 2026-07-28 under LEGACY, counts requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._tokens = os.environ.get("TOKENS", "").split(",")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        if self._tokens != [""] and given.removeprefix("Bearer ") not in self._tokens:
            await _answer(send, 401)
            return
        if not os.environ.get("LEGACY") or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        message = await receive()
        if b'"server/discover"' in message["body"]:
            await _answer(send, 400)
            return
        waiting = [message]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, again, send)


async def _answer(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def main(kind: str, port: int) -> None:
    if kind == "stdio":
        server.run("stdio")
        return
    if kind == "sse":
        app = server.sse_app()
    else:
        app = server.streamable_http_app(json_response=bool(os.environ.get("JSON")))
    config = uvicorn.Config(
        Door(app), host="127.0.0.1", port=port, log_level="error", timeout_graceful_shutdown=1
    )
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
