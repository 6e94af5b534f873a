"""Frames between the supervisor and a worker: a length, a kind, a body.

``>I`` length of the body, one byte of kind, the body. To the worker come requests; the worker
answers with outputs and files and, last, one ``DONE`` that carries the request's nonce.
"""

from __future__ import annotations

import os
import struct
import threading

__all__ = ["BYTES", "DONE", "IMAGE", "REQUEST", "RESULT", "STDERR", "STDOUT", "Channel"]

HEAD = struct.Struct(">IB")
REQUEST, DONE, STDOUT, STDERR, RESULT, IMAGE, BYTES = b"qdoerib"

_read, _write, _pack, _unpack = os.read, os.write, HEAD.pack, HEAD.unpack
READ_BYTES = 1 << 20


class Channel:
    """The worker's end. It keeps functions of its own: a session's code may replace the public."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def send(self, kind: int, body: bytes) -> None:
        with self._lock:
            rest = memoryview(_pack(len(body), kind) + body)
            while rest:
                rest = rest[_write(self._writer, rest) :]

    def receive(self) -> tuple[int, bytes]:
        """The next frame; raises ``EOFError`` when the supervisor has closed the channel."""
        length, kind = _unpack(self._exactly(HEAD.size))
        return kind, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = _read(self._reader, min(size, READ_BYTES))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
