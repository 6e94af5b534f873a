"""Splits an upstream's server-sent events into the data of each event.

Theory of operation. An event ends at a blank line, and its data is what follows ``data:`` on its
lines. Model servers send one ``data: {json}`` line and a ``\\n\\n``, nearly always whole events at
a time: that case is one ``bytes.split``, and none for a single event. Everything else that the
format allows (CRLF, comments, other fields, several data lines, a cut at any byte) is handled by
the same code at the price of a second look.

What is left of a read is kept as a list of pieces and joined when its end arrives, so that an event
of many megabytes costs its length once, not its length times the number of reads. A cut may fall
inside the end mark itself: the last bytes of the pieces are looked at together with the new ones.
"""

from __future__ import annotations

__all__ = ["EventSplitter", "OversizedEvent"]

MAX_EVENT_BYTES = 64 * 1024 * 1024


class OversizedEvent(Exception):
    """An upstream sent more than ``MAX_EVENT_BYTES`` without ending its event."""


class EventSplitter:
    """Feed it reads; it returns the data of every event that is complete."""

    __slots__ = ("_carriage_returns", "_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._carriage_returns = False

    def feed(self, data: bytes) -> list[bytes]:
        """The data of the events that ``data`` completes, in order; empty ones are left out.

        Raises :class:`OversizedEvent`.
        """
        if not self._pieces and _is_one_event(data) and not self._carriage_returns:
            return [data[6:-2]]
        if b"\r" in data or self._carriage_returns:
            data = self._normalise(data)
        if not data:
            return []
        if self._pieces:
            if not self._ends_within(data):
                self._keep(data)
                return []
            data = b"".join((*self._pieces, data))
            self._pieces.clear()
            self._size = 0
        blocks = data.split(b"\n\n")
        rest = blocks.pop()
        if rest:
            self._keep(rest)
        return [found for block in blocks if (found := _data_of(block))]

    def finish(self) -> list[bytes]:
        """The stream is over: the data of a last event whose blank line never came.

        The format says to drop it; a server that forgets its last newline is common enough to keep
        it.
        """
        rest = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        found = _data_of(rest.strip(b"\n"))
        return [found] if found else []

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_EVENT_BYTES:
            raise OversizedEvent(f"an event of more than {MAX_EVENT_BYTES} bytes")
        self._pieces.append(data)

    def _ends_within(self, data: bytes) -> bool:
        return b"\n\n" in data or (data[:1] == b"\n" and self._pieces[-1][-1:] == b"\n")

    def _normalise(self, data: bytes) -> bytes:
        """CRLF and CR to LF; a CR at the end of a read waits for what follows it."""
        if self._carriage_returns:
            data = b"\r" + data
        self._carriage_returns = data.endswith(b"\r")
        if self._carriage_returns:
            data = data[:-1]
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _is_one_event(data: bytes) -> bool:
    """One ``data:`` line and the blank one, which is what a read gives while a model writes."""
    return data.startswith(b"data: ") and data.find(b"\n") == len(data) - 2 and b"\r" not in data


def _data_of(block: bytes) -> bytes:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line.startswith(b"data: ") else line[5:])
    return b"\n".join(lines)
