"""Which server a tool of a request means, how many sessions there are, and who may ask for what."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from functools import partial

import msgspec
import pytest

from responses_gw.api.errors import ApiError
from responses_gw.api.tools import McpTool
from responses_gw.egress import Guard
from responses_gw.egress.http_client import guarded_client
from responses_gw.settings import EgressSettings, McpServerSettings, McpSettings
from responses_gw.tools.mcp import McpServers
from tests.support.mcp_servers import HttpMcpServer
from tests.support.mcp_servers.gateway import (
    gateway,
    is_alive,
    old_settings,
    sockets,
    stdio_settings,
    unguarded_client,
)

URL = "https://mcp.example/mcp"
CONFIGURED = McpServerSettings(
    label="docs",
    url="http://10.0.0.1/mcp?key=hunter2",
    headers={"Authorization": "Bearer hunter2"},
    allowed_tools=("search",),
    connector="connector_docs",
)
SETTINGS = McpSettings(servers=(CONFIGURED,))


def servers(settings: McpSettings = SETTINGS) -> McpServers:
    return McpServers(settings, unguarded_client)


def refusal(tool: McpTool, of: McpServers | None = None) -> str:
    with pytest.raises(ApiError) as caught:
        (of or servers()).server_of(tool)
    assert (caught.value.status, caught.value.param) == (400, "tools")
    return caught.value.message


def test_a_label_or_a_connector_names_a_server_of_the_operator() -> None:
    found = servers().server_of(McpTool("docs"))
    assert found.is_configured and found.require_approval == "never"
    assert found.allows("search") and not found.allows("delete")
    other = servers().server_of(McpTool("mine", connector_id="connector_docs"))
    assert (other.label, other.key, other.is_configured) == ("mine", found.key, True)


def test_a_url_declares_a_server_also_under_a_label_of_the_operator() -> None:
    found = servers().server_of(McpTool("docs", server_url=URL))
    assert not found.is_configured and found.url == URL
    assert found.require_approval is None and found.allows("anything")


@pytest.mark.parametrize(
    ("authorization", "sent"),
    [("abc", "Bearer abc"), ("Basic abc", "Basic abc"), ("Bearer abc", "Bearer abc")],
)
def test_an_authorization_is_a_bearer_token_unless_it_says_otherwise(
    authorization: str, sent: str
) -> None:
    tool = McpTool("a", server_url=URL, authorization=authorization, headers={"X-One": "1"})
    assert servers().server_of(tool).headers == (("authorization", sent), ("x-one", "1"))


def test_what_is_no_server_is_refused() -> None:
    both = refusal(McpTool("a", server_url=URL, connector_id="connector_docs"))
    assert "must have only one of 'server_url', 'connector_id' and 'tunnel_id'" in both
    assert "'tunnel_id' is not supported" in refusal(McpTool("a", tunnel_id="tunnel_1"))
    assert "unknown connector 'x'" in refusal(McpTool("a", connector_id="x"))
    assert "is not configured here" in refusal(McpTool("a"))
    for headers in ({"a": "b\nc"}, {"a b": "c"}, {"Host": "c"}, {"": "c"}, {"a": "ä"}):
        assert "a header cannot be sent" in refusal(McpTool("a", server_url=URL, headers=headers))


def test_declared_servers_can_be_switched_off_and_need_a_guard() -> None:
    off = servers(McpSettings(request_declared=False))
    for of in (off, McpServers(SETTINGS)):
        assert "accepts no 'server_url'" in refusal(McpTool("a", server_url=URL), of)


def test_no_secret_and_no_address_is_in_a_repr_and_keys_tell_credentials_apart() -> None:
    tools = [
        McpTool("a", server_url=URL, authorization="hunter2"),
        McpTool("b", server_url=URL, authorization="hunter2"),
        McpTool("a", server_url=URL, authorization="hunter3"),
        McpTool("a", server_url=URL),
        McpTool("docs"),
    ]
    found = [servers().server_of(tool) for tool in tools]
    assert found[0].key == found[1].key
    assert len({server.key for server in found}) == 4
    assert len({hash(server) for server in found}) == 5
    for server in found:
        for secret in ("hunter", "mcp.example", "10.0.0.1"):
            assert secret not in f"{server!r} {server} {server.key}"


@pytest.mark.anyio
async def test_the_operator_says_which_tools_there_are() -> None:
    settings = msgspec.structs.replace(stdio_settings(), allowed_tools=("add",))
    async with gateway(settings) as it:
        assert await it.names() == ["add"]
        assert await it.output("add", a=1, b=2) == "3"
        assert await it.error("die") == {
            "type": "mcp_protocol_error",
            "code": -32602,
            "message": "Unknown tool: die",
        }


@pytest.mark.anyio
async def test_a_declared_server_gets_its_headers(http_server: HttpMcpServer) -> None:
    tool = McpTool(
        "a", server_url=http_server.url, authorization="abc", headers={"X-Tenant": "one"}
    )
    async with servers(McpSettings()) as mcp:
        server = mcp.server_of(tool)
        assert "add" in [one.name for one in await mcp.list_tools(server)]
        output = (await mcp.call(server, "headers", "")).output
        headers = msgspec.json.decode(output or "")
    assert (headers["authorization"], headers["x-tenant"]) == ("Bearer abc", "one")
    assert headers["user-agent"].startswith("responses-gw/")


@pytest.mark.anyio
async def test_a_declared_server_may_speak_the_old_transport(sse_server: HttpMcpServer) -> None:
    async with servers(McpSettings()) as mcp:
        server = mcp.server_of(McpTool("a", server_url=sse_server.url))
        assert "add" in [one.name for one in await mcp.list_tools(server)]
        assert (await mcp.call(server, "add", '{"a":1,"b":2}')).output == "3"
        nowhere = mcp.server_of(McpTool("b", server_url=f"{sse_server.url}/nowhere"))
        with pytest.raises(ApiError, match=r"Http status code: 404 \(Not Found\)"):
            await mcp.list_tools(nowhere)


@pytest.mark.anyio
async def test_a_declared_server_goes_through_the_guard(http_server: HttpMcpServer) -> None:
    port = http_server.port
    async with (
        Guard(EgressSettings(allowed_hosts=("localhost",))) as guard,
        McpServers(McpSettings(), partial(guarded_client, guard)) as mcp,
    ):
        allowed = mcp.server_of(McpTool("a", server_url=f"http://localhost:{port}/mcp"))
        assert (await mcp.call(allowed, "add", '{"a":1,"b":2}')).output == "3"
        for url in (http_server.url, f"https://10.0.0.1:{port}/mcp", "ftp://x/", "nonsense", ""):
            refused = mcp.server_of(McpTool("b", server_url=url))
            with pytest.raises(ApiError) as caught:
                await mcp.list_tools(refused)
            assert caught.value.message == (
                "Error retrieving tool list from MCP server: 'b'. The MCP server cannot be reached."
                " Http status code: 502 (Bad Gateway)"
            )


@pytest.mark.anyio
async def test_the_session_used_least_makes_room_and_a_busy_one_does_not() -> None:
    labels = ("a", "b", "c")
    configured = tuple(msgspec.structs.replace(stdio_settings(), label=one) for one in labels)
    # their keys must differ
    configured = tuple(msgspec.structs.replace(one, env={"L": one.label}) for one in configured)
    async with servers(McpSettings(servers=configured, max_sessions=2)) as mcp:
        a, b, c = (mcp.server_of(McpTool(one)) for one in labels)

        async def pid(server: object) -> int:
            return int((await mcp.call(server, "pid", "")).output or 0)  # type: ignore[arg-type]

        first, second = await pid(a), await pid(b)
        assert await pid(a) == first
        third = await pid(c)
        assert (await pid(c), await pid(a)) == (third, first)
        await asyncio.sleep(1)
        assert not is_alive(second)
        busy = [asyncio.create_task(mcp.call(one, "hang", "")) for one in (a, c)]
        await asyncio.sleep(0.1)
        result = await mcp.call(b, "pid", "")
        error = msgspec.json.decode(result.error or b"")
        assert error["code"] == 503 and "Too many MCP servers" in error["message"]
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        assert await pid(b) not in (0, second)


@pytest.mark.anyio
async def test_the_last_asker_of_a_list_ends_it_when_cancelled() -> None:
    async with gateway(old_settings("deaf")) as it:
        first, second = (asyncio.create_task(it.names()) for _ in range(2))
        await asyncio.sleep(0.3)
        before = len(asyncio.all_tasks())
        first.cancel()
        await asyncio.sleep(0.05)
        assert not second.done()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) <= before - 3
        assert second.cancelled()


def test_the_sdk_is_imported_at_the_first_use() -> None:
    code = (
        "import sys, asyncio, responses_gw.app\n"
        "from responses_gw.settings import McpSettings\n"
        "from responses_gw.tools.mcp import McpServers\n"
        "async def main():\n"
        "    async with McpServers(McpSettings()):\n"
        "        return {'mcp', 'httpx2', 'pydantic'} & sys.modules.keys()\n"
        "assert not asyncio.run(main()), 'imported too early'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.anyio
async def test_a_hundred_clients_with_credentials_of_their_own_leave_nothing(
    http_server: HttpMcpServer, legacy_server: HttpMcpServer
) -> None:
    async with servers(McpSettings(max_sessions=300)) as mcp:

        async def two_calls(url: str, token: str) -> list[str | None]:
            server = mcp.server_of(McpTool("a", server_url=url, authorization=token))
            await mcp.list_tools(server)
            calls = (mcp.call(server, "add", '{"a":1,"b":2}') for _ in range(2))
            return [result.output for result in await asyncio.gather(*calls)]

        await two_calls(http_server.url, "first")  # whatever is made for good
        tasks, files = len(asyncio.all_tasks()), sockets()
        for turn in range(2):
            found = await asyncio.gather(
                *(
                    two_calls(one.url, f"{turn}-{number}")
                    for number in range(50)
                    for one in (http_server, legacy_server)
                )
            )
            assert found == [["3", "3"]] * 100
    assert len(asyncio.all_tasks()) < tasks
    assert sockets() < files


def test_what_a_tenant_declares_is_shared_with_no_other() -> None:
    tool = McpTool("a", server_url=URL)
    mine, again, yours = (servers().server_of(tool, tenant) for tenant in ("me", "me", "you"))
    assert mine.key == again.key != yours.key
