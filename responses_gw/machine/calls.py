"""Tool call fragments of a chat stream into calls, one after the other.

Theory of operation. A chat stream numbers its parallel calls with ``index`` and nearly always sends
them one after the other: a new index means that the one before is whole. The Responses grammar
wants just that, one open item at a time, so the first call streams through as it comes. Servers
exist that interleave, that announce all names first, that send arguments before the name, that
repeat id and name in every fragment, or that number every call 0. So: whatever comes while the open
call's arguments are not yet a whole JSON value, another call (here) or text (``reader.py``), has to
wait until it is whole or the stream ends.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..api.ids import new_id
from ..api.tools import CallTarget
from .chunk import ToolCallFragment
from .emitter import Emitter
from .states import CALLS

__all__ = ["CallAssembler"]

MAX_CALL_ID_LENGTH = 64


class _Call:
    __slots__ = ("_judged", "_whole", "id", "name", "pieces")

    def __init__(self) -> None:
        self.id: str | None = None
        self.name: str | None = None
        self.pieces: list[str] = []
        self._judged = 0  # pieces, when `_whole` was found
        self._whole = False

    @property
    def is_whole(self) -> bool:
        """Whether the arguments are a JSON value."""
        if self._judged != len(self.pieces):
            self._judged = len(self.pieces)
            self._whole = self.pieces[-1].rstrip().endswith("}") and _is_json(self.pieces)
        return self._whole


class CallAssembler:
    """Feeds an :class:`Emitter` the calls of one upstream stream.

    ``targets`` says what the functions stand for that the model was shown; any other name is taken
    for a function of the client's.
    """

    __slots__ = ("_by_index", "_current", "_emitter", "_ids", "_last_index", "_targets", "_waiting")

    def __init__(self, emitter: Emitter, targets: Mapping[str, CallTarget]) -> None:
        self._emitter = emitter
        self._targets = targets
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
            if call is self._current and self._emitter.open in CALLS:
                self._emitter.arguments(function.arguments)
        if self._waiting:
            self._start_next()

    def finish(self, cut: bool) -> None:
        """The stream is over: what waited is emitted. A call that never got a name is no call.

        In a stream that was cut, a call that is not whole is the last item (ORDERING §1): what
        waits behind it is lost.
        """
        for call in self._waiting:
            if cut and self.is_open_partial:
                break
            if call.name:
                self._start(call)
        self._waiting.clear()

    @property
    def is_open_partial(self) -> bool:
        """Whether a call is open and its arguments are not whole."""
        return (
            self._current is not None and self._emitter.open in CALLS and not self._current.is_whole
        )

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
        if call.name and not self.is_open_partial:
            del self._waiting[0]
            self._start(call)

    def _start(self, call: _Call) -> None:
        self._current = call
        name = call.name or ""
        target = self._targets.get(name) or CallTarget("function", name)
        self._emitter.call(target, self._call_id(call.id))
        if call.pieces:
            self._emitter.arguments("".join(call.pieces))

    def _call_id(self, offered: str | None) -> str:
        """The server's own id, which some templates need back, unless no client could use it."""
        if not offered or len(offered) > MAX_CALL_ID_LENGTH or offered in self._ids:
            return new_id("call")
        self._ids.add(offered)
        return offered


def _is_json(pieces: list[str]) -> bool:
    try:
        msgspec.json.decode("".join(pieces))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _is_another(call: _Call, id: str | None, name: str | None) -> bool:
    """The same index with a new id and a name: a server that numbers every call alike."""
    return bool(name and id and call.name and call.id and call.id != id)
