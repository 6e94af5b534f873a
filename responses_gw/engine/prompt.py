"""The request to the model server, and how to make it shorter (``truncation: "auto"``)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ..api.errors import ContextOverflow

__all__ = ["Prompt"]

SPARE = 0.85
"""Of the room: tokens are not spread evenly over a prompt, and the answer needs some."""
UNKNOWN_SHARE = 0.5


class Prompt(Struct, frozen=True):
    """``body`` is the chat request. ``without(n)`` is the same without the first n of ``turns``
    turns: whole turns, so that no call is parted from its output. None: it may not be cut.
    """

    body: bytes
    turns: int = 0
    without: Callable[[int], bytes] | None = None

    def shortened(self, overflow: ContextOverflow) -> bytes | None:
        """As many turns dropped from the front as it takes; None if that cannot help."""
        if self.without is None or not self.turns:
            return None
        share = UNKNOWN_SHARE
        if overflow.limit and overflow.needed:
            share = min(1.0, overflow.limit / overflow.needed)
        room = len(self.body) * share * SPARE
        low, high = 1, self.turns
        while low < high:  # the fewest turns whose absence makes it fit
            middle = (low + high) // 2
            if len(self.without(middle)) <= room:
                high = middle
            else:
                low = middle + 1
        return self.without(low)
