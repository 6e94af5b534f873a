"""stdout and stderr of the session's code: sent as they come, cut in the middle when too long."""

from __future__ import annotations

import io
from collections import deque
from typing import Literal

from .frames import STDERR, STDOUT, Channel

__all__ = ["OutputBudget", "OutputStream"]

StreamName = Literal["stdout", "stderr"]
KIND: dict[StreamName, int] = {"stdout": STDOUT, "stderr": STDERR}
BUFFERED_CHARACTERS = 8192
FRAME_CHARACTERS = 16_384


class OutputBudget:
    """What the two streams of one call may still send, together: half from the front, half from
    the back."""

    def __init__(self, characters: int) -> None:
        self._characters = characters
        self.reset()

    def reset(self) -> None:
        self.front = self._characters // 2
        self.back = self._characters - self.front


class OutputStream(io.TextIOBase):
    """A text stream whose first half is sent at once and whose end is kept until the call is over;
    what lies between is counted and thrown away."""

    def __init__(
        self,
        channel: Channel,
        name: StreamName,
        descriptor: int,
        characters: int,
        budget: OutputBudget,
    ) -> None:
        self._channel = channel
        self._name: StreamName = name
        self._descriptor = descriptor
        self._characters = characters
        self._budget = budget
        self.reset()

    def reset(self) -> None:
        """Forget what the last call has left."""
        self._front_left = self._characters // 2
        self._back_size = self._characters - self._front_left
        self._pending: list[str] = []
        self._pending_size = 0
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._dropped = 0

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        written = len(text)
        if not text.isascii():  # lone surrogates first: what is counted is what is sent
            text = text.encode("utf-8", "backslashreplace").decode()
        front = min(self._front_left, self._budget.front)
        if front > 0 and not self._tail_size:
            sent = text[:front]
            self._front_left -= len(sent)
            self._budget.front -= len(sent)
            self._pending.append(sent)
            self._pending_size += len(sent)
            if self._pending_size >= BUFFERED_CHARACTERS:
                self.flush()
            self._keep(text[front:])
        else:
            self._keep(text)
        return written

    def flush(self) -> None:
        if self._pending:
            text, self._pending, self._pending_size = "".join(self._pending), [], 0
            self._send(text)

    def finish(self) -> None:
        """Send the end and, where something was left out, how much that was."""
        self.flush()
        tail = "".join(self._tail)
        kept = min(self._back_size, self._budget.back, len(tail))
        dropped = self._dropped + len(tail) - kept
        self._budget.back -= kept
        if dropped:
            self._send(f"\n[... {dropped} characters of {self._name} left out ...]\n")
        self._send(tail[len(tail) - kept :])

    def _keep(self, text: str) -> None:
        if not text:
            return
        if len(text) > self._back_size:
            self._dropped += len(text) - self._back_size
            text = text[-self._back_size :]
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size - len(self._tail[0]) >= self._back_size:
            gone = len(self._tail.popleft())
            self._tail_size -= gone
            self._dropped += gone

    def _send(self, text: str) -> None:
        for start in range(0, len(text), FRAME_CHARACTERS):
            part = text[start : start + FRAME_CHARACTERS]
            self._channel.send(KIND[self._name], part.encode())
