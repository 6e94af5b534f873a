"""Server-sent events to one client.

Headers leave with the first events. :meth:`SseSink.write` is the one place that bytes go through,
so that a faster way to the transport has a place to go (DESIGN §9).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from starlette.types import Scope, Send

from ..api.events import Event
from ..machine.framing import DONE, PING, keepalive, sse_bytes
from .answers import StartWatch, common_headers

__all__ = ["SseSink"]

_State = Literal["unopened", "open", "finished"]

CODEX_AGENT = "codex"


class SseSink:
    """An event sink over ASGI's ``send``. Its times are of ``time.monotonic()``, in seconds."""

    __slots__ = ("_codex", "_scope", "_send", "_sequence", "_state", "_writing", "last_sent")

    def __init__(self, scope: Scope, send: Send, user_agent: str) -> None:
        self._scope = scope
        self._send: Send = send
        self._codex = CODEX_AGENT in user_agent.lower()
        self._sequence = 0
        self._writing = 0  # a beat may wait beside the turn
        self._state: _State = "unopened"
        self.last_sent = time.monotonic()

    async def send(self, events: Sequence[Event]) -> None:
        if self._state == "unopened":
            await self._open()
        self._sequence = events[-1].sequence_number
        await self.write(sse_bytes(events))

    async def finish(self, events: Sequence[Event]) -> None:
        """The last events, ``[DONE]`` and the end of the answer, in one piece."""
        if self._state == "unopened":
            await self._open()
        self._state = "finished"
        await self._send({"type": "http.response.body", "body": sse_bytes(events) + DONE})

    async def write(self, data: bytes) -> None:
        self._writing += 1
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            self._writing -= 1
        self.last_sent = time.monotonic()

    def is_silent(self, now: float, seconds: float) -> bool:
        """Open, idle, and nothing sent for so long."""
        return self._state == "open" and not self._writing and now - self.last_sent >= seconds

    async def beat(self) -> None:
        """A sign of life: a comment, or for Codex, whose timer comments do not reset, an event."""
        if self._state == "open" and not self._writing:  # it may have ended since it was looked at
            await self.write(keepalive(self._sequence) if self._codex else PING)

    async def _open(self) -> None:
        self._state = "open"
        await self._send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"text/event-stream; charset=utf-8"),
                    (b"cache-control", b"no-cache"),
                    (b"x-accel-buffering", b"no"),
                    *common_headers(self._scope),
                ],
            }
        )
        if isinstance(self._send, StartWatch):
            self._send = self._send.server_send
