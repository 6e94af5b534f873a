"""The benchmark's own instruments: the load counts every event, the meters see work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import Caller, Load, Stream, Tally, percentile, request
from bench.processes import BenchFailed, Server, Tree, fake_upstream
from bench.results import Results

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = fake_upstream(tmp_path_factory.mktemp("bench") / "upstream.log")
    yield server
    server.stop()


async def test_every_event_of_every_stream_is_counted(upstream: Server) -> None:
    streams, repeats, content = 4, 3, 40
    asked = request(f"n={content},burst=8,gap=0")
    async with Load(upstream.port, asked, streams, repeats) as load:
        await load.ended(timeout=10)
    assert load.tally.ended == streams * repeats
    # role, finish, usage and [DONE] are events too
    assert load.tally.events == streams * repeats * (content + 4)


async def test_a_blank_line_cut_in_two_is_one_event() -> None:
    for cut in range(1, len(b"data: 1\n\ndata: 2\n\n")):
        tally = Tally(begun=1)
        stream = Stream(tally, b"")
        stream._fresh = False
        whole = b"data: 1\n\ndata: 2\n\n"
        stream.data_received(whole[:cut])
        stream.data_received(whole[cut:])
        assert tally.events == 2, f"cut after {cut} bytes"


async def test_a_caller_is_told_when_the_marked_bytes_came(upstream: Server) -> None:
    caller = await Caller.connect(upstream.port)
    reply = await caller.ask(request("n=5,burst=1,gap=20"), b'"finish_reason":"stop"')
    assert 90 < reply.marked_ms <= reply.total_ms < 2000
    assert reply.data.count(b"\n\n") == 9
    assert json.loads((await caller.get(b"/stats")).partition(b"\r\n\r\n")[2])["open"] == 0
    caller.close()


async def test_a_load_that_does_not_end_is_reported(upstream: Server) -> None:
    async with Load(upstream.port, request("n=1000000,burst=1,gap=0"), 2) as load:
        await load.begun()
        with pytest.raises(BenchFailed, match="0 of 2 have ended"):
            await load.ended(timeout=0.1)


async def test_stalled_readers_read_nothing(upstream: Server) -> None:
    async with Load(upstream.port, request("n=1000000,burst=8,gap=0"), 3) as load:
        await load.begun()
        load.stall()
        before = load.tally.events
        await asyncio.sleep(0.1)
        assert load.tally.events == before


async def test_the_work_of_a_server_shows_in_its_cpu_time(upstream: Server) -> None:
    before = upstream.cpu_us()
    async with Load(upstream.port, request("n=1000000,burst=8,gap=0"), 2) as load:
        await load.begun()
        await asyncio.sleep(0.3)
    used = upstream.cpu_us() - before
    assert 10_000 < used < 5_000_000
    assert 5_000_000 < Tree(upstream.pid).rss() < 1_000_000_000


async def test_results_keep_rounds_and_sides_apart(capsys: pytest.CaptureFixture[str]) -> None:
    results = Results()
    for value in (3.0, 1.0, 2.0):
        results.add("CPU per event", "µs", "service", value)
    results.add("CPU per event", "µs", "twin", 5.0)
    assert "2.00 [1.00..3.00]" in results.table() and "5.00" in results.table()
    assert "service 3.00 µs" in capsys.readouterr().out
    assert percentile([3, 1, 2], 0.5) == 2 and percentile([1], 0.99) == 1


def test_logs_explain_a_server_that_does_not_start(tmp_path: Path) -> None:
    import sys

    command = [sys.executable, "-c", "print('no such thing')"]
    with pytest.raises(BenchFailed, match="no such thing"):
        Server(command, {}, tmp_path / "log", 0, 1).wait_ready()
