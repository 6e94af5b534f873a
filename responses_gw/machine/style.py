"""How one client wants its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

__all__ = ["EventStyle", "ReasoningDialect"]

ReasoningDialect = Literal["openai", "open_responses"]


class EventStyle(Struct, frozen=True):
    """``dialect`` picks the names of the raw reasoning events (SURFACE §10), ``summary`` adds the
    reasoning as a summary, ``seal`` makes its ``encrypted_content``, ``logprobs`` passes log
    probabilities on, ``obfuscation`` pads deltas, ``phases`` says of a finished message whether it
    was the answer: in Harmony (gpt-oss) that ends a turn, so a message that something follows was
    commentary. The stream of a chat does not tell the two apart otherwise.
    """

    dialect: ReasoningDialect = "openai"
    summary: bool = False
    seal: Callable[[str], str] | None = None
    logprobs: bool = False
    obfuscation: bool = False
    phases: bool = False
