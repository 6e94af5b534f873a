"""The service in front of a real vLLM, named by ``bin/test --vllm URL``."""

from __future__ import annotations

import os

import pytest

from ..support.module_fixtures import client, service

__all__ = ["client", "service"]


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
