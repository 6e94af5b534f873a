"""The service of the end-to-end tests, with short patience."""

from __future__ import annotations

import pytest

from ..support.module_fixtures import base_env, http, service, shared_upstream, upstream

__all__ = ["base_env", "http", "service", "shared_upstream", "upstream"]
IDLE_SECONDS = 1.0


@pytest.fixture(scope="module")
def service_env(base_env: dict[str, str]) -> dict[str, str]:
    return base_env | {"RESPONSES_GW_UPSTREAM_IDLE_TIMEOUT_SECONDS": str(IDLE_SECONDS)}
