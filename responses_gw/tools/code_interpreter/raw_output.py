"""What comes out past ``sys.stdout``: written to descriptor 1 or 2 by C code or ``os.write``."""

from __future__ import annotations

import asyncio
import contextlib
import os

__all__ = ["RawOutput"]

PIPE_BYTES = 65_536
BYTES_PER_CALL = 1 << 20
"""Then nobody reads any more, and who writes on waits for the time limit."""


class RawOutput:
    """Reads a pipe for as long as a call lasts and keeps the first bytes of it."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._text = bytearray()
        self._left = 0
        self._is_reading = False

    def begin(self) -> None:
        self._text.clear()
        self._left = BYTES_PER_CALL
        self._loop.add_reader(self._descriptor, self._read)
        self._is_reading = True

    def end(self) -> str:
        """What came since :meth:`begin`."""
        if self._is_reading:
            self._read()
        self._stop()
        return self._text.decode("utf-8", "backslashreplace")

    def close(self) -> None:
        self._stop()
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _read(self) -> None:
        try:
            part = os.read(self._descriptor, PIPE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        self._text += part
        self._left -= len(part)
        if not part or self._left <= 0:
            self._stop()

    def _stop(self) -> None:
        if self._is_reading:
            self._loop.remove_reader(self._descriptor)
            self._is_reading = False
