"""A model server that plays exact bytes over a real socket, and remembers what it was asked.

Theory of operation. The server lives in a thread of its own with an event loop of its own, so that
a test may be synchronous or not and may block without stopping it. `play(*steps)` queues a script;
the next chat request takes it. Bytes in a script are one chunk of the chunked body; other steps
wait, cut or close. The head (200, text/event-stream) leaves with the first bytes. An ended script
finishes the body and keeps the connection alive. Without a script `decide` answers what it was
asked, if it is not changed "Hello there.".

    with ScriptedUpstream() as upstream:
        upstream.play(role(), text("Hel"), Hold(), text("lo"), finish("stop"), DONE)
        ...                                    # point the service at upstream.url
        upstream.wait_request(0)               # a request has arrived
        upstream.release()                     # every Hold goes on
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from .frames import (
    DONE,
    Json,
    answer,
    arguments,
    call,
    delta,
    error_body,
    error_frame,
    finish,
    frame,
    reasoning,
    recording,
    role,
    text,
    usage,
)
from .steps import (
    DEFAULT,
    STREAM,
    Chunk,
    Close,
    Cut,
    Gate,
    Head,
    Hold,
    Raw,
    Send,
    Slow,
    Status,
    Step,
    Wait,
)

__all__ = [
    "DONE",
    "Chunk",
    "Close",
    "Cut",
    "Gate",
    "Head",
    "Hold",
    "Raw",
    "Received",
    "ScriptedUpstream",
    "Send",
    "Slow",
    "Status",
    "Step",
    "Wait",
    "answer",
    "arguments",
    "call",
    "delta",
    "error_body",
    "error_frame",
    "finish",
    "frame",
    "reasoning",
    "recording",
    "role",
    "text",
    "usage",
]

_MODELS = b'{"object":"list","data":[{"id":"tiny","object":"model","created":1,"owned_by":"vllm"}]}'


@dataclass(eq=False)
class Received:
    """One request as it arrived. Header names are in lower case; times are `time.monotonic()`."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    arrived_at: float = field(default_factory=time.monotonic)
    finished_at: float | None = None  # the script has played to its end
    closed_at: float | None = None  # the client left before that

    @property
    def json(self) -> Json:
        """The decoded body. Raises `ValueError` when it is no JSON, `TypeError` when no object."""
        value = json.loads(self.body)
        if not isinstance(value, dict):
            raise TypeError(f"the request's body is no object: {self.body[:100]!r}")
        return value

    @property
    def messages(self) -> list[Json]:
        """The chat messages of the request. Raises `KeyError` when there are none."""
        messages = self.json["messages"]
        assert isinstance(messages, list), f"messages is no list: {messages!r}"
        return messages


class ScriptedUpstream:
    """The server; a context manager. `requests` holds the chat requests, `visits` all others."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.visits: list[Received] = []
        self.default: tuple[Step, ...] = DEFAULT
        self.decide: Callable[[Received], tuple[Step, ...]] = lambda request: self.default
        self.models = _MODELS  # the body of GET /v1/models
        self.connections = 0  # accepted since the start
        self.failures: list[BaseException] = []  # faults of a script itself, raised at the end
        self._scripts: deque[tuple[Step, ...]] = deque()
        self._changed = threading.Condition()
        self._gates: list[Gate] = []  # the n-th is opened by the n-th release
        self._released = 0
        self._open: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self._stop = Gate()
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.open()
        self._thread.join(10)
        assert not self._thread.is_alive(), "the scripted upstream did not stop within 10 s"
        if self.failures:
            raise AssertionError("a script could not be played") from self.failures[0]

    def play(self, *steps: Step) -> None:
        """Queue the script of the next chat request; each call is one request's script."""
        self._scripts.append(steps)

    def forget(self) -> None:
        """Be as after the start: no requests seen, no scripts waiting."""
        self.requests.clear()
        self.visits.clear()
        self._scripts.clear()
        self.decide = lambda request: self.default

    def release(self) -> None:
        """Let every script go past its next `Hold`, also one that has not come to it yet."""
        with self._changed:
            gate = self._gate(self._released)
            self._released += 1
        gate.open()

    def wait_request(self, index: int = 0, timeout: float = 10.0) -> Received:
        """Chat request `index` (from 0), as soon as it is there. Raises `AssertionError`."""
        self._wait(lambda: len(self.requests) > index, timeout, f"no chat request {index}")
        return self.requests[index]

    def wait_closed(self, index: int = 0, timeout: float = 10.0) -> float:
        """When the client left request `index` unfinished. Raises `AssertionError`."""
        request = self.wait_request(index, timeout)
        self._wait(lambda: request.closed_at is not None, timeout, f"client kept request {index}")
        assert request.closed_at is not None
        return request.closed_at

    def wait_finished(self, index: int = 0, timeout: float = 10.0) -> float:
        """When the script of request `index` had played to its end. Raises `AssertionError`."""
        request = self.wait_request(index, timeout)
        self._wait(lambda: request.finished_at is not None, timeout, f"request {index} unfinished")
        assert request.finished_at is not None
        return request.finished_at

    async def arrived(self, index: int = 0, timeout: float = 10.0) -> Received:
        """`wait_request` for a test that must not block its event loop."""
        return await asyncio.to_thread(self.wait_request, index, timeout)

    async def closed(self, index: int = 0, timeout: float = 10.0) -> float:
        """`wait_closed` for a test that must not block its event loop."""
        return await asyncio.to_thread(self.wait_closed, index, timeout)

    def _wait(self, holds: Callable[[], bool], timeout: float, otherwise: str) -> None:
        with self._changed:
            if not self._changed.wait_for(holds, timeout):
                raise AssertionError(f"{otherwise} within {timeout} s")

    def _gate(self, index: int) -> Gate:
        with self._changed:
            while len(self._gates) <= index:
                self._gates.append(Gate())
            return self._gates[index]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(lambda: _Connection(self), sock=self._socket)
        await self._stop.passed()
        server.close()
        for connection in list(self._open):
            connection.abort()

    def _note(self, change: Callable[[], None]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()

    def _arrive(self, request: Received) -> tuple[Step, ...]:
        if request.method != "POST" or not request.path.endswith("/chat/completions"):
            self._note(lambda: self.visits.append(request))
            known = {"/v1/models": Status(200, self.models), "/health": Status(200)}
            return (known.get(request.path, Status(404, b'{"detail":"Not Found"}')),)
        script = self._scripts.popleft() if self._scripts else self.decide(request)
        self._note(lambda: self.requests.append(request))
        return script


class _Connection(asyncio.Protocol):
    """One client connection: reads requests one after the other and plays each one's script."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._buffer = b""
        self._request: Received | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._head_sent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._upstream.connections += 1
        self._upstream._open.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._upstream._open.discard(self)
        request = self._request
        if request is not None and request.finished_at is None:
            self._upstream._note(lambda: setattr(request, "closed_at", time.monotonic()))
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._request is None:
            self._next()

    def abort(self) -> None:
        """Drop the connection without a goodbye (RST)."""
        linger = struct.pack("ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self._transport.abort()

    def _next(self) -> None:
        """Take the next whole request off the buffer, if there is one, and start to play."""
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        if "chunked" in headers.get("transfer-encoding", ""):
            unchunked = _unchunked(rest)
            if unchunked is None:
                return
            body, self._buffer = unchunked
        else:
            length = int(headers.get("content-length", "0"))
            if len(rest) < length:
                return
            body, self._buffer = rest[:length], rest[length:]
        self._request = Received(method, path, headers, body)
        self._head_sent = False
        self._holds = self._upstream._released  # a release counts from the request's arrival on
        script = self._upstream._arrive(self._request)
        self._task = self._upstream._loop.create_task(self._play(self._request, script))
        self._task.add_done_callback(self._played)

    async def _play(self, request: Received, script: tuple[Step, ...]) -> None:
        for step in script:
            if isinstance(step, Cut | Close):
                self._finish(request)
                (self.abort if isinstance(step, Cut) else self._transport.close)()
                return
            await self._step(step)
        if self._head_sent:
            self._transport.write(b"0\r\n\r\n")
        self._finish(request)
        self._request = self._task = None
        self._next()

    def _played(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._upstream.failures.append(error)
            self.abort()

    def _finish(self, request: Received) -> None:
        self._upstream._note(lambda: setattr(request, "finished_at", time.monotonic()))

    async def _step(self, step: Step) -> None:
        match step:
            case bytes() | Send():
                await self._body(step if isinstance(step, bytes) else step.data)
            case Chunk(fields):
                await self._body(frame(fields) if "choices" in fields else delta(fields))
            case Slow(data, size, pause):
                for start in range(0, len(data), size):
                    await self._body(data[start : start + size])
                    await asyncio.sleep(pause)
            case Raw(data):
                self._transport.write(data)
                await self._writable.wait()
            case Wait(Gate() as gate):
                await gate.passed()
            case Wait(float() | int() as seconds):
                await asyncio.sleep(seconds)
            case Hold():
                self._holds += 1
                await self._upstream._gate(self._holds - 1).passed()
            case Head(headers):
                self._head(headers)
            case Status(code, body, headers):
                length = {"content-length": str(len(body))}
                self._transport.write(_head_bytes(code, {**headers, **length}) + body)

    async def _body(self, data: bytes) -> None:
        if not self._head_sent:
            self._head(STREAM)
        if data:  # an empty chunk would end the body
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
            await self._writable.wait()
            if self._transport.is_closing():  # the client left: connection_lost ends the script
                await asyncio.Event().wait()

    def _head(self, headers: Mapping[str, str]) -> None:
        self._head_sent = True
        self._transport.write(_head_bytes(200, {**headers, "transfer-encoding": "chunked"}))


def _head_bytes(code: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {code} Scripted", "server: uvicorn"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _unchunked(data: bytes) -> tuple[bytes, bytes] | None:
    """A chunked body and what follows it, None while it is incomplete (trailers are not read)."""
    parts = []
    while True:
        size, found, data = data.partition(b"\r\n")
        if not found:
            return None
        length = int(size, 16)
        if len(data) < length + 2:
            return None
        parts.append(data[:length])
        data = data[length + 2 :]
        if not length:
            return b"".join(parts), data
