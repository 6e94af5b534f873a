"""A rendered history as a value: what is cached of a chain, and where its next turn begins."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from .hosted import McpSnapshot
from .parts import ChatPart
from .profile import ModelProfile

__all__ = ["ChatFunction", "ChatToolCall", "Draft", "Rendered", "Snapshot"]


class ChatFunction(Struct, frozen=True):
    name: str
    arguments: str


class ChatToolCall(Struct, frozen=True, tag_field="type", tag="function"):
    id: str
    function: ChatFunction


class Draft(Struct):
    """What the model said since somebody else last spoke.

    ``cut`` are calls that were broken off: they count only if somebody answers them all the same.
    """

    reasoning: list[str] = []
    texts: list[str] = []
    calls: list[ChatToolCall] = []
    cut: list[ChatToolCall] = []

    @property
    def is_empty(self) -> bool:
        """Reasoning alone is no message: without what it led to it is left out."""
        return not self.texts and not self.calls

    @property
    def size(self) -> int:
        """Bytes, about."""
        calls = sum(len(call.function.arguments) for call in (*self.calls, *self.cut))
        return calls + sum(map(len, self.texts)) + sum(map(len, self.reasoning))

    def copy(self) -> Draft:
        return Draft(list(self.reasoning), list(self.texts), list(self.calls), list(self.cut))


class Rendered(Struct, frozen=True):
    """A finished message of the turn that runs; ``later`` is its form once the turn has settled."""

    now: bytes
    later: bytes


class Snapshot(Struct, frozen=True):
    """A rendered history. ``settled`` are turns, each a run of messages without the brackets of
    their array; ``spoken`` begins the user's next message where such messages are
    merged; ``tools`` what can be called beside the request's own; ``unanswered`` the ids of
    calls without an output, ``cut`` of those that were broken off.

    Nobody changes the draft of a snapshot.
    """

    profile: ModelProfile
    system: tuple[str, ...] = ()
    settled: tuple[bytes, ...] = ()
    current: tuple[Rendered, ...] = ()
    spoken: tuple[str | list[ChatPart], ...] = ()
    images: tuple[ChatPart, ...] = ()
    draft: Draft = msgspec.field(default_factory=Draft)
    tools: tuple[Raw, ...] = ()
    unanswered: frozenset[str] = frozenset()
    cut: frozenset[str] = frozenset()
    mcp: McpSnapshot = McpSnapshot()

    @property
    def size(self) -> int:
        """Bytes, near enough for a bound on a cache."""
        current = sum(len(message.now) + len(message.later) for message in self.current)
        settled = sum(map(len, self.settled)) + sum(len(bytes(tool)) for tool in self.tools)
        images = sum(len(str(part)) for part in (*self.images, *self.spoken))
        texts = sum(map(len, self.system)) + self.draft.size + self.mcp.size
        return settled + current + images + texts + 500
