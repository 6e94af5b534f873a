"""The measures. Each runs its rounds interleaved (twin, service, twin, service …) and adds rows.

"CPU" is user and system time of the server's whole process tree; PostgreSQL's is a row of its own.
A window is the time between two looks at the counters while all streams flow, so that neither the
start nor the end of the streams is in it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .load import Caller, Load, percentile, request
from .processes import BenchFailed, Server, Tree
from .results import Results, Side

_RESPONSE_ID = re.compile(rb'"id":\s*"(resp_[^"]+)"')
_TWO_WORDS = "n=2,burst=1,gap=0"
_MARKERS: dict[Side, bytes] = {  # the first event that carries text
    "direct": b'"delta":{"content":"',
    "twin": b'"delta":{"content":"',
    "service": b"response.output_text.delta",
}


@dataclass(frozen=True)
class Bench:
    """The servers under measurement, all running, and how thorough to be."""

    upstream: Server
    twin: Server
    service: Server
    postgres: Tree
    results: Results
    quick: bool

    @property
    def rounds(self) -> range:
        return range(1 if self.quick else 3)

    @property
    def proxies(self) -> tuple[tuple[Side, Server], ...]:
        return (("twin", self.twin), ("service", self.service))


class Meter:
    """CPU used from here on by a server and by PostgreSQL, in µs."""

    def __init__(self, bench: Bench, server: Server) -> None:
        self._server, self._postgres = server, bench.postgres
        self._before = server.cpu_us(), bench.postgres.cpu_us()

    def read(self) -> tuple[float, float]:
        return self._server.cpu_us() - self._before[0], self._postgres.cpu_us() - self._before[1]


async def paced(bench: Bench) -> None:
    """CPU per event when every stream gets one event every 20 ms."""
    count, window_s = (150, 1.5) if bench.quick else (400, 5.0)
    for streams in (64,) if bench.quick else (16, 64, 256):
        load = request(f"n={count},burst=1,gap=20", store=True)
        for _ in bench.rounds:
            for side, server in bench.proxies:
                async with Load(server.port, load, streams) as running:
                    await running.begun()
                    await asyncio.sleep(0.8)
                    name = f"paced, {streams} streams x 50/s"
                    await _window(bench, side, server, running, window_s, name)
                    await running.ended(timeout=30)
                await _idle(bench)


async def saturated(bench: Bench) -> None:
    """CPU per event when the upstream writes as fast as the server reads."""
    for burst in (1, 8):
        load = request(f"n=100000000,burst={burst},gap=0", store=False)
        for _ in bench.rounds:
            for side, server in bench.proxies:
                async with Load(server.port, load, 16) as running:
                    await running.begun()
                    await asyncio.sleep(0.5)
                    window_s = 1.0 if bench.quick else 3.0
                    await _window(
                        bench, side, server, running, window_s, f"saturated, burst {burst}"
                    )
                await _idle(bench)


async def _window(
    bench: Bench, side: Side, server: Server, running: Load, seconds: float, name: str
) -> None:
    meter, events, began = Meter(bench, server), running.tally.events, time.perf_counter()
    await asyncio.sleep(seconds)
    cpu, events = meter.read()[0], running.tally.events - events
    elapsed = time.perf_counter() - began
    running.tally.check()
    if not events:
        raise BenchFailed(f"{name}: no event arrived in {seconds} s")
    bench.results.add(f"{name}: CPU per event", "µs", side, cpu / events)
    bench.results.add(f"{name}: events per second", "1/s", side, events / elapsed)
    bench.results.add(f"{name}: events per core-second", "1/s", side, events / cpu * 1e6)


async def requests(bench: Bench) -> None:
    """CPU per request of two words, stored and not."""
    each = 30 if bench.quick else 150
    for store in (True, False):
        name = f"request of 2 words, store:{str(store).lower()}"
        for _ in bench.rounds:
            for side, server in bench.proxies:
                if side == "twin" and not store:
                    continue  # the twin never stores: one row says all
                await _requests(
                    bench, side, server, name, request(_TWO_WORDS, store=store), 8, each
                )


async def bodies(bench: Bench) -> None:
    """Requests per second with 400 KB of input."""
    text, each = "lorem ipsum " * 33_334, 5 if bench.quick else 20
    for store in (True, False):
        name = f"400 KB body, store:{str(store).lower()}"
        load = request(_TWO_WORDS, text, store=store)
        for _ in bench.rounds:
            for side, server in bench.proxies:
                if side == "service" or store:
                    await _requests(bench, side, server, name, load, 4, each)


async def tools(bench: Bench) -> None:
    """CPU per request that declares 40 tools of 2 KB, as agents do on every turn."""
    each = 10 if bench.quick else 60
    schema = {
        "type": "object",
        "properties": {
            f"field_{n}": {"type": "string", "description": "x" * 60} for n in range(17)
        },
    }
    declared = [
        {"type": "function", "name": f"tool_{n}", "description": "d" * 200, "parameters": schema}
        for n in range(40)
    ]
    for store in (True, False):
        name = f"40 tools of 2 KB, store:{str(store).lower()}"
        load = request(_TWO_WORDS, store=store, tools=declared)
        for _ in bench.rounds:
            for side, server in bench.proxies:
                if side == "service" or store:
                    await _requests(bench, side, server, name, load, 4, each)


async def _requests(
    bench: Bench, side: Side, server: Server, name: str, load: bytes, streams: int, each: int
) -> None:
    async with Load(server.port, load, streams, 2) as warm_up:
        await warm_up.ended(timeout=30)
    meter, began = Meter(bench, server), time.perf_counter()
    async with Load(server.port, load, streams, each) as running:
        await running.ended(timeout=60)
    elapsed, count = time.perf_counter() - began, streams * each
    cpu, postgres_cpu = meter.read()
    bench.results.add(f"{name}: CPU per request", "ms", side, cpu / count / 1000)
    if side == "service":
        per_request = postgres_cpu / count / 1000
        bench.results.add(f"{name}: PostgreSQL CPU per request", "ms", side, per_request)
    bench.results.add(f"{name}: requests per second", "1/s", side, count / elapsed)
    for share in (0.5, 0.99):
        value = percentile(running.tally.latencies_ms, share)
        bench.results.add(f"{name}: whole answer p{share * 100:.0f}", "ms", side, value)


async def first_event(bench: Bench) -> None:
    """Time from the request to the first event with text, idle and beside 64 paced streams."""
    sides: tuple[tuple[Side, Server], ...] = (("direct", bench.upstream), *bench.proxies)
    # Enough events for the slowest; this load is dropped when the calls are done.
    busy = request("n=4000,burst=1,gap=20", store=False)
    for _ in bench.rounds:
        found: dict[str, tuple[float, float]] = {}
        for side, server in sides:
            name = "first event, idle"
            found[name] = await _first_event(bench, side, server, name, found.get(name))
            name = "first event, 64 streams busy"
            async with Load(server.port, busy, 64) as running:
                await running.begun()
                found[name] = await _first_event(bench, side, server, name, found.get(name))
            await _idle(bench)


async def _first_event(
    bench: Bench, side: Side, server: Server, name: str, direct: tuple[float, float] | None
) -> tuple[float, float]:
    """p50 and p99 in ms; adds what they are above `direct`, the answer to the first side asked."""
    asked = request("n=2,burst=1,gap=20", store=True)  # the first word comes by itself
    caller = await Caller.connect(server.port)
    try:
        for _ in range(10):
            await caller.ask(asked)
        count = 50 if bench.quick else 200
        times = [(await caller.ask(asked, _MARKERS[side])).marked_ms for _ in range(count)]
    finally:
        caller.close()
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    bench.results.add(f"{name}: p50", "ms", side, p50)
    bench.results.add(f"{name}: p99", "ms", side, p99)
    if direct is None:
        return p50, p99
    bench.results.add(f"{name}: added p50", "ms", side, p50 - direct[0])
    bench.results.add(f"{name}: added p99", "ms", side, p99 - direct[1])
    return direct


async def memory(bench: Bench) -> None:
    """Resident memory of a fresh process, and what an open stream adds."""
    streams = 100 if bench.quick else 400
    for side, server in bench.proxies:
        await asyncio.to_thread(server.restart)
        bench.results.add("RSS after start", "MB", side, server.rss() / 1e6)
        await _warm_up(server)
        before = server.rss()
        bench.results.add("RSS idle after 40 requests", "MB", side, before / 1e6)
        slow = request("n=1000,burst=1,gap=500", store=True)
        async with Load(server.port, slow, streams) as running:
            await running.begun()
            await asyncio.sleep(2)
            grown = server.rss() - before
        name = f"RSS per open stream ({streams} open)"
        bench.results.add(name, "kB", side, grown / streams / 1000)
        await _idle(bench)


async def stalled(bench: Bench) -> None:
    """Memory with 20 clients that read nothing while the upstream could write for ever."""
    for side, server in bench.proxies:
        await asyncio.to_thread(server.restart)
        await _warm_up(server)
        before = server.rss()
        endless = request("n=100000000,burst=8,gap=0", store=True)
        async with Load(server.port, endless, 20) as running:
            await running.begun()
            running.stall()
            read = running.tally.events
            for seconds in (2, 4) if bench.quick else (5, 10):
                await asyncio.sleep(seconds / 2)
                name = f"20 stalled readers: RSS growth after {seconds} s"
                bench.results.add(name, "MB", side, (server.rss() - before) / 1e6)
            if running.tally.events != read:
                raise BenchFailed("the stalled readers have read")
        began = time.perf_counter()
        await _idle(bench)
        gone = time.perf_counter() - began
        bench.results.add("20 stalled readers leave: upstream free after", "ms", side, gone * 1000)


async def chain(bench: Bench) -> None:
    """Turns 1, 10, 100 and 1,000 of a chain: as a client goes on, and after a restart."""
    service, count = bench.service, 5 if bench.quick else 10
    depths = (1, 10, 100) if bench.quick else (1, 10, 100, 1000)
    parents: dict[int, list[str | None]] = {1: [None] * count}
    await _warm_up(service)
    await _chain_costs(bench, "turn 1, chain in memory", parents[1])
    parents[10] = [(await _grow(service, [], 9))[-1] for _ in range(count)]
    line: list[str] = []
    for depth in depths[1:]:  # one line, measured for `count` turns from each depth on
        await _grow(service, line, depth - 1)
        meter, times = Meter(bench, service), list[float]()
        await _grow(service, line, depth - 1 + count, times)
        _add_costs(bench, f"turn {depth:,}, chain in memory", meter, times)
        if depth > 10:  # deepest first: none is an ancestor that a later one could profit from
            parents[depth] = list(line[depth - 2 : depth - 2 - count : -1])
    await asyncio.to_thread(service.restart)
    await _warm_up(service)
    for depth, some in parents.items():
        await _chain_costs(bench, f"turn {depth:,}, after a restart", some)


async def _chain_costs(bench: Bench, name: str, parents: list[str | None]) -> None:
    """One turn after each parent."""
    caller, meter = await Caller.connect(bench.service.port), Meter(bench, bench.service)
    try:
        times = [(await caller.ask(_turn(parent))).total_ms for parent in parents]
    finally:
        caller.close()
    _add_costs(bench, name, meter, times)


def _add_costs(bench: Bench, name: str, meter: Meter, times: list[float]) -> None:
    cpu, postgres_cpu = (used / len(times) / 1000 for used in meter.read())
    bench.results.add(f"{name}: whole answer p50", "ms", "service", percentile(times, 0.5))
    bench.results.add(f"{name}: CPU", "ms", "service", cpu)
    bench.results.add(f"{name}: PostgreSQL CPU", "ms", "service", postgres_cpu)


async def _grow(
    service: Server, line: list[str], turns: int, times: list[float] | None = None
) -> list[str]:
    """Continue the chain with the ids `line` until it has `turns` responses; its turns' ms too."""
    caller = await Caller.connect(service.port)
    try:
        while len(line) < turns:
            reply = await caller.ask(_turn(line[-1] if line else None))
            found = _RESPONSE_ID.search(reply.data)
            if found is None:
                raise BenchFailed(f"no response id in {reply.data[:300]!r}")
            line.append(found[1].decode())
            if times is not None:
                times.append(reply.total_ms)
    finally:
        caller.close()
    return line


def _turn(parent: str | None) -> bytes:
    link = {} if parent is None else {"previous_response_id": parent}
    return request(_TWO_WORDS, store=True, **link)


async def _warm_up(server: Server) -> None:
    """40 stored requests: connections to the upstream and to the database are open after them."""
    async with Load(server.port, request(_TWO_WORDS, store=True), 4, 10) as load:
        await load.ended(timeout=30)


async def _idle(bench: Bench, timeout: float = 20) -> None:
    """Wait until the upstream plays no stream any more. Raises `BenchFailed`."""
    caller, deadline = await Caller.connect(bench.upstream.port), time.monotonic() + timeout
    try:
        while b'"open": 0' not in await caller.get(b"/stats"):
            if time.monotonic() > deadline:
                raise BenchFailed(
                    f"upstream streams are still open {timeout} s after their clients"
                )
            await asyncio.sleep(0.01)
    finally:
        caller.close()


MEASURES: dict[str, Callable[[Bench], Awaitable[None]]] = {
    "paced": paced,
    "saturated": saturated,
    "requests": requests,
    "first-event": first_event,
    "bodies": bodies,
    "tools": tools,
    "memory": memory,
    "chain": chain,
    "stalled": stalled,
}
