"""The requests to the model server that one response may take.

A prompt that is too long is made shorter (``truncation: "auto"``). And a format with tools takes
two rounds: a model server that holds the model to a format leaves it no way to call a function
(unless all are strict), so the first round has the tools and not the format. If the model calls,
that is the end. If it answers, its answer was a draft that nobody has seen, and the *final* round,
with the format and without the tools, makes it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from ..api.errors import ContextOverflow
from ..api.tools import CallTarget

__all__ = ["FinalRound", "Prompt"]

MAX_CUTS = 5
"""Tries after the first one. A refused prompt costs the model server its tokens' count, no more."""
SPARE = 0.85
"""Of the room: tokens are not spread evenly over a prompt, and the answer needs some."""
UNKNOWN_SHARE = 0.5


class FinalRound(Struct, frozen=True):
    """``without(n)`` is its chat request without the first n turns; a draft that the format
    ``accepts`` as it is needs none.
    """

    without: Callable[[int], bytes]
    accepts: Callable[[str], bool]


class Prompt(Struct, frozen=True):
    """``body`` is the chat request, ``targets`` what the functions in it stand for. ``without(n)``
    is the same without the first n of ``turns`` turns: whole turns, so that no call is parted from
    its output. None: it may not be cut.
    """

    body: bytes
    targets: Mapping[str, CallTarget] = {}
    turns: int = 0
    without: Callable[[int], bytes] | None = None
    final: FinalRound | None = None
    skipped: int = 0
    cuts: int = 0

    def shortened(self, overflow: ContextOverflow) -> Prompt | None:
        """As many turns dropped from the front as it takes; None if there is nothing to drop."""
        if self.without is None or self.skipped == self.turns or self.cuts == MAX_CUTS:
            return None
        room = len(self.body) * _share(overflow)
        low, high = self.skipped + 1, self.turns
        while low < high:  # the fewest turns whose absence makes it fit
            middle = (low + high) // 2
            if len(self.without(middle)) <= room:
                high = middle
            else:
                low = middle + 1
        return replace(self, body=self.without(low), skipped=low, cuts=self.cuts + 1)


def _share(overflow: ContextOverflow) -> float:
    """What can stay. vLLM stops to count one token past its limit: that number tells nothing."""
    if overflow.limit and overflow.needed and overflow.needed > overflow.limit + 1:
        return overflow.limit / overflow.needed * SPARE
    return UNKNOWN_SHARE
