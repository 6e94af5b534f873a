"""One running service for all tests of a module, in front of a model server that plays scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI

from ..support.mcp_servers import HttpMcpServer
from ..support.module_fixtures import (
    base_env,
    client,
    http,
    service,
    shared_upstream,
    upstream,
)
from ..support.service import Service, free_port
from ..support.tool_loop import write_settings

__all__ = ["base_env", "client", "http", "service", "shared_upstream", "upstream"]


@pytest.fixture(scope="module")
def service_env(base_env: dict[str, str]) -> dict[str, str]:
    return base_env | {
        "RESPONSES_GW_SERVER_MAX_BODY_BYTES": "2000000",
        "RESPONSES_GW_SERVER_HEARTBEAT_SECONDS": "0.4",
    }


@pytest.fixture(scope="module")
def mcp_env(base_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings with the MCP servers of tests/support/tool_loop.py."""
    return base_env | write_settings(tmp_path_factory.mktemp("mcp"))


@pytest.fixture(scope="module")
def remote() -> Iterator[HttpMcpServer]:
    """An MCP server that only a request can name."""
    with HttpMcpServer(free_port()) as server:
        yield server


@pytest.fixture
async def async_client(service: Service) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk
