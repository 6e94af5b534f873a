"""What a wall has to offer: workers that speak frames, and their end."""

from __future__ import annotations

import asyncio
from typing import Protocol

from .raw_output import RawOutput
from .values import Limits, SandboxLayer

__all__ = ["Backend", "WorkerProcess"]


class WorkerProcess(Protocol):
    """One interpreter behind a wall, with the files of one session."""

    @property
    def reader(self) -> asyncio.StreamReader: ...

    @property
    def writer(self) -> asyncio.StreamWriter: ...

    @property
    def raw(self) -> RawOutput: ...

    def pause(self) -> None:
        """Let none of its threads run until :meth:`resume`, where the wall can do that."""

    def resume(self) -> None: ...

    def interrupt(self) -> None:
        """Ask the code that runs to stop: a KeyboardInterrupt."""

    async def kill(self) -> str:
        """End it at once and see it gone; says how it ended."""
        ...


class Backend(Protocol):
    layers: tuple[SandboxLayer, ...]
    loaded: tuple[str, ...]

    async def start(self) -> None:
        """Raises :class:`~.errors.SandboxDown` when it cannot, saying why."""

    async def spawn(self, name: str, limits: Limits) -> WorkerProcess:
        """A worker with the files of the session ``name``; raises ``SandboxDown``."""
        ...

    async def drop(self, name: str) -> None:
        """Remove the files of a session whose worker has ended."""

    async def ended(self) -> None:
        """Return when it can give no more workers."""

    async def stop(self) -> None: ...
