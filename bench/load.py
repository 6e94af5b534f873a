"""The load generator: raw bytes over asyncio protocols; events are counted by their blank lines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self, cast

from .processes import BenchFailed

_END = b"0\r\n\r\n"  # the last chunk of a body


def request(model: str, text: str = "two words", **fields: object) -> bytes:
    """A streaming POST /v1/responses, head and body."""
    body = json.dumps({"model": model, "input": text, "stream": True} | fields).encode()
    head = (
        b"POST /v1/responses HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )
    return head % len(body) + body


@dataclass
class Tally:
    """What all streams of one load have seen."""

    events: int = 0
    begun: int = 0
    ended: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    refused: bytes = b""

    def check(self) -> None:
        """Raises `BenchFailed` when the server refused anything."""
        if self.refused:
            raise BenchFailed(f"the server refused: {self.refused[:600].decode(errors='replace')}")


class Stream(asyncio.Protocol):
    """One connection that sends the same request `repeats` times and counts what comes back."""

    def __init__(self, tally: Tally, request: bytes, repeats: int = 1) -> None:
        self._tally, self._request, self._left = tally, request, repeats
        self._tail = b""
        self._fresh = True
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._send()

    def data_received(self, data: bytes) -> None:
        tally = self._tally
        tally.events += data.count(b"\n\n")
        if data[:1] == b"\n" and self._tail[-1:] == b"\n" and self._tail[-2:] != b"\n\n":
            tally.events += 1  # a blank line cut in two
        if self._fresh:
            self._fresh = False
            tally.begun += 1
            if not data.startswith(b"HTTP/1.1 200"):
                tally.refused = tally.refused or data
                self._transport.abort()
                return
        last = data[-5:] if len(data) >= 5 else (self._tail + data)[-5:]
        self._tail = last
        if last == _END:
            self._finish()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def stall(self) -> None:
        """Read nothing any more."""
        self._transport.pause_reading()

    def close(self) -> None:
        self._transport.abort()

    def _send(self) -> None:
        self._fresh, self._sent = True, time.perf_counter()
        self._transport.write(self._request)

    def _finish(self) -> None:
        self._tally.ended += 1
        self._tally.latencies_ms.append((time.perf_counter() - self._sent) * 1000)
        self._left -= 1
        if self._left:
            self._send()
        else:
            self._transport.close()


class Load:
    """Many streams to one port; a context manager that leaves no connection behind."""

    def __init__(self, port: int, request: bytes, streams: int, repeats: int = 1) -> None:
        self.tally = Tally()
        self._port, self._request, self._count, self._repeats = port, request, streams, repeats
        self._streams: list[Stream] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, stream = await loop.create_connection(self._make, "127.0.0.1", self._port)
            self._streams.append(stream)
        return self

    async def __aexit__(self, *error: object) -> None:
        for stream in self._streams:
            stream.close()
        await asyncio.wait([stream.closed for stream in self._streams], timeout=10)

    async def begun(self, timeout: float = 30) -> None:
        """Every stream has its first bytes. Raises `BenchFailed`."""
        deadline = time.monotonic() + timeout
        while self.tally.begun < self._count:
            self.tally.check()
            if time.monotonic() > deadline:
                raise BenchFailed(f"{self.tally.begun} of {self._count} streams have begun")
            await asyncio.sleep(0.02)
        self.tally.check()

    async def ended(self, timeout: float) -> None:
        """Every request has been answered to its end. Raises `BenchFailed`."""
        await asyncio.wait([stream.closed for stream in self._streams], timeout=timeout)
        self.tally.check()
        if self.tally.ended < self._count * self._repeats:
            raise BenchFailed(f"{self.tally.ended} of {self._count * self._repeats} have ended")

    def stall(self) -> None:
        """No stream reads any more (not before it is connected: uvloop would start to read)."""
        for stream in self._streams:
            stream.stall()

    def _make(self) -> Stream:
        return Stream(self.tally, self._request, self._repeats)


@dataclass(frozen=True)
class Reply:
    """One whole answer and when its parts came, in ms after the request left."""

    marked_ms: float
    total_ms: float
    data: bytes


class Caller(asyncio.Protocol):
    """A keep-alive connection that asks one thing after the other and times the answers."""

    def __init__(self) -> None:
        self._waiting: asyncio.Future[Reply] | None = None
        self._getting: asyncio.Future[bytes] | None = None

    @classmethod
    async def connect(cls, port: int) -> Caller:
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(cls, "127.0.0.1", port))[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    async def ask(self, request: bytes, marker: bytes = b"data:", timeout: float = 30) -> Reply:
        """Send, read to the end; `marker` is what `marked_ms` waits for. Raises `BenchFailed`."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._data, self._marker, self._marked = bytearray(), marker, 0.0
        self._sent = time.perf_counter()
        self._transport.write(request)
        async with asyncio.timeout(timeout):
            return await self._waiting

    async def get(self, path: bytes, timeout: float = 10) -> bytes:
        """The start of a small answer to a GET, head and body."""
        self._getting = asyncio.get_running_loop().create_future()
        self._transport.write(b"GET %b HTTP/1.1\r\nhost: bench\r\n\r\n" % path)
        async with asyncio.timeout(timeout):
            return await self._getting

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._getting is not None and not self._getting.done():
            self._getting.set_result(data)
            return
        if self._waiting is None or self._waiting.done():
            return
        self._data += data
        elapsed = (time.perf_counter() - self._sent) * 1000
        if not self._marked and self._marker in self._data:
            self._marked = elapsed
        if not self._data.startswith(b"HTTP/1.1 200"):
            text = self._data[:600].decode(errors="replace")
            self._waiting.set_exception(BenchFailed(f"the server refused: {text}"))
        elif self._data.endswith(_END):
            self._waiting.set_result(Reply(self._marked, elapsed, bytes(self._data)))

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(BenchFailed("the server closed the connection"))


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` (0..1) of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
