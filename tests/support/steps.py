"""The steps of a script: what a scripted upstream does with one request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from .frames import DONE, Json, finish, reasoning, role, text, usage

STREAM: Mapping[str, str] = {"content-type": "text/event-stream; charset=utf-8"}


class Gate:
    """Opened once by any thread, awaited in any event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opened = False
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def open(self) -> None:
        """Let everyone through, now and later."""
        with self._lock:
            self._opened, waiting, self._waiting = True, self._waiting, []
        for loop, event in waiting:
            loop.call_soon_threadsafe(event.set)

    async def passed(self) -> None:
        event = asyncio.Event()
        with self._lock:
            if self._opened:
                return
            self._waiting.append((asyncio.get_running_loop(), event))
        await event.wait()


@dataclass(frozen=True)
class Status:
    """A whole response that is not a stream."""

    code: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass(frozen=True)
class Head:
    """The head of the stream at once, before any body; also to change its headers."""

    headers: Mapping[str, str] = field(default_factory=lambda: STREAM)


@dataclass(frozen=True)
class Send:
    """Bytes of the body, as one HTTP chunk and one write. Plain bytes in a script mean this."""

    data: bytes


@dataclass(frozen=True)
class Chunk:
    """A chat chunk: a delta, or a whole chunk object when it has `choices`."""

    fields: Json


@dataclass(frozen=True)
class Slow:
    """Bytes of the body in pieces of `size` bytes, each its own chunk, `pause` seconds apart."""

    data: bytes
    size: int = 1
    pause: float = 0.0


@dataclass(frozen=True)
class Raw:
    """Bytes on the socket, past all HTTP framing."""

    data: bytes


@dataclass(frozen=True)
class Wait:
    """Seconds of silence, or until a gate opens."""

    until: Gate | float


@dataclass(frozen=True)
class Hold:
    """Silence until `release()` is called (one call for each Hold) or the client closes."""


@dataclass(frozen=True)
class Cut:
    """Reset the connection (RST)."""


@dataclass(frozen=True)
class Close:
    """Close the connection (FIN) without the end of the body."""


Step = bytes | Status | Head | Send | Chunk | Slow | Raw | Wait | Hold | Cut | Close
DEFAULT: tuple[Step, ...] = (
    role(),
    reasoning("The user"),
    reasoning(" greets me."),
    text("Hello"),
    text(" there."),
    finish("stop"),
    usage(),
    DONE,
)
