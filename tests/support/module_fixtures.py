"""One running service for all tests of a module; the conftest of a folder makes them known.

A folder or a module that needs other settings has a fixture ``service_env`` of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from openai import OpenAI

from .service import Service
from .streams import connect
from .upstream import ScriptedUpstream

__all__ = ["base_env", "client", "http", "service", "service_env", "shared_upstream", "upstream"]


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
    return base_env


@pytest.fixture(scope="module")
def service(
    service_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with Service(service_env, tmp_path_factory.mktemp("service") / "service.log") as running:
        yield running


@pytest.fixture
async def http(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    async with connect(service.url) as session:
        yield session


@pytest.fixture
def client(service: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk
