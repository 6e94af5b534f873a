"""One chat completion stream, as bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import ClassVar, Self

import aiohttp

from ..api.errors import ApiError, server_error

__all__ = ["ChatStream"]


class ChatStream:
    """An answer with status 200. Leaving its ``with`` block closes it: before its end, the socket
    too.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.read: Callable[[], Awaitable[bytes]] = response.content.readany
        """All bytes that have arrived, at least one; b"" at the end of the stream. aiohttp's own
        method, and nothing around it: this is where a turn waits."""
        self._closed: asyncio.Future[None] | None = None
        if response.connection is not None and response.connection.protocol is not None:
            self._closed = response.connection.protocol.closed
        if self._closed is not None:
            self._closed.add_done_callback(self._wake_reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    FAULTS: ClassVar[tuple[type[Exception], ...]] = (aiohttp.ClientError, OSError)

    def rest(self, error: Exception) -> bytes:
        """What had arrived when ``read`` raised one of ``FAULTS``, at least one byte.

        Raises :class:`ApiError` when there is nothing: the connection broke, or was silent for
        longer than the idle timeout.
        """
        if rest := self._taken():
            return rest
        raise _silent() if isinstance(error, TimeoutError) else _cut() from error

    def _wake_reader(self, closed: asyncio.Future[None]) -> None:
        """The connection is gone. When its framing was broken aiohttp tells no reader (3.14)."""
        _look_at(closed)
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the connection was closed"))

    def _taken(self) -> bytes:
        """aiohttp's reader has it, but raises before it hands it out; nothing public gets at it."""
        pieces = self._response.content._buffer
        rest = b"".join(pieces)
        pieces.clear()
        return rest

    def close(self) -> None:
        """Give the connection back if the stream was read to its end, else close it."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._wake_reader)
            self._closed.add_done_callback(_look_at)
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _look_at(closed: asyncio.Future[None]) -> None:
    """An idle connection that breaks is no fault; asyncio logs what nobody has looked at."""
    if not closed.cancelled():
        closed.exception()


def _silent() -> ApiError:
    return server_error("The model server was silent for too long.", status=504)


def _cut() -> ApiError:
    return server_error("The connection to the model server was lost.", status=502)
