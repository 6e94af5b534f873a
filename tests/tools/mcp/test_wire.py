"""HTTP servers that do odd things: each fault is told as what it is, and harms only its call."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from responses_gw.settings import McpServerSettings
from responses_gw.tools.mcp import wire
from tests.support.mcp_servers.gateway import Gateway, gateway

pytestmark = pytest.mark.anyio
Handler = Callable[[web.BaseRequest, dict[str, Any]], Awaitable[web.StreamResponse]]
URL = "http://127.0.0.1"


class Site:
    """A server of 2025-06-18 in JSON; ``on_call`` answers the calls, ``on_delete`` the end."""

    def __init__(self) -> None:
        self.port = 0
        self.on_call: Handler = self.answer
        self.calls: list[dict[str, Any]] = []
        self.deleted = 0
        self.seconds_to_delete = 0.0
        self.session = "one"

    @property
    def settings(self) -> McpServerSettings:
        return McpServerSettings(label="it", url=f"{URL}:{self.port}/mcp")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "DELETE":
            self.deleted += 1
            await asyncio.sleep(self.seconds_to_delete)
            return web.Response(status=204)
        if request.method != "POST":
            return web.Response(status=405)
        message = json.loads(await request.text())
        match message["method"]:
            case "initialize":
                result = {
                    "protocolVersion": "2025-06-18",
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "site", "version": "1"},
                }
                return _json(message, result, {"mcp-session-id": self.session})
            case "tools/call" if request.headers.get("mcp-session-id") != self.session:
                error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
                body = {"jsonrpc": "2.0", "id": None, "error": error}
                return web.json_response(body, status=400)
            case "tools/call":
                self.calls.append(message)
                return await self.on_call(request, message)
            case "server/discover":
                return web.Response(status=404)
        return web.Response(status=202)

    async def answer(self, request: web.BaseRequest, message: dict[str, Any]) -> web.Response:
        return _json(message, {"content": [{"type": "text", "text": request.path}]})


def _json(
    message: dict[str, Any], result: object, headers: dict[str, str] | None = None
) -> web.Response:
    body = {"jsonrpc": "2.0", "id": message["id"], "result": result}
    return web.json_response(body, headers=headers)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site()
    runner = web.ServerRunner(web.Server(found.handle), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


async def code_of(it: Gateway) -> object:
    error = await it.error("any")
    assert "127.0.0.1" not in str(error) and str(it.it.url) not in str(error)
    return error["code"]


async def test_a_fault_is_told_by_its_status_and_leaves_the_session(site: Site) -> None:
    answers: list[tuple[web.Response, int]] = [
        (web.Response(status=500), 500),
        (web.Response(status=429, text="slow down"), 429),
        (web.Response(status=403), 403),
        (web.Response(status=400, text="what?"), 400),
        (web.Response(status=200, text="<html>"), 502),
        (web.Response(status=302, headers={"location": "http://127.0.0.1:1/"}), 502),
        (web.Response(status=307, headers={"location": "http://127.0.0.1:1/"}), 502),
        (web.Response(status=204), 502),
        (
            web.Response(
                body=gzip.compress(b"{}"),
                headers={"content-encoding": "gzip", "content-type": "application/json"},
            ),
            502,
        ),
        (web.json_response({"jsonrpc": "2.0", "id": 7}), -32700),
    ]
    async with gateway(site.settings) as it:
        for answer, code in answers:

            async def give(
                _: web.BaseRequest, __: dict[str, Any], answer: web.Response = answer
            ) -> web.Response:
                return answer

            site.on_call = give
            assert await code_of(it) == code
        site.on_call = site.answer
        assert await it.output("any") == "/mcp"
    assert len(site.calls) == len(answers) + 1, "something was sent twice"


async def test_an_error_of_json_rpc_under_400_is_told_as_one(site: Site) -> None:
    async def refuse(_: web.BaseRequest, message: dict[str, Any]) -> web.Response:
        error = {"code": -32602, "message": "no such argument"}
        body = {"jsonrpc": "2.0", "id": message["id"], "error": error}
        return web.json_response(body, status=400)

    site.on_call = refuse
    async with gateway(site.settings) as it:
        error = await it.error("any")
    assert (error["type"], error["message"]) == ("mcp_protocol_error", "no such argument")


async def test_a_redirect_within_the_server_is_followed(site: Site) -> None:
    async def lead(request: web.BaseRequest, message: dict[str, Any]) -> web.StreamResponse:
        if request.path == "/mcp":
            return web.Response(status=307, headers={"location": "/mcp/"})
        return await site.answer(request, message)

    site.on_call = lead
    async with gateway(site.settings) as it:
        assert await it.output("any") == "/mcp/"


async def test_a_connection_that_breaks_fails_one_call_once(site: Site) -> None:
    async def cut_off(request: web.BaseRequest, message: dict[str, Any]) -> web.StreamResponse:
        if message["params"]["arguments"].get("cut"):
            assert request.transport is not None
            request.transport.abort()
        await asyncio.sleep(0.2)
        return await site.answer(request, message)

    site.on_call = cut_off
    async with gateway(site.settings) as it:
        await it.output("any")
        kept = asyncio.create_task(it.output("any"))
        assert (await it.error("any", cut=True))["code"] == 502
        assert await kept == "/mcp"
    assert len(site.calls) == 3


async def test_a_session_that_the_server_has_forgotten_is_opened_again(site: Site) -> None:
    async with gateway(site.settings) as it:
        await it.output("any")
        site.session = "two"
        assert await asyncio.gather(*(it.output("any") for _ in range(3))) == ["/mcp"] * 3
    assert len(site.calls) == 4


async def test_an_answer_without_measure_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_MESSAGE_BYTES", 100_000)

    async def much(_: web.BaseRequest, message: dict[str, Any]) -> web.Response:
        return _json(message, {"content": [{"type": "text", "text": "x" * 200_000}]})

    site.on_call = much
    async with gateway(site.settings) as it:
        assert await code_of(it) == 502
        site.on_call = site.answer
        assert await it.output("any") == "/mcp"


async def test_a_server_that_does_not_let_go_does_not_hold_up_the_end(site: Site) -> None:
    site.seconds_to_delete = 3600.0
    async with gateway(site.settings) as it:
        await it.output("any")
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert site.deleted == 1
