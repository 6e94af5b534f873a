"""The calls that the gateway runs for one turn, within bounds.

Calls of one round run at once, as many as the window lets; their results are told in the order of
the model. What fails is a result like any other. When a bound is reached (calls, time, size,
failures in a row) every further call is answered with an error, and ``is_exhausted`` says that the
model has to finish without tools.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from ..api.tools import HostedCall, HostedResult
from ..settings import ToolSettings
from ..tools.hosted import OpenTool

__all__ = ["ToolCalls"]

log = logging.getLogger(__name__)
Tell = Callable[[HostedResult], None]
Flush = Callable[[], Awaitable[None]]


class ToolCalls:
    """``max_calls`` is the request's own bound; ``parallel`` is whether calls may run at once."""

    def __init__(
        self,
        tools: Sequence[OpenTool],
        bounds: ToolSettings,
        *,
        max_calls: int | None,
        parallel: bool,
    ) -> None:
        self._by_kind = {kind: tool for tool in tools for kind in tool.kinds}
        self._bounds = bounds
        self._max_calls = max_calls
        self._window = asyncio.Semaphore(bounds.parallel_calls if parallel else 1)
        self._deadline = time.monotonic() + bounds.max_seconds
        self._rounds = 0
        self._calls = 0
        self._bytes = 0
        self._failures = 0
        self.is_exhausted = False
        """Whether the model has to finish without tools."""

    @property
    def has_run(self) -> bool:
        """Whether a call has been made, which may have had effects."""
        return self._calls > 0

    async def run(self, calls: Sequence[HostedCall], tell: Tell, flush: Flush) -> None:
        """Run one round's calls and tell each result, in order.

        Cancelling it stops the calls. What had come of them by then is told all the same, and the
        others as calls that failed: whoever goes on from here must not take them for new ones.
        """
        self._rounds += 1
        tasks: list[asyncio.Task[HostedResult]] = []
        waiting = deque(calls)
        try:
            async with asyncio.TaskGroup() as group:
                tasks += [group.create_task(self._run(call)) for call in calls]
                for task in tasks:
                    result = await task
                    self._count(result)
                    waiting.popleft()
                    tell(result)
                    await flush()
        except BaseException:
            for call, task in zip(waiting, tasks[-len(waiting) :], strict=False):
                tell(self._stopped(call, task))
            raise
        if self._rounds >= self._bounds.max_rounds:
            self.is_exhausted = True

    def _stopped(self, call: HostedCall, task: asyncio.Task[HostedResult]) -> HostedResult:
        if task.done() and not task.cancelled() and task.exception() is None:
            return task.result()
        tool = self._by_kind[call.target.kind]
        return tool.refuse("The call was stopped before it had finished.")

    async def _run(self, call: HostedCall) -> HostedResult:
        tool = self._by_kind[call.target.kind]
        if self._max_calls is not None and self._calls >= self._max_calls:
            self.is_exhausted = True
            return tool.refuse(f"The limit of {self._max_calls} tool calls is reached.")
        self._calls += 1
        async with self._window:
            if self.is_exhausted:
                return tool.refuse("No more tools can be called in this response.")
            try:
                async with asyncio.timeout(self._deadline - time.monotonic()):
                    return await tool.run(call)
            except TimeoutError:
                self.is_exhausted = True
                return tool.refuse("The time for tool calls in this response is over.")
            except Exception:
                log.exception("a call of kind %s broke", call.target.kind)
                return tool.refuse("The call failed inside the server.")

    def _count(self, result: HostedResult) -> None:
        self._bytes += len(result.output or "") + len(result.error or b"")
        self._failures = 0 if result.error is None else self._failures + 1
        if self._bytes >= self._bounds.max_output_bytes:
            self.is_exhausted = True
        if self._failures >= self._bounds.max_failures:
            self.is_exhausted = True
