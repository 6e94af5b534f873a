"""OAuth client credentials: a real token endpoint, a real server that takes only its tokens."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from responses_gw.api.errors import ApiError
from responses_gw.settings import McpServerSettings
from tests.support.mcp_servers import HttpMcpServer
from tests.support.mcp_servers.gateway import gateway
from tests.support.service import free_port

pytestmark = pytest.mark.anyio


class TokenEndpoint:
    """Gives ``tokens`` one after the other and remembers who asked for what."""

    def __init__(self) -> None:
        self.url = ""
        self.tokens: list[str] = []
        self.asked: list[dict[str, list[str]]] = []
        self.expires_in: object = 3600

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        pair = base64.b64encode(b"me%40corp:s%3Acret").decode()
        if request.headers.get("authorization") != f"Basic {pair}" or not self.tokens:
            return web.json_response({"error": "invalid_client"}, status=401)
        self.asked.append(parse_qs(await request.text()))
        token = self.tokens.pop(0)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        return web.json_response(body)


@pytest.fixture
async def endpoint() -> AsyncIterator[TokenEndpoint]:
    found = TokenEndpoint()
    runner = web.ServerRunner(web.Server(found.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    found.url = f"http://127.0.0.1:{port}/token"
    yield found
    await runner.cleanup()


def settings_of(server: HttpMcpServer, endpoint: TokenEndpoint) -> McpServerSettings:
    return McpServerSettings(
        label="it",
        url=server.url,
        transport="sse" if server.url.endswith("sse") else None,
        token_url=endpoint.url,
        client_id="me@corp",
        client_secret="s:cret",
        scope="mcp",
    )


@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_a_token_is_fetched_once_and_again_when_it_is_refused(
    kind: str, endpoint: TokenEndpoint
) -> None:
    endpoint.tokens = ["good", "never"]
    with HttpMcpServer(free_port(), kind, {"TOKENS": "good,better"}) as server:  # type: ignore[arg-type]
        async with gateway(settings_of(server, endpoint)) as it:
            calls = (it.output("add", a=number, b=1) for number in range(5))
            assert await asyncio.gather(*calls) == ["1", "2", "3", "4", "5"]
    assert endpoint.asked == [{"grant_type": ["client_credentials"], "scope": ["mcp"]}]


async def test_a_token_that_is_refused_is_fetched_again(endpoint: TokenEndpoint) -> None:
    endpoint.tokens = ["stale", "good"]
    with HttpMcpServer(free_port(), env={"TOKENS": "good"}) as server:
        async with gateway(settings_of(server, endpoint)) as it:
            assert await it.output("add", a=1, b=2) == "3"
            assert await it.output("add", a=1, b=3) == "4"
    assert len(endpoint.asked) == 2


async def test_a_token_that_has_expired_is_fetched_again(endpoint: TokenEndpoint) -> None:
    endpoint.tokens = ["good"] * 20
    endpoint.expires_in = "1"
    with HttpMcpServer(free_port(), env={"TOKENS": "good"}) as server:
        async with gateway(settings_of(server, endpoint)) as it:
            await it.output("add", a=1, b=2)
            asked = len(endpoint.asked)
            await asyncio.sleep(0.6)
            await it.output("add", a=1, b=2)
    assert (asked, len(endpoint.asked)) == (1, 2)


async def test_without_a_token_the_list_fails_and_nothing_is_told(endpoint: TokenEndpoint) -> None:
    with HttpMcpServer(free_port(), env={"TOKENS": "good"}) as server:
        async with gateway(settings_of(server, endpoint)) as it:
            with pytest.raises(ApiError) as caught:
                await it.names()
            assert caught.value.status == 424
            error = await it.error("add", a=1, b=2)
    for told in (caught.value.message, str(error)):
        assert "cret" not in told and "token" not in told and "127.0.0.1" not in told
