"""The database goes away: before, during and after a response; and the service dies."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import pytest

from responses_gw.store import EmbeddedPostgres

from ..grammar import check, parse_sse
from ..support.database import servers_below
from ..support.fixtures import ServiceFactory
from ..support.streams import connect, refused, request, stored, streamed
from ..support.upstream import (
    DONE,
    Head,
    Hold,
    ScriptedUpstream,
    answer,
    finish,
    role,
    text,
    usage,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def own_postgres(own_embedded_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """A server of this test's own, which it may stop."""
    return own_embedded_postgres


def patient(dsn: str) -> dict[str, str]:
    return {
        "RESPONSES_GW_DATABASE_URL": dsn,
        "RESPONSES_GW_DATABASE_LEASE_SECONDS": "1",
        "RESPONSES_GW_DATABASE_ACQUIRE_TIMEOUT_SECONDS": "1",
    }


async def test_without_a_database_stateless_requests_go_on(
    own_postgres: EmbeddedPostgres, service_factory: ServiceFactory, upstream: ScriptedUpstream
) -> None:
    service = service_factory(patient(own_postgres.dsn))
    async with connect(service.url) as http:
        first = await streamed(http)
        await asyncio.to_thread(own_postgres.stop)
        assert (await streamed(http, store=False)).terminal["status"] == "completed"
        for fields in ({}, {"stream": True}, {"previous_response_id": first.terminal["id"]}):
            status, error, response = await refused(http, **fields)
            assert (status, error["type"]) == (503, "server_error")
            assert "retry-after" in response.headers
        status, _, _ = await refused(http, "GET", f"/v1/responses/{first.terminal['id']}")
        assert status == 503
        async with http.get("/readyz") as ready:
            assert ready.status == 503
        async with http.get("/livez") as live:
            assert live.status == 200
        await asyncio.to_thread(own_postgres.start)
        again = await _once_ready(http, previous_response_id=first.terminal["id"])
        assert again["status"] == "completed"


async def _once_ready(http: aiohttp.ClientSession, **fields: object) -> dict[str, object]:
    deadline = time.monotonic() + 10
    while True:
        async with http.get("/readyz") as ready:
            if ready.status == 200:
                return (await streamed(http, **fields)).terminal
        assert time.monotonic() < deadline, "the service did not find its database again"
        await asyncio.sleep(0.05)


async def test_a_database_that_comes_back_in_time_is_no_fault(
    own_postgres: EmbeddedPostgres, service_factory: ServiceFactory, upstream: ScriptedUpstream
) -> None:
    service = service_factory(patient(own_postgres.dsn))
    upstream.play(role(), text("Hello"), Hold(), finish("stop"), usage(), DONE)
    async with connect(service.url) as http:
        running = asyncio.create_task(streamed(http))
        await upstream.arrived(0)
        await asyncio.sleep(0.2)  # the row is there by now
        await asyncio.to_thread(own_postgres.stop)
        await asyncio.to_thread(own_postgres.start)
        upstream.release()
        answered = await running
        assert answered.terminal["status"] == "completed"
        assert await stored(http, answered.terminal["id"]) == answered.terminal


async def test_a_response_that_cannot_be_stored_fails(
    own_postgres: EmbeddedPostgres, service_factory: ServiceFactory, upstream: ScriptedUpstream
) -> None:
    service = service_factory(patient(own_postgres.dsn))
    upstream.play(role(), text("Hello"), Hold(), finish("stop"), usage(), DONE)
    async with connect(service.url) as http:
        running = asyncio.create_task(streamed(http))
        await upstream.arrived(0)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(own_postgres.stop)
        upstream.release()
        answered = await running
        assert answered.kinds[-1] == "response.failed"
        assert answered.text == "Hello"
        assert "could not be stored" in str(answered.terminal["error"])
        await asyncio.to_thread(own_postgres.start)
        row = await _ended(http, answered.terminal["id"])
        assert row["status"] == "failed"


@contextmanager
def hung(server: EmbeddedPostgres) -> Iterator[None]:
    """PostgreSQL answers nothing: every one of its processes is stopped in its tracks."""
    pids = servers_below(server.root)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_a_hung_database_ends_streams_in_order_and_no_lease(
    own_postgres: EmbeddedPostgres, service_factory: ServiceFactory, upstream: ScriptedUpstream
) -> None:
    """Statements are cut before their connections are: neither takes anything else with it."""
    settings = patient(own_postgres.dsn) | {
        "RESPONSES_GW_DATABASE_STATEMENT_TIMEOUT_SECONDS": "6",
    }
    service = service_factory(settings)
    upstream.play(role(), text("Hello"), Hold(), finish("stop"), usage(), DONE)
    async with connect(service.url) as http:
        running = asyncio.create_task(streamed(http))
        await upstream.arrived(0)
        await asyncio.sleep(0.2)
        with hung(own_postgres):
            upstream.release()
            began = time.monotonic()
            answered = await running
            took = time.monotonic() - began
            # the keeper's statement is cut meanwhile, and its connection
            await asyncio.sleep(max(0.0, 10 - took))
        assert answered.kinds[-1] == "response.failed"
        assert took < 7, f"the end of a stream waited {took:.1f} s for its row"
        await _once_ready(http, store=False)
        upstream.play(role(), text("Hello"), Hold(), finish("stop"), usage(), DONE)
        long = asyncio.create_task(streamed(http))
        await upstream.arrived(2)
        await asyncio.sleep(2.5)  # longer than a lease
        upstream.release()
        assert (await long).terminal["status"] == "completed", "the lease was not renewed"


