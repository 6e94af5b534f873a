"""Where a turn's events go: SSE now, and any transport that can take a list of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..api.events import Event

__all__ = ["EventSink", "NoSink"]


class EventSink(Protocol):
    async def send(self, events: Sequence[Event]) -> None:
        """Send what one upstream read gave. Returns when the client can take more: that is the
        backpressure. A client that has left is no error here."""

    async def finish(self, events: Sequence[Event]) -> None:
        """Send the last events, of which the very last is terminal, and end."""


class NoSink:
    """For a client that wants the finished response only."""

    async def send(self, events: Sequence[Event]) -> None:
        pass

    async def finish(self, events: Sequence[Event]) -> None:
        pass
