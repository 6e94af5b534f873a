"""Tool call fragments of a chat stream into calls, one after the other.

Theory of operation. A chat stream numbers its parallel calls with ``index`` and nearly always sends
them one after the other: a new index means that the one before is whole. The Responses grammar
wants just that, one open item at a time, so the first call streams through as it comes. Servers
exist that interleave, that announce all names first, that send arguments before the name, that
repeat id and name in every fragment, or that number every call 0. So: whatever comes while the open
call's arguments are not yet a whole JSON value, another call (here) or text (``reader.py``), has to
wait until it is whole or the stream ends.

A call that the gateway runs stays open until its result is there, and it runs only when the stream
has ended well. So everything behind the first one waits: ``outstanding`` are the calls to run, in
the order of the model, and each ``resolve`` closes one and goes on to the next.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..api.ids import new_id
from ..api.tools import CallTarget, HostedCall, HostedResult
from .chunk import ToolCallFragment
from .emitter import Emitter
from .hosted import LIVES
from .states import CALLS, Open

__all__ = ["CallAssembler"]

MAX_CALL_ID_LENGTH = 64
_OURS = frozenset((Open.HOSTED, Open.RUNNING))


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

    __slots__ = (
        "_by_index",
        "_current",
        "_emitter",
        "_ids",
        "_last_index",
        "_targets",
        "_waiting",
        "has_client_calls",
    )

    def __init__(self, emitter: Emitter, targets: Mapping[str, CallTarget]) -> None:
        self._emitter = emitter
        self._targets = targets
        self._by_index: dict[int, _Call] = {}
        self._waiting: list[_Call] = []
        self._current: _Call | None = None
        self._last_index = 0
        self._ids: set[str] = set()
        self.has_client_calls = False
        """Whether a call is for the client to answer; approvals are."""

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
        """The stream is over: what waited is emitted, as far as the next call that is ours to run.
        A call that never got a name is no call.

        In a stream that was cut, a call that is not whole, or was not run, is the last item
        (ORDERING §1): what waits behind it is lost.
        """
        self._waiting = [call for call in self._waiting if call.name]
        if cut:
            while self._waiting and not self.is_busy:
                self._start(self._waiting.pop(0))
            self._waiting.clear()
        else:
            self._go_on()

    @property
    def outstanding(self) -> list[HostedCall]:
        """The calls that are ours to run, after :meth:`finish`; the first one is open."""
        if self._emitter.open is not Open.RUNNING or self._current is None:
            return []
        calls = [call for call in (self._current, *self._waiting) if self._is_ours(call)]
        return [HostedCall(self._target(call), "".join(call.pieces) or "{}") for call in calls]

    def resolve(self, result: HostedResult) -> None:
        """What came of the first of the outstanding calls."""
        self._emitter.result(result)
        self._go_on()

    def _go_on(self) -> None:
        if self._emitter.open is Open.HOSTED:
            self._emitter.run()
        while self._waiting and self._emitter.open not in _OURS:
            self._start(self._waiting.pop(0))
            if self._emitter.open is Open.HOSTED:
                self._emitter.run()

    @property
    def is_busy(self) -> bool:
        """Whether what comes has to wait for the open call."""
        return self._emitter.open in _OURS or self.is_open_partial

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
        if call.name and not self.is_busy:
            del self._waiting[0]
            self._start(call)

    def _start(self, call: _Call) -> None:
        self._current = call
        self.has_client_calls |= not self._is_ours(call)
        self._emitter.call(self._target(call), self._call_id(call.id))
        if call.pieces:
            self._emitter.arguments("".join(call.pieces))

    def _target(self, call: _Call) -> CallTarget:
        name = call.name or ""
        return self._targets.get(name) or CallTarget("function", name)

    def _is_ours(self, call: _Call) -> bool:
        return self._target(call).kind in LIVES

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
