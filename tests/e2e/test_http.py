"""The edge over a real socket: envelopes, headers, bodies, heartbeats (SURFACE §1, §9)."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from ..grammar import (
    check,
    check_open_responses,
    check_response_object,
    check_sdk,
    parse_sse,
)
from ..support.http2 import Http2
from ..support.service import Service
from ..support.streams import connect, refused, request, stored, streamed
from ..support.upstream import (
    DONE,
    Head,
    Hold,
    ScriptedUpstream,
    Status,
    answer,
    finish,
    role,
    text,
    usage,
)

pytestmark = pytest.mark.anyio
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/v1/responses/resp_unknown", 404),
        ("DELETE", "/v1/responses/resp_unknown", 404),
        ("GET", "/v1/responses/resp_unknown/input_items", 404),
        ("GET", "/v1/responses/%00", 404),
        ("GET", "/v1/responses/" + "x" * 2000, 404),
        ("GET", "/v1/responses", 405),
        ("PUT", "/v1/responses", 405),
        ("POST", "/v1/models", 405),
        ("PATCH", "/v1/responses/resp_1", 405),  # and Allow says what is allowed
    ],
)
async def test_what_is_not_there_is_told_in_the_envelope(
    http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with http.request(method, path) as response:
        body = await response.json()
    assert response.status == status
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["type"] == "invalid_request_error"
    assert response.headers["x-request-id"]
    assert (status == 405) == ("allow" in response.headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({**JSON, "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json; charset=utf-8"}, 200),
        ({"content-type": "APPLICATION/JSON"}, 200),
    ],
)
async def test_only_json_is_taken(
    http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    body = json.dumps(request()).encode()
    async with http.post(
        "/v1/responses", data=body, headers=headers, skip_auto_headers=["content-type"]
    ) as response:
        assert response.status == status


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_413(service: Service, announced: bool) -> None:
    """Announced, it is refused unread; in chunks, as soon as the limit is passed."""
    length = b"content-length: 2100000" if announced else b"transfer-encoding: chunked"
    head = b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(head + length + b"\r\n\r\n")
    if not announced:
        writer.write((b"10000\r\n" + b"x" * 65536 + b"\r\n") * 31)
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"}}")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"code":"request_too_large"' in answer


async def test_a_request_id_is_kept_and_goes_up(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    headers = {"x-request-id": "mine-1", "traceparent": "00-aa-bb-01", "authorization": "Bearer s"}
    async with http.post("/v1/responses", json=request(), headers=headers) as response:
        assert response.headers["x-request-id"] == "mine-1"
    sent = upstream.requests[0].headers
    assert sent["x-request-id"] == "mine-1"
    assert sent["traceparent"] == "00-aa-bb-01"
    assert "authorization" not in sent, "a client's key must not reach the model server"


async def test_a_strange_request_id_is_replaced(http: aiohttp.ClientSession) -> None:
    async with http.post(
        "/v1/responses", json=request(), headers={"x-request-id": "a b<script>"}
    ) as response:
        assert response.headers["x-request-id"].startswith("req_")


async def test_a_stream_is_not_buffered_by_anyone(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    """Headers and the first events are out while the model has not said a word."""
    upstream.play(Head(), Hold(), answer("x"))
    async with http.post("/v1/responses", json=request(stream=True)) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"
        first = await asyncio.wait_for(response.content.readany(), 2)
        assert b"response.created" in first
        id = first.partition(b'"response":{"id":"')[2].partition(b'"')[0].decode()
        assert (await stored(http, id))["status"] == "in_progress"
        upstream.release()
        await response.read()


@pytest.mark.parametrize(
    ("agent", "beat"),
    [
        ("curl/8", b": ping\n\n"),
        (
            "codex_exec/0.169.0 (Linux)",
            b'event: keepalive\ndata: {"type":"keepalive","sequence_number":1}\n\n',
        ),
    ],
)
async def test_a_silent_stream_beats(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, agent: str, beat: bytes
) -> None:
    upstream.play(Head(), Hold(), answer("x"))
    async with http.post(
        "/v1/responses", json=request(stream=True), headers={"user-agent": agent}
    ) as response:
        seen = b""
        async with asyncio.timeout(5):
            while seen.count(beat) < 2:
                seen += await response.content.readany()
        upstream.release()
        seen += await response.read()
    assert check(parse_sse(seen))["status"] == "completed"


async def test_a_model_server_that_is_slow_to_answer_keeps_nobody_in_silence(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    """The stream begins without it, and goes on or fails as it turns out."""
    for script, status in ((answer("x"), "completed"), (Status(500, b"{}"), "failed")):
        upstream.play(Hold(), script)
        async with http.post("/v1/responses", json=request(stream=True)) as response:
            seen = b""
            async with asyncio.timeout(5):
                while b": ping" not in seen:
                    seen += await response.content.readany()
            assert b"response.in_progress" in seen
            upstream.release()
            seen += await response.read()
        terminal = check(parse_sse(seen))
        assert terminal["status"] == status
        assert await stored(http, terminal["id"]) == terminal


async def test_an_early_answer_on_http2_leaves_the_other_streams_alone(
    service: Service, upstream: ScriptedUpstream
) -> None:
    """A body that nobody wants still arrives; hypercorn would drop the connection over it."""
    upstream.play(role(), text("Hello"), Hold(), finish("stop"), usage(), DONE)
    async with Http2(service.port) as http2:
        body = json.dumps(request(stream=True)).encode()
        await http2.send_head(1, "POST", "/v1/responses", "application/json")
        await http2.send_body(1, body, end=True)
        await http2.until(1, b'"delta":"Hello"')
        await http2.send_head(3, "POST", "/v1/responses", "text/plain")
        await asyncio.sleep(0.2)
        await http2.send_body(3, b"x" * 1000, end=True)
        await http2.until(3, b"unsupported_content_type")
        upstream.release()
        await http2.until(1, b"[DONE]")


async def test_every_event_is_one_that_the_sdk_knows(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(answer("Hello there.", "Hm."))
    answered = await streamed(http, tools=[{"type": "function", "name": "f"}])
    check_sdk(answered.events)
    check_response_object(answered.terminal)


async def test_open_responses_clients_get_their_reasoning_events(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(answer("x", "hm"))
    headers = {"OpenResponses-Version": "2026-04-24"}
    async with http.post("/v1/responses", json=request(stream=True), headers=headers) as response:
        events = parse_sse(await response.read())
    check(events, reasoning_dialect="open_responses")
    assert all(check_open_responses(event) for event in events)
    assert "response.reasoning.delta" in [event["type"] for event in events]


async def test_the_stored_response_is_the_one_that_was_streamed(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    """Committed before the terminal event: a client that asks at once finds it."""
    for _ in range(20):
        answered = await streamed(http)
        assert await stored(http, answered.terminal["id"]) == answered.terminal


async def test_a_wrong_request_reaches_nobody(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    status, error, _ = await refused(http, tools=[{"type": "function"}])
    assert (status, error["param"]) == (400, "tools[0].name")
    status, error, _ = await refused(http, previous_response_id="resp_unknown")
    assert (status, error["code"]) == (400, "previous_response_not_found")
    assert upstream.requests == []


async def test_a_running_response_cannot_be_continued_or_streamed_again(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(Head(), Hold(), answer("x"))
    async with http.post("/v1/responses", json=request(stream=True)) as response:
        first = await response.content.readany()
        id = first.partition(b'"response":{"id":"')[2].partition(b'"')[0].decode()
        status, error, _ = await refused(http, previous_response_id=id)
        assert (status, error["param"]) == (400, "previous_response_id")
        upstream.release()
        await response.read()
    status, error, _ = await refused(http, "GET", f"/v1/responses/{id}?stream=true")
    assert status == 400
    assert "not created with background=true" in str(error["message"])


async def test_unknown_items_and_tools_are_kept_and_shown(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    weird = {"type": "hologram", "depth": {"a": [1, 2.50]}, "id": "h_1"}
    tool = {"type": "teleport", "range": 5}
    secret = {"type": "telepathy", "authorization": "hush", "headers": {"k": "hush"}}
    answered = await streamed(
        http, input=[weird, {"role": "user", "content": "q"}], tools=[tool, secret]
    )
    assert answered.terminal["tools"] == [tool, {"type": "telepathy"}]
    async with http.get(
        f"/v1/responses/{answered.terminal['id']}/input_items", params={"order": "asc"}
    ) as response:
        listed = (await response.json())["data"]
    assert listed[0] == weird
    assert upstream.requests[0].messages == [{"role": "user", "content": "q"}]
    assert "tools" not in upstream.requests[0].json


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("order=up", "order")],
)
async def test_a_wrong_page_is_a_400(http: aiohttp.ClientSession, query: str, param: str) -> None:
    status, error, _ = await refused(http, "GET", f"/v1/responses/resp_1/input_items?{query}")
    assert (status, error["param"]) == (400, param)


async def test_a_page_after_an_unknown_item_is_a_404(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    id = (await streamed(http)).terminal["id"]
    status, _, _ = await refused(http, "GET", f"/v1/responses/{id}/input_items?after=msg_nope")
    assert status == 404


async def test_a_websocket_is_sent_back_to_http(http: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await http.ws_connect("/v1/responses")
    assert caught.value.status == 426


async def test_health(http: aiohttp.ClientSession) -> None:
    for path in ("/livez", "/readyz"):
        async with http.get(path) as response:
            assert response.status == 200


async def test_parallel_streams_do_not_wait_for_each_other(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    """More than a client library's usual hundred connections."""
    for _ in range(150):
        upstream.play(role(), Hold(), text("x"), finish("stop"), usage(), DONE)
    running = [asyncio.create_task(streamed(http)) for _ in range(100)]
    async with connect(str(http._base_url)) as other:
        running += [asyncio.create_task(streamed(other)) for _ in range(50)]
        await upstream.arrived(149)
        upstream.release()
        answers = await asyncio.gather(*running)
    assert {one.terminal["status"] for one in answers} == {"completed"}
