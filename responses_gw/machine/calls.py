"""Tool call fragments of a chat stream into calls, one after the other.

Theory of operation. A chat stream numbers its parallel calls with ``index`` and nearly always sends
them one after the other: a new index means that the one before is whole. The Responses grammar
wants just that, one open item at a time, so the first call streams through as it comes. Servers
exist that interleave, that announce all names first, that send arguments before the name, that
repeat id and name in every fragment, or that number every call 0. So: a call that starts while
another one is open and its arguments are not yet a whole JSON value has to wait, its fragments
kept, until the open one is whole or the stream ends.
"""

from __future__ import annotations

import msgspec

from ..api.ids import new_id
from .chunk import ToolCallFragment
from .emitter import Emitter
from .states import Open

__all__ = ["CallAssembler"]

MAX_CALL_ID_LENGTH = 64


class _Call:
    __slots__ = ("id", "name", "pieces")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.pieces: list[str] = []


class CallAssembler:
    """Feeds an :class:`Emitter` the calls of one upstream stream."""

    __slots__ = ("_by_index", "_current", "_emitter", "_ids", "_last_index", "_waiting")

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._by_index: dict[int, _Call] = {}
        self._waiting: list[_Call] = []
        self._current: _Call | None = None
        self._last_index = 0
        self._ids: set[str] = set()

    def feed(self, fragment: ToolCallFragment) -> None:
        call = self._call_of(fragment)
        function = fragment.function
        call.id = call.id or fragment.id
        if function is None:
            return
        call.name = call.name or function.name
        if function.arguments:
            call.pieces.append(function.arguments)
            if call is self._current and self._emitter.open is Open.ARGUMENTS:
                self._emitter.arguments(function.arguments)
        if self._waiting:
            self._start_next()

    def finish(self) -> None:
        """The stream is over: what waited is emitted. A call that never got a name is no call."""
        for call in self._waiting:
            if call.name:
                self._start(call)
        self._waiting.clear()
        self._current = None

    def _call_of(self, fragment: ToolCallFragment) -> _Call:
        name = fragment.function.name if fragment.function is not None else None
        index = fragment.index
        if index is None:
            index = self._last_index + 1 if name and self._by_index else self._last_index
        self._last_index = index
        call = self._by_index.get(index)
        if call is None or _is_another(call, fragment.id, name):
            call = self._by_index[index] = _Call()
            self._waiting.append(call)
        return call

    def _start_next(self) -> None:
        call = self._waiting[0]
        if call.name and not self._current_is_partial():
            del self._waiting[0]
            self._start(call)

    def _current_is_partial(self) -> bool:
        if self._current is None or self._emitter.open is not Open.ARGUMENTS:
            return False
        pieces = self._current.pieces
        if not pieces or not pieces[-1].rstrip().endswith("}"):
            return True
        try:
            msgspec.json.decode("".join(pieces))
        except msgspec.DecodeError:
            return True
        return False

    def _start(self, call: _Call) -> None:
        self._current = call
        self._emitter.call(call.name or "", self._call_id(call.id))
        if call.pieces:
            self._emitter.arguments("".join(call.pieces))

    def _call_id(self, offered: str | None) -> str:
        """The server's own id, which some templates need back, unless no client could use it."""
        if not offered or len(offered) > MAX_CALL_ID_LENGTH or offered in self._ids:
            return new_id("call")
        self._ids.add(offered)
        return offered


def _is_another(call: _Call, id: str | None, name: str | None) -> bool:
    """The same index with a new id and a name: a server that numbers every call alike."""
    return bool(name and id and call.name and call.id and call.id != id)
