"""All sessions of a host: a pool of sealed workers, a bound, and an end for those that are idle."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque

from .backend import Backend, WorkerProcess
from .errors import SandboxBusy, SandboxDown, SessionGone
from .session import Session, start_worker
from .values import Limits, SandboxConfig, SandboxInfo

__all__ = ["Sessions"]

SWEEPS_PER_LIFETIME = 20
SECONDS_AFTER_FAILURE = 1.0


class Sessions:
    def __init__(self, backend: Backend, config: SandboxConfig) -> None:
        self.calls = asyncio.Semaphore(config.parallel_calls)
        self._backend = backend
        self._config = config
        self._sessions: dict[str, Session] = {}
        self._pool: deque[tuple[str, WorkerProcess]] = deque()
        self._wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Raises :class:`SandboxDown` when not even one worker starts."""
        if self._config.pool:
            self._pool.append(await self._spare())
        self._wanted.set()
        self._tasks = [asyncio.create_task(self._refill()), asyncio.create_task(self._sweep())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        ends = [session.close() for session in self._sessions.values()]
        await asyncio.gather(*ends, *(process.kill() for _, process in self._pool))

    def info(self) -> SandboxInfo:
        return SandboxInfo(
            self._config.backend,
            self._backend.layers,
            self._backend.loaded,
            len(self._sessions),
            len(self._pool),
        )

    async def open(self, memory_bytes: int | None) -> Session:
        """A new session; the longest idle one makes room for it. Raises :class:`SandboxBusy`."""
        if len(self._sessions) >= self._config.most_sessions:
            await self._make_room()
        limits = self._config.limits
        if memory_bytes is not None and memory_bytes < limits.memory_bytes:
            limits = _with_memory(limits, memory_bytes)
        if self._pool and limits == self._config.limits:
            name, process = self._pool.popleft()
            session = self._new(name, limits)
            session.adopt(process)
            self._wanted.set()
        else:
            session = self._new(secrets.token_hex(8), limits)
        self._sessions[session.id] = session
        return session

    def get(self, session_id: str) -> Session:
        """Raises :class:`SessionGone`."""
        if (session := self._sessions.get(session_id)) is None:
            raise SessionGone("the session has been closed, or has been idle for too long")
        return session

    async def close(self, session: Session) -> None:
        if self._sessions.pop(session.id, None) is not None:
            session.interrupt()
            await session.close()

    def _new(self, name: str, limits: Limits) -> Session:
        return Session(self._backend, name, limits, self._config.start_seconds)

    async def _make_room(self) -> None:
        idle = [s for s in self._sessions.values() if s.users == 0 and not s.lock.locked()]
        if not idle:
            raise SandboxBusy("all sessions of this host are in use")
        await self.close(min(idle, key=lambda session: session.last_used))

    async def _spare(self) -> tuple[str, WorkerProcess]:
        name, config = secrets.token_hex(8), self._config
        return name, await start_worker(self._backend, name, config.limits, config.start_seconds)

    async def _refill(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while len(self._pool) < self._config.pool:
                try:
                    self._pool.append(await self._spare())
                except SandboxDown:  # a call will say so; the next one may fare better
                    await asyncio.sleep(SECONDS_AFTER_FAILURE)

    async def _sweep(self) -> None:
        lifetime = self._config.idle_seconds
        while True:
            await asyncio.sleep(lifetime / SWEEPS_PER_LIFETIME)
            oldest = time.monotonic() - lifetime
            for session in list(self._sessions.values()):
                if session.last_used < oldest and not session.lock.locked():
                    with contextlib.suppress(SandboxDown):
                        await self.close(session)


def _with_memory(limits: Limits, memory_bytes: int) -> Limits:
    values = {name: getattr(limits, name) for name in limits.__struct_fields__}
    return Limits(**{**values, "memory_bytes": memory_bytes})
