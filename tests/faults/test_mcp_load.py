"""A hundred responses with tools at once, over all transports: everything is given back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from ..support.census import Census, census, settled
from ..support.mcp_servers import MODERN, HttpMcpServer
from ..support.service import Service, free_port
from ..support.steps import Step
from ..support.streams import Answer, request, stored, streamed
from ..support.tool_loop import Json, calls, kinds, mcp_calls, says, tools_of
from ..support.upstream import Received, ScriptedUpstream

pytestmark = pytest.mark.anyio
RESPONSES = 100
IDLE_SECONDS = 0.5
REST_SECONDS = 6.0  # idle sessions, then the keep-alive of connections
SETTLE_SECONDS = 15.0
GROWTH_BYTES = 16_000_000
CONFIG = """
[mcp]
idle_seconds = {idle}

[egress]
allowed_hosts = ["127.0.0.1"]

[[mcp.servers]]
label = "stdio"
command = "{python}"
args = ["{script}", "stdio"]

[[mcp.servers]]
label = "http"
url = "{http}"

[[mcp.servers]]
label = "sse"
url = "{sse}"
transport = "sse"
"""


@dataclass(frozen=True)
class Site:
    """A running service and the tools that a request may name."""

    service: Service
    tools: list[Json]


@pytest.fixture(scope="module")
def site(
    shared_upstream: ScriptedUpstream,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("load")
    with ExitStack() as running:
        enter = running.enter_context
        http = enter(HttpMcpServer(free_port()))
        sse = enter(HttpMcpServer(free_port(), "sse"))
        old = enter(HttpMcpServer(free_port(), env={"LEGACY": "1"}))
        config = folder / "gw.toml"
        config.write_text(
            CONFIG.format(
                python=sys.executable, script=MODERN, idle=IDLE_SECONDS, http=http.url, sse=sse.url
            )
        )
        env = {
            "RESPONSES_GW_CONFIG": str(config),
            "RESPONSES_GW_UPSTREAM": shared_upstream.url,
            "RESPONSES_GW_DATABASE_URL": module_database_url,
        }
        app = "tests.support.counted_app:app"
        service = enter(Service(env, folder / "service.log", app=app))
        urls = {"declared": http.url, "declared_sse": sse.url, "declared_old": old.url}
        tools: list[Json] = [
            {"type": "mcp", "server_label": label} for label in ("stdio", "http", "sse")
        ]
        tools += [
            {"type": "mcp", "server_label": label, "server_url": url, "require_approval": "never"}
            for label, url in urls.items()
        ]
        yield Site(service, tools)


@pytest.fixture
async def http(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(site.service.url, timeout=timeout, connector=connector) as own:
        yield own


def two_calls(tool: str, **given: object) -> Callable[[Received], tuple[Step, ...]]:
    """A model that calls a tool of each of two servers with the number that it is told."""

    def decide(received: Received) -> tuple[Step, ...]:
        if received.messages[-1]["role"] == "tool":
            return says("Done.")
        names = [name for name in tools_of(received.json) if name.endswith(f"__{tool}")]
        number = int(str(received.messages[-1]["content"]))
        made = {"a": number, "b": number} if tool == "add" else {"name": str(number)}
        return calls(*[(name, made | given) for name in names])

    return decide


async def warmed(site: Site, upstream: ScriptedUpstream) -> Census:
    """What a service holds that has once done all this, and rests."""
    async with aiohttp.ClientSession(site.service.url) as http:
        await hundred(http, site, upstream, 40)
    assert (await census(site.service)).children > 0, "a program was started"
    await asyncio.sleep(REST_SECONDS)
    return await census(site.service)


async def hundred(
    http: aiohttp.ClientSession, site: Site, upstream: ScriptedUpstream, count: int = RESPONSES
) -> None:
    upstream.decide = two_calls("add")
    answers = await asyncio.gather(
        *[
            streamed(http, input=str(number), tools=chosen(site, number), store=number % 2 == 0)
            for number in range(count)
        ]
    )
    for number, answered in enumerate(answers):
        check_answer(answered, number)


def chosen(site: Site, number: int) -> list[Json]:
    """Two of the servers, each pair in its turn."""
    first = number % len(site.tools)
    second = (first + 1 + number // len(site.tools) % (len(site.tools) - 1)) % len(site.tools)
    return [site.tools[first], site.tools[second]]


def check_answer(answered: Answer, number: int) -> None:
    assert answered.terminal["status"] == "completed"
    assert kinds(answered) == ["mcp_list_tools"] * 2 + ["mcp_call"] * 2 + ["message"]
    assert [call["output"] for call in mcp_calls(answered)] == [str(2 * number)] * 2


async def leaves(http: aiohttp.ClientSession, site: Site, number: int, mark: bytes) -> str:
    """Ask, read up to the mark and go; the response's id."""
    body = request(input=str(number), tools=chosen(site, number), stream=True)
    async with http.post("/v1/responses", json=body) as response:
        data = b""
        while mark not in data:
            piece = await response.content.readany()
            assert piece, f"the answer ended after {data!r}"
            data += piece
        assert response.connection is not None
        response.connection.close()
    return data.partition(b'"response":{"id":"')[2].partition(b'"')[0].decode()


async def test_a_hundred_responses_with_two_calls_each_leave_nothing(
    site: Site, upstream: ScriptedUpstream, http: aiohttp.ClientSession
) -> None:
    """Nor do those whose clients leave: a quarter at once, a quarter in a call."""
    start = await warmed(site, upstream)
    await hundred(http, site, upstream)
    size = site.service.rss_bytes()

    upstream.decide = two_calls("hang", seconds=0.5)
    work: list[Awaitable[Answer | str]] = []
    for number in range(RESPONSES):
        if number % 2:
            mark = b"response.created" if number % 4 == 1 else b"response.mcp_call.in_progress"
            work.append(leaves(http, site, number, mark))
        else:
            work.append(streamed(http, input=str(number), tools=chosen(site, number)))
    came = await asyncio.gather(*work)
    for number, one in enumerate(came):
        if isinstance(one, Answer):
            assert [call["output"] for call in mcp_calls(one)] == [str(number)] * 2
    assert not (more := await settled(site.service, start, SETTLE_SECONDS)), more
    gone = [await stored(http, one) for one in came if isinstance(one, str)]
    assert {row["status"] for row in gone} == {"cancelled"}
    grown = site.service.rss_bytes() - size
    assert grown < GROWTH_BYTES, f"grew by {grown / 1e6:.1f} MB"
