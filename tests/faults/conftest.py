"""The service of the end-to-end tests, with short patience, and a plain HTTP client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from ..support.service import Service
from ..support.streams import connect
from ..support.upstream import ScriptedUpstream

IDLE_SECONDS = 1.0


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def upstream(shared_upstream: ScriptedUpstream) -> ScriptedUpstream:
    shared_upstream.forget()
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
        "RESPONSES_GW_UPSTREAM_IDLE_TIMEOUT_SECONDS": str(IDLE_SECONDS),
        "RESPONSES_GW_DATABASE_URL": module_database_url,
    }
    with Service(env, log) as running:
        yield running


@pytest.fixture
async def http(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    async with connect(service.url) as session:
        yield session
