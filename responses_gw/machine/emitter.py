"""The only place that makes the events of a response.

Theory of operation. The :class:`Emitter` stands in one :class:`~.states.Open` state. A delta names
the state it belongs to; the steps from here to there stand in ``ITEM_TABLE``, each step is one
method of ``steps.py``, and then the delta itself is emitted. A finished item is encoded once; those
bytes go to all places and are never parsed again.

Events wait in a list until :meth:`Emitter.take`: the caller sends all events of one upstream read
at once. Ending is in two moves, because the stored row must be committed before the terminal event
is sent: :meth:`Emitter.close` closes what is open, then one of ``complete``, ``cut``, ``fail`` and
``cancel`` ends.
"""

from __future__ import annotations

from msgspec import Raw

from ..api import events as ev
from ..api.items.conversation import ItemStatus
from ..api.items.hosted import McpToolInfo
from ..api.tools import CallTarget, HostedResult
from .hosted import LIVES
from .states import ITEM_TABLE, IllegalTransition, Open, ResponseStep
from .steps import STEPS, Steps

__all__ = ["Emitter"]


class Emitter(Steps):
    """Turns deltas into the events of one response (ORDERING §0–§2)."""

    __slots__ = ()

    # --- deltas --------------------------------------------------------------------------------

    def text(self, delta: str, logprobs: tuple[Raw, ...] = ()) -> None:
        if self.open is not Open.TEXT:
            self._go(Open.TEXT)
        self._pieces.append(delta)
        if logprobs:
            self._logprobs += logprobs
        self._events.append(
            ev.OutputTextDelta(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                delta=delta,
                logprobs=logprobs,
                obfuscation=self._pad(delta, self._sequence),
            )
        )

    def reasoning(self, delta: str) -> None:
        self._go(Open.REASONING)
        self._part_delta(self._reasoning_delta, delta)

    def refusal(self, delta: str) -> None:
        self._go(Open.REFUSAL)
        self._part_delta(ev.RefusalDelta, delta)

    def call(self, target: CallTarget, call_id: str) -> None:
        """Begin the next call; whatever is open is closed first."""
        self._is_followed = True
        self.close()
        self._is_followed = False
        self._target, self._call_id = target, call_id
        match target.kind:
            case "function":
                self._go(Open.ARGUMENTS)
            case "custom":
                self._go(Open.INPUT)
            case kind if kind in LIVES:
                self._approval_id = None
                self._go(Open.HOSTED)
            case _:
                self._go(Open.ACTION)

    def arguments(self, delta: str) -> None:
        """More of the open call's arguments, as the model writes them."""
        match self.open:
            case Open.ARGUMENTS:
                self._call_delta(ev.FunctionCallArgumentsDelta, delta)
            case Open.INPUT:
                self._call_delta(ev.CustomToolCallInputDelta, self._input.feed(delta))
            case Open.ACTION:
                self._pieces.append(delta)
            case Open.HOSTED:
                self._call_delta(LIVES[self._target.kind].delta, delta)
            case _:
                raise IllegalTransition(self.open, Open.ARGUMENTS)

    # --- what the gateway does itself ----------------------------------------------------------

    def approved(self, target: CallTarget, arguments: str, approval_id: str) -> None:
        """A whole call that the client has approved: it runs at once."""
        self.close()
        self._target, self._approval_id = target, approval_id
        self._go(Open.HOSTED)
        self.arguments(arguments)
        self.run()

    def run(self) -> None:
        """The open call's arguments are whole, and it runs."""
        self._go(Open.RUNNING)

    def result(self, result: HostedResult) -> None:
        """What came of the call that runs. It is done."""
        if self.open is not Open.RUNNING:
            raise IllegalTransition(self.open, Open.RUNNING)
        self._result = result
        self.close()

    def list_tools(self, label: str) -> None:
        """An MCP server is asked for its tools."""
        self.close()
        self._label = label
        self._go(Open.LISTING)

    def listed(self, tools: tuple[McpToolInfo, ...]) -> None:
        if self.open is not Open.LISTING:
            raise IllegalTransition(self.open, Open.LISTING)
        self._tools = tools
        self.close()

    def close(self, status: ItemStatus = "completed") -> None:
        """Close the open part and item, if any, with ``status``."""
        for step in ITEM_TABLE[self.open, Open.NOTHING]:
            STEPS[step](self, status)
        self.open = Open.NOTHING

    # --- moving --------------------------------------------------------------------------------

    def _go(self, then: Open) -> None:
        if self.open is then:
            return
        steps = ITEM_TABLE.get((self.open, then))
        if steps is None:
            raise IllegalTransition(self.open, then)
        self._advance(ResponseStep.DELTA)
        self._is_followed = True
        for step in steps:
            STEPS[step](self, "completed")
        self._is_followed = False
        self.open = then
