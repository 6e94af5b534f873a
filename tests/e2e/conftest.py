"""One running service for all tests of a module, in front of a model server that plays scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI, OpenAI

from ..support.service import Service
from ..support.upstream import ScriptedUpstream


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def upstream(shared_upstream: ScriptedUpstream) -> ScriptedUpstream:
    """The model server, with no memory of the tests before."""
    shared_upstream.requests.clear()
    shared_upstream.visits.clear()
    return shared_upstream


@pytest.fixture(scope="module")
def service(
    shared_upstream: ScriptedUpstream,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    log: Path = tmp_path_factory.mktemp("service") / "service.log"
    env = {
        "RESPONSES_GW_UPSTREAM": shared_upstream.url,
        "RESPONSES_GW_DATABASE_URL": module_database_url,
        "RESPONSES_GW_SERVER_MAX_BODY_BYTES": "2000000",
        "RESPONSES_GW_SERVER_HEARTBEAT_SECONDS": "0.4",
    }
    with Service(env, log) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
async def async_client(service: Service) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk
