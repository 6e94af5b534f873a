"""MCP servers that hang, die or talk nonsense are failed items at most; what runs is ended."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from responses_gw.store import EmbeddedPostgres

from ..grammar import check, parse_sse
from ..support.census import children
from ..support.fixtures import ServiceFactory
from ..support.mcp_servers import MODERN, HttpMcpServer
from ..support.mcp_servers.gateway import is_alive
from ..support.odd_mcp_server import FAULTS, OddMcpServer
from ..support.service import Service, free_port
from ..support.streams import Answer, connect, refused, request, streamed
from ..support.tool_loop import Json, calls, kinds, mcp_calls, output, says, tools_of
from ..support.upstream import Cut, ScriptedUpstream, Send, role, text

# A gateway may knock at an odd server that is just closing: asyncio then leaves a socket to the
# garbage collector, in whatever test that runs.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
LOCAL: Json = {"type": "mcp", "server_label": "local"}
CALL_SECONDS = 1.0
OUTPUT_BYTES = 262_144
BRIEF = ("garbage", "redirect", "html", "unauthorized")  # no test waits for a connection in vain
CONFIG = """
[mcp]
call_seconds = {seconds}
list_seconds = {seconds}
connect_seconds = 5.0

[egress]
allowed_hosts = ["127.0.0.1"]

[[mcp.servers]]
label = "local"
command = "{python}"
args = ["{script}", "stdio"]

[[mcp.servers]]
label = "sse"
url = "{sse}"
transport = "sse"
"""


@pytest.fixture(scope="module")
def sse() -> Iterator[HttpMcpServer]:
    with HttpMcpServer(free_port(), "sse") as server:
        yield server


@pytest.fixture(scope="module")
def remote() -> Iterator[HttpMcpServer]:
    with HttpMcpServer(free_port()) as server:
        yield server


@pytest.fixture
def mortal() -> Iterator[HttpMcpServer]:
    """One that a test may kill."""
    with HttpMcpServer(free_port()) as server:
        yield server


@pytest.fixture
def odd() -> Iterator[OddMcpServer]:
    with OddMcpServer() as server:
        yield server


@pytest.fixture(scope="module")
def config(sse: HttpMcpServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("mcp") / "gw.toml"
    told = {"python": sys.executable, "script": MODERN, "sse": sse.url, "seconds": CALL_SECONDS}
    file.write_text(CONFIG.format(**told))
    return file


@pytest.fixture(scope="module")
def service(
    shared_upstream: ScriptedUpstream,
    module_database_url: str,
    config: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    env = {
        "RESPONSES_GW_CONFIG": str(config),
        "RESPONSES_GW_UPSTREAM": shared_upstream.url,
        "RESPONSES_GW_DATABASE_URL": module_database_url,
    }
    with Service(env, tmp_path_factory.mktemp("service") / "service.log") as running:
        yield running


def declared(url: str, label: str = "far") -> Json:
    return {"type": "mcp", "server_label": label, "server_url": url, "require_approval": "never"}


async def one_call(
    http: aiohttp.ClientSession,
    upstream: ScriptedUpstream,
    tool: Json,
    name: str,
    given: Json | None = None,
    **fields: object,
) -> Answer:
    """A response in which the model calls one tool and then speaks: it must complete."""
    upstream.play(*calls((f"mcp__{tool['server_label']}__{name}", given or {})))
    upstream.play(*says("So be it."))
    answered = await streamed(http, tools=[tool], **fields)
    assert answered.terminal["status"] == "completed"
    assert answered.text == "So be it."
    return answered


def the_call(answered: Answer) -> Json:
    (found,) = mcp_calls(answered)
    return found


# --- servers that hang, die or say too much -------------------------------------------------------


@pytest.mark.parametrize("label", ["local", "sse", "far"])
async def test_a_call_that_hangs_fails_in_time_and_the_next_one_works(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, remote: HttpMcpServer, label: str
) -> None:
    tool = declared(remote.url) if label == "far" else LOCAL | {"server_label": label}
    began = time.monotonic()
    failed = the_call(await one_call(http, upstream, tool, "hang"))
    assert CALL_SECONDS <= time.monotonic() - began < CALL_SECONDS + 2
    assert (failed["status"], failed["error"]["code"]) == ("failed", 504)
    assert "timed out" in str(upstream.requests[1].messages[-1]["content"])
    added = the_call(await one_call(http, upstream, tool, "add", {"a": 1, "b": 2}))
    assert added["output"] == "3"


async def test_a_program_that_dies_in_a_call_is_started_again(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    before = the_call(await one_call(http, upstream, LOCAL, "pid"))["output"]
    failed = the_call(await one_call(http, upstream, LOCAL, "die"))
    assert (failed["status"], failed["error"]["code"]) == ("failed", 502)
    after = the_call(await one_call(http, upstream, LOCAL, "pid"))["output"]
    assert after.isdigit() and after != before


async def test_a_server_that_is_killed_in_a_call_is_connected_to_again(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, mortal: HttpMcpServer
) -> None:
    tool = declared(mortal.url)
    running = asyncio.create_task(one_call(http, upstream, tool, "hang"))
    await upstream.arrived(0)
    await asyncio.sleep(0.5)
    mortal.kill()
    failed = the_call(await running)
    assert (failed["status"], failed["error"]["code"]) == ("failed", 502)
    mortal.start()
    assert the_call(await one_call(http, upstream, tool, "add", {"a": 1, "b": 2}))["output"] == "3"


async def test_a_server_that_is_down_does_not_stop_a_chain_that_knows_its_tools(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, mortal: HttpMcpServer
) -> None:
    tool = declared(mortal.url)
    first = await one_call(http, upstream, tool, "add", {"a": 1, "b": 2})
    mortal.kill()
    chained = await one_call(
        http,
        upstream,
        tool,
        "add",
        {"a": 3, "b": 4},
        previous_response_id=first.terminal["id"],
    )
    assert kinds(chained) == ["mcp_call", "message"]
    assert the_call(chained)["error"]["code"] == 502
    assert tools_of(upstream.requests[0].json) == tools_of(upstream.requests[2].json)


async def test_a_list_that_has_changed_is_new_in_a_new_chain_and_stays_in_an_old_one(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, mortal: HttpMcpServer
) -> None:
    tool = declared(mortal.url)
    first = await one_call(http, upstream, tool, "grow")
    before = {info["name"] for info in output(first)[0]["tools"]}
    await asyncio.sleep(0.3)  # the server tells it on a stream of its own
    fresh = await one_call(http, upstream, tool, "add", {"a": 1, "b": 2})
    (grown,) = {info["name"] for info in output(fresh)[0]["tools"]} - before
    called = the_call(await one_call(http, upstream, tool, grown))
    assert called["status"] == "completed"
    upstream.play(*says("As ever."))
    old = await streamed(http, tools=[tool], previous_response_id=first.terminal["id"])
    assert kinds(old) == ["message"]
    assert tools_of(upstream.requests[-1].json) == tools_of(upstream.requests[0].json)


@pytest.mark.parametrize("label", ["local", "far"])
async def test_five_megabytes_are_bounded_in_the_item_and_in_memory(
    service: Service,
    http: aiohttp.ClientSession,
    upstream: ScriptedUpstream,
    remote: HttpMcpServer,
    label: str,
) -> None:
    tool = declared(remote.url) if label == "far" else LOCAL
    sizes = []
    for _ in range(4):
        big = the_call(await one_call(http, upstream, tool, "big", {"size": 2_500_000}))
        assert len(big["output"].encode()) <= OUTPUT_BYTES
        assert "bytes left out" in big["output"]
        sizes.append(service.rss_bytes())
    assert sizes[-1] - sizes[0] < 30_000_000, sizes


# --- answers that are none ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "method"),
    [*[(fault, "tools/list") for fault in FAULTS], *[(fault, "initialize") for fault in BRIEF]],
)
async def test_a_server_that_cannot_be_listed_is_a_424(
    http: aiohttp.ClientSession,
    upstream: ScriptedUpstream,
    odd: OddMcpServer,
    fault: str,
    method: str,
) -> None:
    began = time.monotonic()
    status, error, _ = await refused(http, tools=[declared(odd.url(fault, method))], stream=True)
    assert time.monotonic() - began < 8
    assert (status, error["type"]) == (424, "external_connector_error")
    assert upstream.requests == []
    for hidden in ("127.0.0.1", "169.254", "secret", "<html>"):
        assert hidden not in str(error["message"])
    assert ("401" in str(error["message"])) is (fault == "unauthorized")


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_answer_to_a_call_that_is_none_fails_the_item_only(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, odd: OddMcpServer, fault: str
) -> None:
    tool = declared(odd.url(fault, "tools/call"))
    began = time.monotonic()
    answered = await one_call(http, upstream, tool, "act")
    assert time.monotonic() - began < CALL_SECONDS + 3
    failed = the_call(answered)
    assert (failed["status"], failed["output"]) == ("failed", None)
    for hidden in ("127.0.0.1", "169.254", "secret", "<html>"):
        assert hidden not in json.dumps(failed)
        assert hidden not in str(upstream.requests[1].messages)
    if fault == "endless":
        await odd.asked_for("hung up", 1)


# --- the others go away ---------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [1, 2])
@pytest.mark.parametrize(
    "ending", [(role(), Cut()), (role(), text("Half"), Cut()), (Send(b"data: {x"),)]
)
async def test_a_model_server_that_dies_in_a_later_round_fails_with_what_was_run(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, ending: tuple[bytes, ...], rounds: int
) -> None:
    for number in range(rounds):
        upstream.play(*calls(("mcp__local__add", {"a": number, "b": number})))
    upstream.play(*ending)
    answered = await streamed(http, tools=[LOCAL])
    assert answered.terminal["status"] == "failed"
    assert [call["output"] for call in mcp_calls(answered)] == ["0", "2"][:rounds]
    assert await ended(http, answered.terminal["id"]) == answered.terminal


async def ended(http: aiohttp.ClientSession, id: object, seconds: float = 5) -> Json:
    deadline = time.monotonic() + seconds
    while True:
        async with http.get(f"/v1/responses/{id}") as response:
            row: Json = await response.json()
        if row.get("status") not in ("in_progress", None):
            return row
        assert time.monotonic() < deadline, f"the response never ended: {row}"
        await asyncio.sleep(0.02)


async def leave_at(http: aiohttp.ClientSession, tool: Json, mark: bytes) -> tuple[str, float]:
    """A client that leaves when it has read this; the response's id and when it left."""
    body = request(stream=True, tools=[tool])
    async with http.post("/v1/responses", json=body) as response:
        data = b""
        while mark not in data:
            piece = await response.content.readany()
            assert piece, f"the answer ended after {data!r}"
            data += piece
        assert response.connection is not None
        response.connection.close()
    return data.partition(b'"response":{"id":"')[2].partition(b'"')[0].decode(), time.monotonic()


