"""The scripted upstream itself: what a script says is what the wire carries."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator

import aiohttp
import pytest

from .upstream import (
    DONE,
    Chunk,
    Close,
    Cut,
    Gate,
    Head,
    Hold,
    Raw,
    ScriptedUpstream,
    Slow,
    Status,
    Step,
    Wait,
    answer,
    error_body,
    text,
)

BODY = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]})
JSON = {"content-type": "application/json"}


@pytest.fixture
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def client(server: ScriptedUpstream) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    yield connection
    connection.close()


def ask(client: http.client.HTTPConnection) -> http.client.HTTPResponse:
    client.request("POST", "/v1/chat/completions", BODY, JSON)
    return client.getresponse()


def test_without_a_script_it_says_hello_and_keeps_the_connection(
    server: ScriptedUpstream, client: http.client.HTTPConnection
) -> None:
    first, second = ask(client).read(), ask(client).read()
    assert first == second
    assert b'"reasoning":"The user"' in first and b'" there."' in first and first.endswith(DONE)
    assert server.connections == 1


def test_scripts_are_played_in_the_order_they_were_queued(
    server: ScriptedUpstream, client: http.client.HTTPConnection
) -> None:
    server.play(answer("one"))
    server.play(Status(429, error_body(429, "busy"), {"retry-after": "7"}))
    server.play(Chunk({"content": "three"}), DONE)
    one, two, three = ask(client).read(), ask(client), b""
    assert (two.status, two.headers["retry-after"]) == (429, "7")
    assert json.loads(two.read())["error"]["code"] == 429
    three = ask(client).read()
    assert (one, three) == (answer("one"), text("three") + DONE)


def test_requests_are_recorded_and_visits_kept_apart(
    server: ScriptedUpstream, client: http.client.HTTPConnection
) -> None:
    client.request("GET", "/v1/models")
    assert json.loads(client.getresponse().read())["data"][0]["id"] == "tiny"
    client.request(
        "POST", "/v1/chat/completions", iter([BODY[:5].encode(), BODY[5:].encode()]), JSON
    )
    client.getresponse().read()
    request = server.wait_request(0)
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["content-type"] == "application/json"
    assert request.body == BODY.encode() and request.messages[0]["content"] == "Hi"
    assert [visit.path for visit in server.visits] == ["/v1/models"]


def test_hold_lasts_until_released(
    server: ScriptedUpstream, client: http.client.HTTPConnection
) -> None:
    server.play(text("a"), Hold(), text("b"))
    response = ask(client)
    assert response.read1() == text("a")
    server.release()
    assert response.read() == text("b")
    assert server.wait_finished(0) and server.requests[0].closed_at is None


def test_each_release_passes_one_hold_however_early_it_comes(
    server: ScriptedUpstream, client: http.client.HTTPConnection
) -> None:
    server.play(Head(), Wait(0.05), Hold(), text("a"), Hold(), text("b"))
    response = ask(client)
    server.release()
    assert response.read1() == text("a")
    server.release()
    assert response.read() == text("b")


def test_gate_opens_from_another_thread(
    server: ScriptedUpstream, client: http.client.HTTPConnection
) -> None:
    gate = Gate()
    server.play(Head(), Wait(gate), text("late"))
    response = ask(client)
    gate.open()
    assert response.read() == text("late")


def test_the_client_leaving_is_noticed_at_once(
    server: ScriptedUpstream, client: http.client.HTTPConnection
) -> None:
    server.play(text("a"), Hold())
    response = ask(client)
    response.read1()
    left = time.monotonic()
    response.close()
    client.close()
    assert server.wait_closed(0) - left < 0.1
    assert server.requests[0].finished_at is None


@pytest.mark.parametrize(
    ("ending", "error"),
    [(Cut(), ConnectionResetError), (Close(), http.client.IncompleteRead)],
)
def test_streams_can_break(
    server: ScriptedUpstream,
    client: http.client.HTTPConnection,
    ending: Step,
    error: type[Exception],
) -> None:
    gate = Gate()
    server.play(text("a"), Wait(gate), ending)
    response = ask(client)
    assert response.read1() == text("a")
    gate.open()
    with pytest.raises(error):
        response.read()


def test_bytes_can_be_split_anywhere_and_sent_past_http(server: ScriptedUpstream) -> None:
    server.play(Slow("é".encode(), size=1), Raw(b"zz\r\n"), Close())
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
        head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(BODY)}\r\n\r\n"
        peer.sendall((head + BODY).encode())
        data = b"".join(iter(lambda: peer.recv(4096), b""))
    assert data.partition(b"\r\n\r\n")[2] == b"1\r\n\xc3\r\n1\r\n\xa9\r\nzz\r\n"


def test_a_request_that_never_comes_is_reported(server: ScriptedUpstream) -> None:
    with pytest.raises(AssertionError, match=r"no chat request 0 within 0\.05 s"):
        server.wait_request(0, timeout=0.05)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it_serves_a_client_in_the_loop_of_the_test(server: ScriptedUpstream) -> None:
    server.play(text("a"), Hold())
    url = f"{server.url}/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, data=BODY, headers=JSON) as r:
        assert await r.content.readany() == text("a")
        assert (await server.arrived(0)).json["model"] == "tiny"
    assert await server.closed(0) > 0
