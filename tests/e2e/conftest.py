"""One running service for all tests of a module, in front of a model server that plays scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI, OpenAI

from ..support.mcp_servers import HttpMcpServer
from ..support.service import Service, free_port
from ..support.tool_loop import write_settings
from ..support.upstream import ScriptedUpstream


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def upstream(shared_upstream: ScriptedUpstream) -> ScriptedUpstream:
    """The model server, with no memory of the tests before."""
    shared_upstream.forget()
    return shared_upstream


@pytest.fixture(scope="module")
def base_env(shared_upstream: ScriptedUpstream, module_database_url: str) -> dict[str, str]:
    return {
        "RESPONSES_GW_UPSTREAM": shared_upstream.url,
        "RESPONSES_GW_DATABASE_URL": module_database_url,
    }


@pytest.fixture(scope="module")
def service_env(base_env: dict[str, str]) -> dict[str, str]:
    """The settings of `service`; a module that needs others has a fixture of this name."""
    return base_env | {
        "RESPONSES_GW_SERVER_MAX_BODY_BYTES": "2000000",
        "RESPONSES_GW_SERVER_HEARTBEAT_SECONDS": "0.4",
    }


@pytest.fixture(scope="module")
def mcp_env(base_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings with the MCP servers of tests/support/tool_loop.py."""
    return base_env | write_settings(tmp_path_factory.mktemp("mcp"))


@pytest.fixture(scope="module")
def service(
    service_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with Service(service_env, tmp_path_factory.mktemp("service") / "service.log") as running:
        yield running


@pytest.fixture(scope="module")
def remote() -> Iterator[HttpMcpServer]:
    """An MCP server that only a request can name."""
    with HttpMcpServer(free_port()) as server:
        yield server


@pytest.fixture
def client(service: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
async def async_client(service: Service) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk
