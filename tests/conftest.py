"""Makes the fixtures of tests/support known to every test."""

from __future__ import annotations

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")

from tests.support.database import (  # noqa: E402
    database_url,
    embedded_postgres,
    empty_database_url,
    module_database_url,
    own_embedded_postgres,
    pristine_cluster,
    public_path,
)
from tests.support.fixtures import service_factory, upstream  # noqa: E402

# how long an example takes is the machine's business, not a law of the code
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

__all__ = [
    "anyio_backend",
    "database_url",
    "embedded_postgres",
    "empty_database_url",
    "module_database_url",
    "own_embedded_postgres",
    "pristine_cluster",
    "public_path",
    "service_factory",
    "upstream",
]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
