"""Real servers over every transport: lists, calls, and what happens when they do not behave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time

import msgspec
import pytest

from responses_gw.api.errors import ApiError
from responses_gw.settings import McpServerSettings
from tests.support.mcp_servers import HttpMcpServer
from tests.support.mcp_servers.gateway import (
    Gateway,
    children,
    gateway,
    is_alive,
    old_settings,
    sockets,
    stdio_settings,
)
from tests.support.service import free_port

pytestmark = pytest.mark.anyio
TEXT = "mcp_tool_execution_error"


async def eventually(holds: object, seconds: float = 5.0) -> None:
    """Wait until ``holds()`` is true."""
    assert callable(holds)
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        await asyncio.sleep(0.02)


async def test_tools_are_listed_as_openai_shows_them(settings: McpServerSettings) -> None:
    async with gateway(settings) as it:
        tools = {tool.name: tool for tool in await it.servers.list_tools(it.it)}
    assert {"add", "hang", "picture"} <= tools.keys()
    add = tools["add"]
    assert add.description == "Add two numbers."
    assert msgspec.json.decode(add.input_schema)["required"] == ["a", "b"]
    assert add.annotations is not None
    hints = msgspec.json.decode(add.annotations)
    assert hints == {"read_only": True, "readOnlyHint": True, "title": "Addition"}
    assert msgspec.json.decode(tools["fail"].annotations or b"") == {"read_only": False}


async def test_calls_give_text_blocks_and_errors(settings: McpServerSettings) -> None:
    async with gateway(settings) as it:
        assert await it.output("add", a=1, b=2) == "3"
        assert await it.output("report") == "one\nfrom a file"
        assert await it.output("structured") == '{"n":1}'
        look, image = json.loads(await it.output("picture", size=10))
        assert look == {"type": "text", "text": "look"}
        assert image.keys() == {"type", "data", "mimeType"}
        failed = await it.error("fail")
        text = "Error executing tool fail"
        assert failed == {"type": TEXT, "content": [{"type": "text", "text": text}]}
        refused = await it.error("refuse")
        assert refused == {"type": "mcp_protocol_error", "code": -32042, "message": "not for you"}
        empty = await it.servers.call(it.it, "seen", " ")
        assert empty.error is None


@pytest.mark.parametrize("arguments", ["[1]", "7", '"x"', '{"a": 1', "\ud800", "[" * 100_000])
async def test_arguments_that_are_no_object_are_not_sent(arguments: str) -> None:
    async with gateway(old_settings("late")) as it:
        result = await it.servers.call(it.it, "one", arguments)
    assert msgspec.json.decode(result.error or b"") == {
        "type": "mcp_protocol_error",
        "code": -32602,
        "message": "The arguments of the call are not a JSON object.",
    }


async def test_a_call_that_takes_too_long_is_cancelled_and_the_session_stays(
    settings: McpServerSettings,
) -> None:
    async with gateway(settings, call_seconds=0.5) as it:
        name = f"slow-{settings.transport or settings.command}"
        before = await it.output("pid")
        assert await it.error("hang", name=name) == {
            "type": "http_error",
            "code": 504,
            "message": "The call of the MCP tool timed out after 0.5 seconds.",
        }
        await has_been_seen(it, 1, name)
        assert await it.output("pid") == before


async def test_a_caller_that_is_cancelled_cancels_its_call_and_nothing_else(
    settings: McpServerSettings,
) -> None:
    async with gateway(settings) as it:
        one, other = f"one-{settings.url}", f"other-{settings.url}"
        doomed = asyncio.create_task(it.output("hang", name=one))
        kept = asyncio.create_task(it.output("hang", name=other, seconds=1.0))
        await has_been_seen(it, 0, one, other)
        doomed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doomed
        await has_been_seen(it, 1, one)
        assert await kept == other
        assert other not in json.loads(await it.output("seen"))[1]


async def has_been_seen(it: Gateway, which: int, *names: str) -> None:
    """Wait until these calls of ``hang`` have started (0) or were cancelled (1)."""
    for _ in range(100):
        if set(names) <= set(json.loads(await it.output("seen"))[which]):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the server was not told")


async def test_fifty_calls_at_once_share_one_session(settings: McpServerSettings) -> None:
    async with gateway(settings) as it:
        await it.names()
        started = time.monotonic()
        calls = (it.output("hang", name=f"n{number}", seconds=0.5) for number in range(50))
        found = await asyncio.gather(*calls)
    assert found == [f"n{number}" for number in range(50)]
    assert time.monotonic() - started < 10


async def test_five_megabytes_are_cut_in_the_middle(settings: McpServerSettings) -> None:
    if settings.transport == "sse":
        pytest.skip("the SDK takes at most 1 MiB over the old SSE transport")
    async with gateway(settings, max_output_bytes=10_000) as it:
        text = await it.output("big", size=2_500_000)
        assert len(text.encode()) <= 10_000
        assert text.startswith("ää") and text.endswith("ää")
        left_out = 5_000_000 - 2 * text.count("ä")
        assert f"[… {left_out} bytes left out …]" in text
        look, left = json.loads(await it.output("picture", size=5_000_000))
        assert look["text"] == "look"
        assert left["type"] == "text" and "image (image/png)" in left["text"]


async def test_too_much_over_sse_fails_and_the_next_call_works(sse_server: HttpMcpServer) -> None:
    settings = McpServerSettings(label="it", url=sse_server.url, transport="sse")
    async with gateway(settings) as it:
        assert (await it.error("big", size=2_500_000))["code"] == 502
        assert await it.output("add", a=1, b=2) == "3"


async def test_a_list_that_changed_is_asked_for_again(settings: McpServerSettings) -> None:
    async with gateway(settings) as it:
        await asyncio.sleep(0.3)  # a server of 2026 tells only those who listen already
        before = await it.names()
        await asyncio.sleep(0.3)
        await it.output("grow")
        deadline = time.monotonic() + 5
        while (after := await it.names()) == before:
            assert time.monotonic() < deadline, "the notification was not heeded"
            await asyncio.sleep(0.05)
        assert len(after) == len(before) + 1


async def test_a_list_is_kept_and_the_first_askers_share_one() -> None:
    async with gateway(old_settings()) as it:
        found = await asyncio.gather(*(it.names() for _ in range(20)))
        assert found == [["one"]] * 20
        await it.output("grow")
        assert await it.names() == ["one", "two"]


async def test_all_pages_are_listed() -> None:
    async with gateway(old_settings("pages")) as it:
        assert await it.names() == [f"page_{number}" for number in range(5)]


@pytest.mark.parametrize("manner", ["endless", "many", "huge"])
async def test_a_list_without_measure_is_refused(manner: str) -> None:
    async with gateway(old_settings(manner)) as it:
        error = await refused(it)
    assert "The list of tools is too long" in error.message


async def test_a_list_that_does_not_come_is_given_up() -> None:
    async with gateway(old_settings("deaf"), list_seconds=0.3) as it:
        error = await refused(it)
    assert error.message == (
        "Error retrieving tool list from MCP server: 'it'. The list of the MCP server's tools "
        "timed out after 0.3 seconds."
    )


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async with gateway(old_settings("late"), connect_seconds=0.5) as it:
        error = await refused(it)
        assert "The connection to the MCP server timed out after 0.5 seconds." in error.message
        assert (await it.error("one"))["code"] == 504


async def test_what_cannot_be_started_or_reached_is_a_424_without_its_address() -> None:
    port = free_port()
    for settings in (
        McpServerSettings(label="it", command="/no/such/program"),
        McpServerSettings(label="it", command="/bin/true"),
        McpServerSettings(label="it", command="/bin/cat"),
        McpServerSettings(label="it", url=f"http://127.0.0.1:{port}/mcp"),
        McpServerSettings(label="it", url=f"http://127.0.0.1:{port}/sse", transport="sse"),
    ):
        async with gateway(settings, connect_seconds=1.0) as it:
            error = await refused(it)
            for told in (error.message, str(await it.error("one"))):
                assert str(port) not in told and "Error(" not in told and "/" not in told, told


async def refused(it: Gateway) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await it.names()
    error = caught.value
    assert (error.status, error.type) == (424, "external_connector_error")
    assert (error.code, error.param) == ("http_error", "tools")
    assert error.message.startswith("Error retrieving tool list from MCP server: 'it'. ")
    return error


@pytest.mark.parametrize("transport", [None, "sse"])
async def test_401_is_told_as_openai_tells_it(transport: str | None) -> None:
    kind = "sse" if transport == "sse" else "http"
    with HttpMcpServer(free_port(), kind, {"TOKENS": "good"}) as server:  # type: ignore[arg-type]
        settings = McpServerSettings(label="it", url=server.url, transport=transport)  # type: ignore[arg-type]
        async with gateway(settings) as it:
            assert (await refused(it)).message == (
                "Error retrieving tool list from MCP server: 'it'. "
                "Http status code: 401 (Unauthorized)"
            )
            assert await it.error("add", a=1, b=2) == {
                "type": "http_error",
                "code": 401,
                "message": "Http status code: 401 (Unauthorized)",
            }
        with_header = msgspec.structs.replace(settings, headers={"Authorization": "Bearer good"})
        async with gateway(with_header) as it:
            assert await it.output("add", a=1, b=2) == "3"


async def test_lines_and_results_that_are_none_harm_only_themselves() -> None:
    async with gateway(old_settings()) as it:
        assert await it.output("garbage") == "garbage"
        wrong = await it.error("wrong")
        assert wrong["code"] == -32603 and "does not have the form" in str(wrong["message"])
        assert await it.output("one") == "one"


async def test_a_server_that_dies_in_a_call_fails_the_call_and_is_started_again() -> None:
    async with gateway(stdio_settings()) as it:
        pid = int(await it.output("pid"))
        call = asyncio.create_task(it.error("hang"))
        await asyncio.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        error = await call
        assert (error["type"], error["code"]) == ("http_error", 502)
        again = int(await it.output("pid"))
        assert again != pid
        # an idle one that dies is not even noticed
        os.kill(again, signal.SIGKILL)
        await eventually(lambda: not is_alive(again))
        await asyncio.sleep(0.1)
        assert int(await it.output("pid")) not in (pid, again)


@pytest.mark.parametrize(
    ("kind", "env"), [("http", {}), ("http", {"LEGACY": "1"}), ("http", {"JSON": "1"}), ("sse", {})]
)
async def test_a_server_that_was_restarted_is_connected_to_again(
    kind: str, env: dict[str, str]
) -> None:
    with HttpMcpServer(free_port(), kind, env) as server:  # type: ignore[arg-type]
        settings = McpServerSettings(
            label="it", url=server.url, transport="sse" if kind == "sse" else None
        )
        async with gateway(settings) as it:
            before = await it.output("pid")
            call = asyncio.create_task(it.error("hang"))
            await asyncio.sleep(0.3)
            server.kill()
            assert (await call)["code"] == 502
            assert (await it.error("pid"))["code"] == 502
            server.start()
            assert await it.output("pid") != before
            # and the whole of it between two calls, so that the session is stale
            server.kill()
            server.start()
            await asyncio.sleep(0.1)
            assert await it.output("add", a=1, b=2) == "3"


async def test_an_idle_session_is_closed_and_the_next_call_opens_another() -> None:
    async with gateway(stdio_settings(), idle_seconds=0.3) as it:
        pid = int(await it.output("pid"))
        await it.output("hang", seconds=0.6)
        assert int(await it.output("pid")) == pid
        await eventually(lambda: not is_alive(pid))
        assert int(await it.output("pid")) != pid


async def test_a_server_that_says_nothing_any_more_is_replaced() -> None:
    async with gateway(stdio_settings(), call_seconds=0.3) as it:
        pid = int(await it.output("pid"))
        os.kill(pid, signal.SIGSTOP)
        assert (await it.error("pid"))["code"] == 504
        await eventually(lambda: not is_alive(pid), 10)
        assert int(await it.output("pid")) != pid


async def test_nothing_is_left_after_the_end(settings: McpServerSettings) -> None:
    async with gateway(settings) as it:
        await it.names()  # whatever the first use makes for good is made
    await asyncio.sleep(0.1)
    tasks, files, processes = len(asyncio.all_tasks()), sockets(), children()
    started = time.monotonic()
    async with gateway(settings) as it:
        await it.names()
        calls = [asyncio.create_task(it.output("hang")) for _ in range(10)]
        await asyncio.sleep(0.3)
    assert time.monotonic() - started < 10
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await asyncio.sleep(0.1)
    assert len(asyncio.all_tasks()) == tasks
    assert children() == processes
    assert sockets() == files


async def test_the_whole_process_group_is_ended() -> None:
    async with gateway(stdio_settings()) as it:
        server, child = int(await it.output("pid")), int(await it.output("spawn"))
        assert is_alive(child)
    assert not is_alive(server)
    await eventually(lambda: not is_alive(child), 1)
    async with gateway(old_settings("stubborn")) as it:
        before = children()
        await it.output("one")
        (stubborn,) = children() - before
        started = time.monotonic()
    assert not is_alive(stubborn)
    assert time.monotonic() - started < 5


async def test_a_program_gets_only_the_variables_that_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RESPONSES_GW_UPSTREAM_API_KEY", "hunter2")
    settings = msgspec.structs.replace(stdio_settings(), env={"KEY": "value"})
    async with gateway(settings) as it:
        variables = json.loads(await it.output("variables"))
    assert variables["KEY"] == "value" and "PATH" in variables
    assert "hunter2" not in str(variables)


async def test_a_server_that_others_made() -> None:
    """mcp-server-time, from PyPI."""
    settings = McpServerSettings(label="it", command=sys.executable, args=("-m", "mcp_server_time"))
    async with gateway(settings) as it:
        assert {"get_current_time", "convert_time"} <= set(await it.names())
        assert "Europe/Berlin" in await it.output("get_current_time", timezone="Europe/Berlin")
        failed = await it.error("get_current_time", timezone="Nowhere/Nothing")
        assert failed["type"] in (TEXT, "mcp_protocol_error")
