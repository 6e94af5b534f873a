"""Fixtures that any test may ask for; tests/conftest.py makes them known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from .service import Service
from .upstream import ScriptedUpstream


class ServiceFactory(Protocol):
    """Starts a service that is ready; it stops with the test."""

    def __call__(
        self,
        env: Mapping[str, str] | None = None,
        *,
        app: str = ...,
        ready_path: str = ...,
        port: int | None = ...,
        wait: bool = ...,
    ) -> Service: ...


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """A model server that plays scripts."""
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def service_factory(tmp_path: Path, upstream: ScriptedUpstream) -> Iterator[ServiceFactory]:
    """Starts services against `upstream`; `env` adds to the environment or overrides it."""
    with ExitStack() as running:
        started: list[Service] = []

        def start(
            env: Mapping[str, str] | None = None,
            *,
            app: str = "responses_gw.app:app",
            ready_path: str = "/readyz",
            port: int | None = None,
            wait: bool = True,
        ) -> Service:
            service = Service(
                {"RESPONSES_GW_UPSTREAM": upstream.url, **(env or {})},
                tmp_path / f"service-{len(started)}.log",
                app=app,
                ready_path=ready_path,
                port=port,
            )
            started.append(service)
            running.callback(service.stop)
            return service.wait_ready() if wait else service

        yield start
        for service in started:  # pytest shows this only when the test fails
            print(f"--- log of {service.url} ---\n{service.log_tail()}")
