"""Whatever the model server does, the client gets one clear end, and what was produced is kept."""

from __future__ import annotations

import json

import aiohttp
import pytest

from ..support.fixtures import ServiceFactory
from ..support.service import free_port
from ..support.streams import connect, refused, stored, streamed
from ..support.upstream import (
    DONE,
    Close,
    Cut,
    Hold,
    Raw,
    ScriptedUpstream,
    Slow,
    Status,
    Step,
    Wait,
    answer,
    arguments,
    call,
    error_body,
    error_frame,
    finish,
    reasoning,
    role,
    text,
    usage,
)

pytestmark = pytest.mark.anyio

OVERFLOW = "This model's maximum context length is 2048 tokens. However, your prompt contains 3000."
REFUSALS: dict[str, tuple[Status, int, str | None]] = {
    "401": (Status(401, b'{"error":"Unauthorized"}'), 502, "server_error"),
    "404 of the model": (
        Status(404, error_body(404, "The model `x` does not exist.", "NotFoundError", "model")),
        404,
        "model_not_found",
    ),
    "404 of the path": (Status(404, b'{"detail":"Not Found"}'), 502, "server_error"),
    "400": (
        Status(400, error_body(400, "top_p must be in (0, 1]", param="top_p")),
        400,
        "invalid_value",
    ),
    "overflow": (
        Status(400, error_body(400, OVERFLOW, param="input_tokens")),
        400,
        "context_length_exceeded",
    ),
    "429": (Status(429, error_body(429, "slow"), {"retry-after": "7"}), 429, "rate_limit_exceeded"),
    "500": (Status(500, error_body(500, "Traceback")), 500, "server_error"),
    "503": (Status(503, error_body(503, "queue"), {"retry-after": "9"}), 503, "server_error"),
    "no HTTP": (Status(500, b"<html>oops"), 500, "server_error"),
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("script", "status", "code"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_before_the_stream_is_an_http_error(
    http: aiohttp.ClientSession,
    upstream: ScriptedUpstream,
    script: Status,
    status: int,
    code: str,
    stream: bool,
) -> None:
    upstream.play(script)
    seen, error, response = await refused(http, stream=stream)
    assert (seen, error["code"]) == (status, code), error
    assert "Traceback" not in str(error)
    if "retry-after" in script.headers:
        assert response.headers["retry-after"] == script.headers["retry-after"]


async def test_connection_refused(service_factory: ServiceFactory, database_url: str) -> None:
    service = service_factory(
        {
            "RESPONSES_GW_UPSTREAM": f"http://127.0.0.1:{free_port()}/v1",
            "RESPONSES_GW_DATABASE_URL": database_url,
        }
    )
    async with connect(service.url) as http:
        status, error, response = await refused(http)
        assert (status, error["code"]) == (503, "server_error")
        assert "retry-after" in response.headers
        assert "127.0.0.1" not in str(error)


TEXT = (role(), text("Hello"), text(" wor"))
THOUGHT = (role(), reasoning("Let me"), reasoning(" think"))
ARGUMENTS = (role(), call(0, "c1", "f"), arguments(0, '{"a": '))
BREAKS: dict[str, tuple[tuple[Step, ...], str]] = {
    "an error frame first": ((error_frame(500, "EngineCore died", "InternalServerError"),), ""),
    "an error frame in the middle": ((*TEXT, error_frame(500, "EngineCore died")), "Hello wor"),
    "garbage": ((*TEXT, b"data: {nonsense\n\n"), "Hello wor"),
    "garbage of the wrong shape": ((*TEXT, b'data: {"choices": 5}\n\n'), "Hello wor"),
    "bytes that are no UTF-8": ((*TEXT, b'data: {"choices": "\xff"}\n\n'), "Hello wor"),
    "a cut in text": ((*TEXT, Wait(0.1), Cut()), "Hello wor"),
    "a cut in reasoning": ((*THOUGHT, Cut()), ""),
    "a cut in arguments": ((*ARGUMENTS, Cut()), ""),
    "a half-closed body": ((*TEXT, Close()), "Hello wor"),
    "a broken chunk header": ((*TEXT, Wait(0.2), Raw(b"zz\r\n")), "Hello wor"),
    "the end without a finish_reason": ((*TEXT,), "Hello wor"),
    "[DONE] without a finish_reason": ((*TEXT, DONE), "Hello wor"),
    "a server that stops": ((*TEXT, finish("abort"), DONE), "Hello wor"),
    "silence": ((*TEXT, Hold()), "Hello wor"),
    "silence in reasoning": ((*THOUGHT, Hold()), ""),
    "silence from the start": ((role(), Hold()), ""),
    "an empty stream": ((b": nothing\n\n",), ""),
}


@pytest.mark.parametrize(("script", "said"), BREAKS.values(), ids=BREAKS.keys())
async def test_a_broken_stream_fails_and_keeps_what_was_said(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, script: tuple[Step, ...], said: str
) -> None:
    upstream.play(*script)
    answered = await streamed(http)
    assert answered.kinds[-2:] == ["error", "response.failed"]
    assert answered.text == said
    row = await stored(http, answered.terminal["id"])
    assert row == answered.terminal
    error = row["error"]
    assert isinstance(error, dict)
    assert error["code"] == "server_error"
    assert "EngineCore" not in str(row)


@pytest.mark.parametrize("script", ["a cut in text", "silence", "garbage", "an error frame first"])
async def test_a_broken_stream_is_an_http_error_without_streaming(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, script: str
) -> None:
    upstream.play(*BREAKS[script][0])
    status, error, _ = await refused(http)
    assert status in (500, 502, 504)
    assert error["type"] == "server_error"


async def test_a_bad_request_found_in_the_stream_keeps_its_words(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(error_frame(400, "Grammar error: Invalid type: nonsense"), DONE)
    answered = await streamed(http)
    assert answered.terminal["status"] == "failed"
    assert "Grammar error" in str(answered.terminal["error"])


async def test_a_stream_in_single_bytes_is_the_same(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(Slow(answer("Grüße 😀", "hm")))
    answered = await streamed(http)
    assert answered.text == "Grüße 😀"
    assert answered.terminal["status"] == "completed"


async def test_no_usage_is_no_fault(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(role(), text("x"), finish("stop"))
    answered = await streamed(http)
    assert (answered.terminal["status"], answered.terminal["usage"]) == ("completed", None)


async def test_a_stale_connection_is_replaced(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    """A server that closes just when the next request comes: nobody notices."""
    for _ in range(3):
        await streamed(http)
    upstream.play(Cut())
    answered = await streamed(http)
    assert answered.terminal["status"] == "completed"


async def test_a_failed_response_can_be_continued(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*TEXT, Wait(0.1), Cut())
    broken = await streamed(http)
    await streamed(http, previous_response_id=broken.terminal["id"])
    contents = [message["content"] for message in upstream.requests[-1].messages]
    assert contents == ["q", "Hello wor", "q"]


async def test_usage_with_the_error_is_kept(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*TEXT, usage(3, 4, 0), error_frame(500, "boom"))
    answered = await streamed(http)
    assert json.dumps(answered.terminal["usage"]).count('"total_tokens": 7') == 1
