"""Items into chat messages.

Theory of operation. A :class:`Transcript` takes items one by one and keeps the JSON of finished
messages. What one turn of the model said (reasoning, text, calls) comes as several items but is one
assistant message, so those gather in a draft; whatever comes next (a user's message, a tool's
output) finishes it. System and developer texts are collected apart, wherever they stand: a chat has
one leading system message.

The law of the prefix: taking more items never changes the bytes of the messages finished before. A
model server's prefix cache, and our cache of rendered histories, rest on it.
:meth:`Transcript.snapshot` is the value that is cached: message bytes in one piece per turn, never
decoded again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from ..api.content import ReasoningText
from ..api.items import (
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    ItemReference,
    Message,
    ReasoningItem,
    UnknownItem,
)
from .arguments import sane_arguments
from .dialect import Dialect
from .parts import chat_content, plain_text

__all__ = ["Snapshot", "Transcript"]


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


class Snapshot(Struct, frozen=True):
    """A rendered history: ``turns`` are runs of messages without the brackets of their array.

    Nobody changes the draft of a snapshot.
    """

    system: tuple[str, ...] = ()
    turns: tuple[bytes, ...] = ()
    draft: Draft = msgspec.field(default_factory=Draft)

    @property
    def size(self) -> int:
        """Bytes, near enough for a bound on a cache."""
        return sum(map(len, self.turns)) + sum(map(len, self.system)) + self.draft.size + 500


_encode = msgspec.json.Encoder().encode


class Transcript:
    """Takes items, gives messages. Starts empty or where a snapshot ended."""

    def __init__(self, dialect: Dialect, start: Snapshot | None = None) -> None:
        start = start or Snapshot()
        self._dialect = dialect
        self._system = list(start.system)
        self._turns = start.turns
        self._draft = start.draft.copy()
        self._messages: list[bytes] = []

    def add(self, items: Iterable[InputItem]) -> None:
        for item in items:
            self._add(item)

    def snapshot(self) -> Snapshot:
        turns = self._turns
        if self._messages:
            turns = (*turns, b",".join(self._messages))
        return Snapshot(tuple(self._system), turns, self._draft.copy())

    def messages(self, instructions: str | None = None) -> bytes:
        """The ``messages`` of a chat request: a JSON array."""
        system = [text for text in (instructions, *self._system) if text]
        runs = [_role("system", "\n\n".join(system))] if system else []
        runs += [*self._turns, *self._messages]
        if not self._draft.is_empty:
            runs.append(self._finished_draft())
        return b"[%b]" % b",".join(runs)

    # --- one method for each kind of item ------------------------------------------------------

    def _add(self, item: InputItem) -> None:
        match item:
            case Message():
                self._message(item)
            case ReasoningItem():
                self._reasoning(item)
            case FunctionCall():
                self._function_call(item)
            case FunctionCallOutput():
                self._function_call_output(item)
            case ItemReference() | UnknownItem():
                pass  # references are resolved before; the unknown is not for the model

    def _message(self, item: Message) -> None:
        if item.role == "assistant":
            if text := plain_text(item.content, ""):
                self._draft.texts.append(text)
        elif item.role == "user":
            self._finish_draft()
            self._messages.append(_role("user", chat_content(item.content)))
        elif text := plain_text(item.content, "\n"):
            self._system.append(text)

    def _reasoning(self, item: ReasoningItem) -> None:
        parts = item.content or [ReasoningText(part.text) for part in item.summary or ()]
        if text := "".join(part.text for part in parts):
            self._draft.reasoning.append(text)

    def _function_call(self, item: FunctionCall) -> None:
        function = ChatFunction(item.name, sane_arguments(item.arguments))
        whole = item.status != "incomplete"
        calls = self._draft.calls if whole else self._draft.cut
        calls.append(ChatToolCall(item.call_id, function))

    def _function_call_output(self, item: FunctionCallOutput) -> None:
        self._draft.calls += [call for call in self._draft.cut if call.id == item.call_id]
        self._finish_draft()
        message = {
            "role": "tool",
            "tool_call_id": item.call_id,
            "content": chat_content(item.output),
        }
        self._messages.append(_encode(message))

    # --- the draft -----------------------------------------------------------------------------

    def _finish_draft(self) -> None:
        if not self._draft.is_empty:
            self._messages.append(self._finished_draft())
        self._draft = Draft()

    def _finished_draft(self) -> bytes:
        draft = self._draft
        message: dict[str, object] = {"role": "assistant"}
        message["content"] = "\n".join(draft.texts) if draft.texts else None
        if draft.reasoning and self._dialect == "vllm":
            message["reasoning"] = "\n".join(draft.reasoning)
        if draft.calls:
            message["tool_calls"] = draft.calls
        return _encode(message)


def _role(role: str, content: object) -> bytes:
    return _encode({"role": role, "content": content})
