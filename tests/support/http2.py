"""A client that speaks HTTP/2 with prior knowledge, one frame at a time."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import h2.connection
import h2.events


class Http2:
    """One connection; `received` holds each stream's body so far."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = h2.connection.H2Connection()
        self.received: dict[int, bytes] = {}

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._connection.initiate_connection()
        await self._flush()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def send_head(self, stream: int, method: str, path: str, content_type: str) -> None:
        self._connection.send_headers(
            stream,
            [
                (":method", method),
                (":path", path),
                (":scheme", "http"),
                (":authority", "x"),
                ("content-type", content_type),
            ],
        )
        await self._flush()

    async def send_body(self, stream: int, data: bytes, *, end: bool) -> None:
        self._connection.send_data(stream, data, end_stream=end)
        await self._flush()

    async def until(self, stream: int, mark: bytes, timeout: float = 10) -> None:
        """Read until the stream's body has `mark`. Raises `AssertionError` if it ends before."""
        async with asyncio.timeout(timeout):
            while mark not in self.received.get(stream, b""):
                data = await self._reader.read(65536)
                assert data, f"the connection was closed; stream {stream}: {self.received}"
                for event in self._connection.receive_data(data):
                    self._take(event)
                await self._flush()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.DataReceived):
            id = event.stream_id
            assert id is not None
            self.received[id] = self.received.get(id, b"") + (event.data or b"")
            self._connection.acknowledge_received_data(event.flow_controlled_length or 0, id)
        assert not isinstance(event, h2.events.ConnectionTerminated), "the server gave up"

    async def _flush(self) -> None:
        self._writer.write(self._connection.data_to_send())
        await self._writer.drain()
