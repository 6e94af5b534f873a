"""Lists of tools, kept for a while and dropped when their server says that they have changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from ...api.items.hosted import McpToolInfo

__all__ = ["Catalog", "Tools"]

Tools = tuple[McpToolInfo, ...]
MAX_LISTS = 1024
MAX_TOOLS = 512
"""Of one server."""
MAX_LIST_BYTES = 2_097_152
"""Of one server's list."""


class _Kept(Struct, frozen=True):
    tools: Tools
    until: float


class _Coming:
    """A list on its way, and how many wait for it."""

    __slots__ = ("callers", "task")

    def __init__(self, task: asyncio.Task[Tools]) -> None:
        self.task = task
        self.callers = 0


class Catalog:
    """By the server's key. Whoever asks while a list is on its way waits for that one."""

    def __init__(self, ttl_seconds: float) -> None:
        self._ttl = ttl_seconds
        self._kept: dict[str, _Kept] = {}
        self._coming: dict[str, _Coming] = {}
        self._tasks: set[asyncio.Task[Tools]] = set()

    async def tools(self, key: str, fetch: Callable[[], Awaitable[Tools]]) -> Tools:
        """Raises what ``fetch`` raises; a failure is not kept. A caller that is cancelled leaves
        the others their list, and the last one ends it.
        """
        kept = self._kept.get(key)
        if kept is not None and kept.until > time.monotonic():
            return kept.tools
        coming = self._coming.get(key) or self._start(key, fetch)
        coming.callers += 1
        try:
            return await asyncio.shield(coming.task)
        finally:
            coming.callers -= 1
            if not coming.callers and not coming.task.done():
                self._forget(key, coming)
                coming.task.cancel()

    def drop(self, key: str) -> None:
        """The list has changed. One that is on its way may still be the old one: the next caller
        starts another, and the old one is not kept.
        """
        self._kept.pop(key, None)
        self._coming.pop(key, None)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, key: str, fetch: Callable[[], Awaitable[Tools]]) -> _Coming:
        async def fetch_and_keep() -> Tools:
            tools = await fetch()
            if self._coming.get(key) is coming:
                self._keep(key, tools)
            return tools

        coming = self._coming[key] = _Coming(asyncio.create_task(fetch_and_keep()))
        self._tasks.add(coming.task)
        coming.task.add_done_callback(self._tasks.discard)
        coming.task.add_done_callback(lambda _: self._forget(key, coming))
        return coming

    def _keep(self, key: str, tools: Tools) -> None:
        self._kept.pop(key, None)
        while len(self._kept) >= MAX_LISTS:
            del self._kept[next(iter(self._kept))]  # the oldest
        self._kept[key] = _Kept(tools, time.monotonic() + self._ttl)

    def _forget(self, key: str, coming: _Coming) -> None:
        if self._coming.get(key) is coming:
            del self._coming[key]
