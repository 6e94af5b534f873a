"""The MCP SDK over the guarded client: its own transports work, and go where they may."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from responses_gw.egress import Guard
from responses_gw.egress.http_client import guarded_client
from responses_gw.settings import EgressSettings

from .sites import Trap

pytestmark = pytest.mark.anyio

SERVER = """
import sys
from mcp.server import MCPServer

server = MCPServer("adder")

@server.tool()
def add(a: int, b: int) -> int:
    return a + b

server.run(sys.argv[1], host="127.0.0.1", port=int(sys.argv[2]))
"""


def served(transport: str) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, transport, str(port)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def streamable() -> Iterator[int]:
    yield from served("streamable-http")


@pytest.fixture
def sse() -> Iterator[int]:
    yield from served("sse")


@pytest.fixture
def guard() -> Guard:
    return Guard(EgressSettings(allowed_hosts=("localhost",)))


async def test_a_tool_is_called_over_streamable_http(streamable: int, guard: Guard) -> None:
    async with guarded_client(guard) as http:
        transport = streamable_http_client(f"http://localhost:{streamable}/mcp", http_client=http)
        async with Client(transport) as client:
            result = await client.call_tool("add", {"a": 1, "b": 2})
    assert result.structured_content == {"result": 3}


async def test_a_tool_is_called_over_sse(sse: int, guard: Guard) -> None:
    factory = partial(guarded_client, guard)
    transport = sse_client(f"http://localhost:{sse}/sse", httpx_client_factory=factory)
    async with Client(transport) as client:
        result = await client.call_tool("add", {"a": 1, "b": 2})
    assert result.structured_content == {"result": 3}


async def test_a_refused_server_is_an_error_of_the_sdk(trap: Trap, guard: Guard) -> None:
    url = f"https://127.0.0.1:{trap.port}/sse"
    transport = sse_client(url, httpx_client_factory=partial(guarded_client, guard))
    with pytest.raises((httpx2.ConnectError, BaseExceptionGroup)):
        async with Client(transport):
            pass
    assert trap.visits == 0
