"""Calls that the gateway runs itself: the events of their lives and their items (ORDERING §2.11).

``LIVES`` has one line for each kind of call. A call opens with what the model writes, then it runs,
then its result closes it.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ..api import events as ev
from ..api.ids import IdPrefix
from ..api.items.output import HostedStatus, OutputItem, OutputMcpApprovalRequest, OutputMcpCall
from ..api.tools import CallKind, CallTarget, HostedResult

__all__ = ["LIVES", "CallLife", "HostedItem", "approval_request"]

NO_RESULT = HostedResult()


class HostedItem(Struct, frozen=True):
    """What an item of a hosted call is made of; ``approval_id`` is the request for approval that
    came before it.
    """

    id: str
    target: CallTarget
    status: HostedStatus
    arguments: str = ""
    approval_id: str | None = None
    result: HostedResult = NO_RESULT


class CallLife(Struct, frozen=True):
    """The events of one kind of call, and how its item is made."""

    prefix: IdPrefix
    begun: type[ev.HostedItemEvent]
    delta: type[ev.CallDeltaEvent]
    written: type[ev.HostedArgumentsDone]
    completed: type[ev.HostedItemEvent]
    failed: type[ev.HostedItemEvent]
    item: Callable[[HostedItem], OutputItem]


def _mcp_call(made: HostedItem) -> OutputMcpCall:
    return OutputMcpCall(
        id=made.id,
        status=made.status,
        server_label=made.target.namespace or "",
        name=made.target.name,
        arguments=made.arguments,
        approval_request_id=made.approval_id,
        output=made.result.output,
        error=made.result.error,
    )


def approval_request(id: str, target: CallTarget, arguments: str) -> OutputMcpApprovalRequest:
    return OutputMcpApprovalRequest(
        id=id, server_label=target.namespace or "", name=target.name, arguments=arguments
    )


LIVES: dict[CallKind, CallLife] = {
    "mcp": CallLife(
        prefix="mcp",
        begun=ev.McpCallInProgress,
        delta=ev.McpCallArgumentsDelta,
        written=ev.McpCallArgumentsDone,
        completed=ev.McpCallCompleted,
        failed=ev.McpCallFailed,
        item=_mcp_call,
    ),
}
