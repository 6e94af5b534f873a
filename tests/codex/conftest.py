"""The real Codex CLI in front of the service, put in place by ``bin/test --codex``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from ..support.module_fixtures import base_env, service, shared_upstream, upstream
from ..support.service import Service
from .client import MODEL, Codex, Metadata
from .relay import Relay
from .shapes import RECORDINGS, Json, neutral, write

__all__ = ["base_env", "service", "shared_upstream", "upstream"]


class CodexFactory(Protocol):
    """A Codex in folders of its own, with some model's metadata and settings of the provider."""

    def __call__(
        self,
        metadata: Metadata = "unknown",
        *,
        url: str | None = ...,
        model: str = ...,
        **settings: str,
    ) -> Codex: ...


@pytest.fixture(scope="session")
def program() -> Path:
    path = os.environ.get("RESPONSES_GW_TEST_CODEX")
    if path is None:
        pytest.fail("Codex is installed and named by bin/test --codex")
    return Path(path)


@pytest.fixture(scope="module")
def service_env(base_env: dict[str, str]) -> dict[str, str]:
    return base_env | {"RESPONSES_GW_SERVER_HEARTBEAT_SECONDS": "0.4"}


@pytest.fixture
def relay(service: Service) -> Iterator[Relay]:
    with Relay(service.port) as running:
        yield running


@pytest.fixture
def codex(program: Path, tmp_path: Path, relay: Relay) -> CodexFactory:
    def make(
        metadata: Metadata = "unknown",
        *,
        url: str | None = None,
        model: str = MODEL,
        **settings: str,
    ) -> Codex:
        folder = tmp_path / "codex"
        return Codex(program, folder, url or relay.url, metadata, model, settings)

    return make


@pytest.fixture
def keep(tmp_path: Path) -> Callable[[str, Json], None]:
    """Makes a request a recording for the default run, if the environment asks for it."""

    def keep(name: str, body: Json) -> None:
        if os.environ.get("RESPONSES_GW_TEST_RECORD"):
            write(RECORDINGS / f"{name}.json", neutral(body, tmp_path / "codex"))

    return keep
