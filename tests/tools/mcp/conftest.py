"""Servers of each transport for every test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from responses_gw.settings import McpServerSettings
from tests.support.mcp_servers import HttpMcpServer
from tests.support.mcp_servers.gateway import stdio_settings
from tests.support.service import free_port


@pytest.fixture(scope="session")
def http_server() -> Iterator[HttpMcpServer]:
    with HttpMcpServer(free_port()) as server:
        yield server


@pytest.fixture(scope="session")
def legacy_server() -> Iterator[HttpMcpServer]:
    with HttpMcpServer(free_port(), env={"LEGACY": "1"}) as server:
        yield server


@pytest.fixture(scope="session")
def sse_server() -> Iterator[HttpMcpServer]:
    with HttpMcpServer(free_port(), "sse") as server:
        yield server


@pytest.fixture(params=["stdio", "http", "legacy", "sse"])
def settings(request: pytest.FixtureRequest) -> McpServerSettings:
    """The same server, over each transport and in both eras of the protocol."""
    if request.param == "stdio":
        return stdio_settings()
    server: HttpMcpServer = request.getfixturevalue(f"{request.param}_server")
    return McpServerSettings(
        label="it", url=server.url, transport="sse" if request.param == "sse" else None
    )