async def test_a_stop_without_a_database_still_ends_the_streams(
    own_postgres: EmbeddedPostgres, service_factory: ServiceFactory, upstream: ScriptedUpstream
) -> None:
    service = service_factory(patient(own_postgres.dsn))
    upstream.play(role(), text("Hello"), Hold())
    async with (
        connect(service.url) as http,
        http.post("/v1/responses", json=request(stream=True)) as response,
    ):
        seen = await response.content.readuntil(b'"delta":"Hello"')
        await asyncio.to_thread(own_postgres.stop)
        service.terminate()
        seen += await response.content.read()
    assert check(parse_sse(seen))["status"] == "failed"


async def test_a_stop_is_told_to_a_client_that_has_heard_nothing_yet(
    database_url: str, service_factory: ServiceFactory, upstream: ScriptedUpstream
) -> None:
    service = service_factory(patient(database_url))
    upstream.play(Head(), Hold())
    upstream.play(Hold())
    async with connect(service.url) as http:
        waiting = [asyncio.create_task(refused(http, stream=stream)) for stream in (False, True)]
        await upstream.arrived(1)
        service.terminate()
        for status, error, response in await asyncio.gather(*waiting):
            assert (status, error["code"]) == (503, "server_error"), error
            assert "retry-after" in response.headers


async def test_what_is_deleted_while_a_turn_runs_is_not_continued(
    database_url: str, service_factory: ServiceFactory, upstream: ScriptedUpstream
) -> None:
    service = service_factory(patient(database_url))
    async with connect(service.url) as http:
        first = (await streamed(http, input="secret")).terminal["id"]
        second = (await streamed(http, previous_response_id=first)).terminal["id"]
        upstream.play(Hold(), answer("x"))
        running = asyncio.create_task(streamed(http, previous_response_id=second))
        await upstream.arrived(2)
        async with http.delete(f"/v1/responses/{first}") as deleted:
            assert deleted.status == 200
        upstream.release()
        third = (await running).terminal["id"]
        status, error, _ = await refused(http, previous_response_id=third)
        assert (status, error["code"]) == (400, "previous_response_not_found")
    assert len(upstream.requests) == 3, "a deleted text was sent to the model again"


async def _ended(http: aiohttp.ClientSession, id: object) -> dict[str, object]:
    deadline = time.monotonic() + 15
    while True:
        async with http.get(f"/v1/responses/{id}") as response:
            row: dict[str, object] = await response.json()
            if response.status == 200 and row["status"] not in ("queued", "in_progress"):
                return row
        assert time.monotonic() < deadline, f"the response never ended: {row}"
        await asyncio.sleep(0.1)


async def test_a_service_that_was_killed_leaves_no_response_in_progress(
    database_url: str, service_factory: ServiceFactory, upstream: ScriptedUpstream
) -> None:
    """The next start marks it failed, once the dead process's lease has run out."""
    service = service_factory(patient(database_url))
    upstream.play(role(), text("Hello"), Hold())
    async with (
        connect(service.url) as http,
        http.post("/v1/responses", json=request(stream=True)) as response,
    ):
        seen = await response.content.readuntil(b'"delta":"Hello"')
        await asyncio.to_thread(service.kill)
    id = seen.partition(b'"response":{"id":"')[2].partition(b'"')[0].decode()
    restarted = service_factory(patient(database_url))
    async with connect(restarted.url) as http:
        row = await _ended(http, id)
    assert row["status"] == "failed"
    assert row["error"] == {
        "code": "server_error",
        "message": "The response was interrupted because its server stopped.",
    }


async def test_a_service_that_is_told_to_stop_ends_its_streams(
    database_url: str, service_factory: ServiceFactory, upstream: ScriptedUpstream
) -> None:
    service = service_factory(patient(database_url))
    upstream.play(role(), text("Hello"), Hold())
    async with (
        connect(service.url) as http,
        http.post("/v1/responses", json=request(stream=True)) as response,
    ):
        seen = await response.content.readuntil(b'"delta":"Hello"')
        service.terminate()
        seen += await response.content.read()
    terminal = check(parse_sse(seen))
    assert terminal["status"] == "failed"
    again = service_factory(patient(database_url))
    async with connect(again.url) as http:
        assert await stored(http, terminal["id"]) == terminal