async def test_a_client_that_leaves_in_a_call_cancels_it_at_the_server(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, odd: OddMcpServer
) -> None:
    upstream.play(*calls(("mcp__far__act", {})))
    tool = declared(odd.url("silent", "tools/call"))
    id, left = await leave_at(http, tool, b"response.mcp_call.in_progress")
    await odd.asked_for("tools/call")
    assert await odd.asked_for("notifications/cancelled") - left < 1
    row = await ended(http, id)
    assert row["status"] == "cancelled"
    assert [item["type"] for item in row["output"]] == ["mcp_list_tools", "mcp_call"]


async def test_a_client_that_leaves_while_tools_are_listed_cancels_the_list(
    service: Service, upstream: ScriptedUpstream, odd: OddMcpServer
) -> None:
    tool = declared(odd.url("silent", "tools/list"))
    body = json.dumps(request(stream=True, tools=[tool])).encode()
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(
            b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )
        await odd.asked_for("tools/list")
    left = time.monotonic()
    assert await odd.asked_for("notifications/cancelled") - left < 1
    assert upstream.requests == []


async def test_a_client_that_reads_late_gets_everything(
    http: aiohttp.ClientSession, service: Service, upstream: ScriptedUpstream
) -> None:
    """More than all buffers on the way hold: the outputs of twelve calls, each told twice."""
    made = [("mcp__local__big", {"size": 250_000, "character": "x"})] * 12
    upstream.play(*calls(*made))
    upstream.play(*says("Read it all."))
    async with http.post("/v1/responses", json=request(stream=True, tools=[LOCAL])) as response:
        await asyncio.sleep(2)
        events = parse_sse(await response.read())
    terminal: Json = check(events)
    assert [len(item.get("output", "")) for item in terminal["output"]].count(250_000) == 12


