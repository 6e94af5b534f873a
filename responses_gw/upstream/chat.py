"""One chat completion stream, as bytes."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import aiohttp

from ..api.errors import ApiError, server_error

__all__ = ["ChatStream"]


class ChatStream:
    """An answer with status 200. Leaving its ``with`` block closes it: before its end, the socket
    too.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._read = response.content.readany

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def read(self) -> bytes:
        """All bytes that have arrived, at least one; b"" at the end of the stream.

        Raises :class:`ApiError` when the connection broke or was silent for longer than the idle
        timeout.
        """
        try:
            return await self._read()
        except TimeoutError as error:
            raise _silent() from error
        except (aiohttp.ClientError, OSError) as error:
            raise _cut() from error

    def close(self) -> None:
        """Give the connection back if the stream was read to its end, else close it."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _silent() -> ApiError:
    return server_error("The model server was silent for too long.", status=504)


def _cut() -> ApiError:
    return server_error("The connection to the model server was lost.", status=502)
