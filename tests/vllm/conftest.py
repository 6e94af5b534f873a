"""The service in front of a real vLLM, named by ``bin/test --vllm URL``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from openai import OpenAI

from ..support.service import Service


@pytest.fixture(scope="session")
def vllm_url() -> str:
    url = os.environ.get("RESPONSES_GW_TEST_VLLM")
    if url is None:
        pytest.fail("name the server: bin/test --vllm http://127.0.0.1:8000/v1")
    return url


@pytest.fixture(scope="module")
def service_env(vllm_url: str, module_database_url: str) -> dict[str, str]:
    """The settings of `service`; a module that needs others has a fixture of this name."""
    return {"RESPONSES_GW_UPSTREAM": vllm_url, "RESPONSES_GW_DATABASE_URL": module_database_url}


@pytest.fixture(scope="module")
def service(
    service_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with Service(service_env, tmp_path_factory.mktemp("service") / "service.log") as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk
