"""A fake vLLM that costs little: `python -m bench.upstream PORT`.

The request's model says what to play: "n=400,burst=1,gap=20" is 400 content chunks, 1 per write, a
write every 20 ms (0: as fast as the reader takes them). Streams with one gap share a timer, as the
sequences of a real engine share its step. GET /stats tells how many are open, done and aborted.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import cast

import uvloop

_WORDS = (" the", " quick", " brown", " fox", " jumps", " over", " a", " lazy", ",", " é", "\n")
_MODEL = re.compile(rb'"model":\s*"n=(\d+),burst=(\d+),gap=([\d.]+)"')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: Fri, 20 Nov 2026 10:00:00 GMT\r\nserver: uvicorn\r\n"
    b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)
Json = dict[str, object]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _frame(choices: list[Json], **more: object) -> bytes:
    chunk: Json = {
        "id": "chatcmpl-bf3c350f7a33987c",
        "object": "chat.completion.chunk",
        "created": 1795171502,
        "model": "bench",
        "choices": choices,
    }
    text = json.dumps(chunk | more, ensure_ascii=False, separators=(",", ":"))
    return _chunk(b"data: " + text.encode() + b"\n\n")


def _delta(fields: Json, finish: str | None = None) -> bytes:
    choice: Json = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": finish}
    return _frame([choice | ({"stop_reason": None} if finish else {}) | {"token_ids": None}])


_ROLE = _delta({"role": "assistant", "content": ""})
_CONTENT = [_delta({"content": word}) for word in _WORDS]
_USAGE = {"prompt_tokens": 10, "total_tokens": 110, "completion_tokens": 100}
_END = _delta({}, "stop") + _frame([], usage=_USAGE) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Clock:
    """One timer for all streams with the same gap."""

    def __init__(self) -> None:
        self._next: dict[float, asyncio.Future[None]] = {}

    async def tick(self, gap_ms: float) -> None:
        due = self._next.get(gap_ms)
        if due is None:
            loop = asyncio.get_running_loop()
            due = self._next[gap_ms] = loop.create_future()
            loop.call_later(gap_ms / 1000, self._fire, gap_ms)
        await asyncio.shield(due)

    def _fire(self, gap_ms: float) -> None:
        self._next.pop(gap_ms).set_result(None)


class Stats:
    open = done = aborted = 0


CLOCK, STATS = Clock(), Stats()


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0  # bytes of the request, known once its head is there
        self._playing: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        if self._playing is not None:
            self._playing.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._needed:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._buffer, 0, end + 2)
            self._needed = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < self._needed:
            return
        request = bytes(self._buffer[: self._needed])
        del self._buffer[: self._needed]
        self._needed = 0
        self._answer(request)

    def _answer(self, request: bytes) -> None:
        wanted = _MODEL.search(request)
        if wanted is None:
            stats = {"open": STATS.open, "done": STATS.done, "aborted": STATS.aborted, "data": []}
            body = json.dumps(stats).encode()
            head = (
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            )
            self._transport.write(head % len(body) + body)
            return
        play = self._play(int(wanted[1]), int(wanted[2]), float(wanted[3]))
        self._playing = asyncio.get_running_loop().create_task(play)

    async def _play(self, count: int, burst: int, gap_ms: float) -> None:
        write, kinds = self._transport.write, len(_CONTENT)
        bursts = [b"".join(_CONTENT[(i + j) % kinds] for j in range(burst)) for i in range(kinds)]
        STATS.open += 1
        try:
            write(_HEAD)
            write(_ROLE)
            for i in range(count // burst):
                if gap_ms:
                    await CLOCK.tick(gap_ms)
                else:
                    await asyncio.sleep(0)
                if not self._writable.is_set():
                    await self._writable.wait()
                write(bursts[i % kinds])
            write(_END)
            STATS.done += 1
        except asyncio.CancelledError:
            STATS.aborted += 1
            raise
        finally:
            STATS.open -= 1
            self._playing = None


async def serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