async def test_a_stop_in_a_call_is_told_stored_and_leaves_no_program(
    config: Path, service_factory: ServiceFactory, upstream: ScriptedUpstream, database_url: str
) -> None:
    env = {"RESPONSES_GW_CONFIG": str(config), "RESPONSES_GW_DATABASE_URL": database_url}
    env["RESPONSES_GW_UPSTREAM"] = upstream.url
    stopping = service_factory(env | {"RESPONSES_GW_MCP_CALL_SECONDS": "60"})
    other = service_factory(env)
    upstream.play(*calls(("mcp__local__hang", {})))
    async with (
        connect(stopping.url) as http,
        http.post("/v1/responses", json=request(stream=True, tools=[LOCAL])) as response,
    ):
        seen = await response.content.readuntil(b"response.mcp_call.in_progress")
        programs = {child for pid in stopping.pids() for child in children(pid)}
        programs -= set(stopping.pids())
        assert programs
        await asyncio.to_thread(stopping.stop)
        seen += await response.content.read()
    terminal = check(parse_sse(seen))
    assert terminal["status"] == "failed"
    assert not any(is_alive(pid) for pid in programs)
    async with connect(other.url) as http:
        assert await ended(http, terminal["id"]) == terminal


async def test_a_database_that_goes_away_in_a_call_fails_what_is_stored_only(
    config: Path,
    service_factory: ServiceFactory,
    upstream: ScriptedUpstream,
    own_embedded_postgres: EmbeddedPostgres,
) -> None:
    env = {
        "RESPONSES_GW_CONFIG": str(config),
        "RESPONSES_GW_UPSTREAM": upstream.url,
        "RESPONSES_GW_DATABASE_URL": own_embedded_postgres.dsn,
        "RESPONSES_GW_DATABASE_ACQUIRE_TIMEOUT_SECONDS": "1",
    }
    service = service_factory(env)
    async with connect(service.url) as http:
        await one_call(http, upstream, LOCAL, "add", {"a": 1, "b": 2})
        for _ in range(2):
            upstream.play(*calls(("mcp__local__hang", {"name": "done", "seconds": 0.8})))
        upstream.decide = lambda received: says("So.")
        running = [
            asyncio.create_task(streamed(http, tools=[LOCAL], store=kept)) for kept in (True, False)
        ]
        await upstream.arrived(3)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(own_embedded_postgres.stop)
        stored, free = await asyncio.gather(*running)
    for answered in (stored, free):
        assert the_call(answered)["output"] == "done"
        assert answered.text == "So."
    assert stored.terminal["status"] == "failed"
    assert "could not be stored" in str(stored.terminal["error"])
    assert free.terminal["status"] == "completed"
