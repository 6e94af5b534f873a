"""Signs of life on silent streams, from one ticker for all of them.

A model can think for minutes before its first token; proxies and clients give up on a connection
that says nothing. One task per process looks at all open streams instead of one timer per stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .sse import SseSink

__all__ = ["Heartbeat"]


class Heartbeat:
    """Beats every stream that was silent for ``seconds``. Owns its task between start and close."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sinks: set[SseSink] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._beats: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._ticker = asyncio.create_task(self._tick(), name="heartbeat")

    async def close(self) -> None:
        tasks = [task for task in (self._ticker, *self._beats) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextmanager
    def watching(self, sink: SseSink) -> Iterator[None]:
        self._sinks.add(sink)
        try:
            yield
        finally:
            self._sinks.discard(sink)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 4)
            now = time.monotonic()
            for sink in tuple(self._sinks):
                if sink.is_silent(now, self._seconds):
                    # its own task: a client that reads nothing must not hold up the others
                    beat = asyncio.create_task(sink.beat())
                    self._beats.add(beat)
                    beat.add_done_callback(self._beats.discard)
