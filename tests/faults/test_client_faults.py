"""Clients that leave, stall or are slow cost the service nothing for long."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import aiohttp
import pytest

from ..support.fixtures import ServiceFactory
from ..support.service import Service
from ..support.streams import request
from ..support.upstream import Head, Hold, ScriptedUpstream, role, text

pytestmark = pytest.mark.anyio
SOON_SECONDS = 0.1


def connect(service: Service, **fields: object) -> socket.socket:
    """A client of our own, whose closing is under our control."""
    body = json.dumps(request(**fields)).encode()
    client = socket.create_connection(("127.0.0.1", service.port))
    client.sendall(
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )
    return client


def read_until(client: socket.socket, mark: bytes) -> bytes:
    data = b""
    client.settimeout(10)
    while mark not in data:
        piece = client.recv(65536)
        assert piece, f"the service closed the connection after {data!r}"
        data += piece
    return data


async def leave(client: socket.socket, upstream: ScriptedUpstream) -> float:
    """Close, and the seconds until the model server saw its own connection closed."""
    left = time.monotonic()
    client.close()
    return await upstream.closed(0) - left


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_the_upstream_answers(
    service: Service, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.play(Hold())
    client = connect(service, stream=stream)
    await upstream.arrived(0)
    assert await leave(client, upstream) < SOON_SECONDS


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_before_the_first_token(
    service: Service, upstream: ScriptedUpstream, stream: bool
) -> None:
    upstream.play(Head(), Hold())
    client = connect(service, stream=stream)
    if stream:
        read_until(client, b"response.in_progress")
    else:
        await upstream.arrived(0)
    assert await leave(client, upstream) < SOON_SECONDS


async def test_a_client_that_leaves_in_the_middle_leaves_a_cancelled_row(
    service: Service, upstream: ScriptedUpstream, http: aiohttp.ClientSession
) -> None:
    upstream.play(role(), text("Hello"), Hold())
    client = connect(service, stream=True)
    data = await asyncio.to_thread(read_until, client, b'"delta":"Hello"')
    id = data.partition(b'"response":{"id":"')[2].partition(b'"')[0].decode()
    assert await leave(client, upstream) < SOON_SECONDS
    row = await _row_that_ended(http, id)
    assert row["status"] == "cancelled"
    assert "Hello" in json.dumps(row["output"])
    assert row["completed_at"] is None


async def _row_that_ended(http: aiohttp.ClientSession, id: str) -> dict[str, object]:
    deadline = time.monotonic() + 5
    while True:
        async with http.get(f"/v1/responses/{id}") as response:
            row: dict[str, object] = await response.json()
        if row.get("status") != "in_progress":
            return row
        assert time.monotonic() < deadline, "the row stayed in_progress"
        await asyncio.sleep(0.02)


async def test_a_body_that_stops_arriving_is_given_up(
    service_factory: ServiceFactory, database_url: str
) -> None:
    service = service_factory(
        {
            "RESPONSES_GW_DATABASE_URL": database_url,
            "RESPONSES_GW_SERVER_BODY_TIMEOUT_SECONDS": "0.3",
        }
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as client:
        client.sendall(
            b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b'content-length: 100\r\n\r\n{"model"'
        )
        answer = await asyncio.to_thread(read_until, client, b"}}")
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"request_timeout" in answer


async def test_open_streams_do_not_keep_their_requests(
    service: Service, upstream: ScriptedUpstream
) -> None:
    megabytes, streams = 4, 8
    clients = []
    for _ in range(streams + 1):
        upstream.play(role(), text("x"), Hold())
    before = 0
    for _ in range(streams + 1):
        client = connect(service, stream=True, store=False, input="x" * megabytes * 1_000_000)
        clients.append(client)
        await asyncio.to_thread(read_until, client, b'"delta":"x"')
        before = before or service.rss_bytes()  # the first one pays for the buffers of all
    grown = service.rss_bytes() - before
    for number, client in enumerate(clients):
        client.close()
        await upstream.closed(number)
    limit = streams * megabytes * 1_000_000
    assert grown < limit, f"{streams} open streams hold {grown / 1e6:.0f} MB"


async def test_a_client_that_reads_nothing_is_waited_for_in_bounded_memory(
    service: Service, upstream: ScriptedUpstream
) -> None:
    """Backpressure goes all the way: the model server is stopped, nothing piles up here."""
    megabytes = 64
    upstream.play(role(), *[text("x" * 65536)] * (16 * megabytes))
    client = connect(service, stream=True, store=False)
    read_until(client, b"response.in_progress")
    before = service.rss_bytes()
    await asyncio.sleep(1.5)  # the time the service would need to swallow it all
    grown = service.rss_bytes() - before
    finished = upstream.requests[0].finished_at
    client.close()
    await upstream.closed(0)
    assert finished is None, "the upstream was read to its end with nobody reading here"
    assert grown < 24 * 1024 * 1024, f"grew by {grown / 1e6:.0f} MB for a client that does not read"
