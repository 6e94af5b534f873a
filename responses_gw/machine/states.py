"""What may follow what: the states of a response and of its open item, in two tables.

Theory of operation. A response goes ``NEW → IN_PROGRESS →`` one of four ends and no further;
``RESPONSE_TABLE`` says by which step. While it is in progress one item at most is open, and
``OPEN`` states name what is open inside it: a reasoning part, a text part, a refusal part, the
arguments of a function call, the input of a custom call, or the arguments of a call that becomes an
item of its own type (a shell command, a patch), of which nothing is shown before they are whole. A
call that the gateway runs is open twice: its arguments, and then, while it runs, nothing but the
call; its result closes it. So is a list of tools, while their server is asked. A
delta of another kind than the open one moves on by closing and opening; the steps of every such
move are spelled out in ``ITEM_TABLE``, which is made once from the two short tables ``OPENS`` and
``CLOSES`` and the item each state belongs to. Two parts of the same message share the item: moving
between them closes and opens a part only.

Every event that is ever sent is the work of one of the steps named here (ORDERING §0–§2); the
emitter has one method for each. A step that no table allows is a fault in our code and raises
:class:`IllegalTransition`, naming the state and the step.
"""

from __future__ import annotations

from enum import Enum

__all__ = [
    "CALLS",
    "ITEM_OF",
    "ITEM_TABLE",
    "PARTS",
    "RESPONSE_TABLE",
    "IllegalTransition",
    "ItemKind",
    "Open",
    "ResponsePhase",
    "ResponseStep",
    "Step",
]


class IllegalTransition(Exception):
    """Our own code asked for something that must not follow the present state."""

    def __init__(self, state: Enum, step: Enum) -> None:
        super().__init__(f"{step.name} cannot follow {state.name}")


# --- the response ------------------------------------------------------------------------------


class ResponsePhase(Enum):
    NEW = "new"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ResponseStep(Enum):
    CREATE = "create"
    DELTA = "delta"
    COMPLETE = "complete"
    CUT = "cut"
    FAIL = "fail"
    CANCEL = "cancel"


RESPONSE_TABLE: dict[tuple[ResponsePhase, ResponseStep], ResponsePhase] = {
    (ResponsePhase.NEW, ResponseStep.CREATE): ResponsePhase.IN_PROGRESS,
    (ResponsePhase.NEW, ResponseStep.CANCEL): ResponsePhase.CANCELLED,
    (ResponsePhase.IN_PROGRESS, ResponseStep.DELTA): ResponsePhase.IN_PROGRESS,
    (ResponsePhase.IN_PROGRESS, ResponseStep.COMPLETE): ResponsePhase.COMPLETED,
    (ResponsePhase.IN_PROGRESS, ResponseStep.CUT): ResponsePhase.INCOMPLETE,
    (ResponsePhase.IN_PROGRESS, ResponseStep.FAIL): ResponsePhase.FAILED,
    (ResponsePhase.IN_PROGRESS, ResponseStep.CANCEL): ResponsePhase.CANCELLED,
}


# --- the open item -----------------------------------------------------------------------------


class ItemKind(Enum):
    REASONING = "reasoning"
    MESSAGE = "message"
    FUNCTION_CALL = "function_call"
    CUSTOM_TOOL_CALL = "custom_tool_call"
    ACTION_CALL = "shell_call, apply_patch_call, …"
    HOSTED_CALL = "mcp_call"
    LISTING = "mcp_list_tools"


class Open(Enum):
    """What is open; the delta that belongs to a state has the state's name."""

    NOTHING = "nothing"
    REASONING = "reasoning"
    TEXT = "text"
    REFUSAL = "refusal"
    ARGUMENTS = "arguments"
    INPUT = "input"
    ACTION = "action"
    HOSTED = "hosted"
    RUNNING = "running"
    LISTING = "listing"


CALLS = frozenset((Open.ARGUMENTS, Open.INPUT, Open.ACTION, Open.HOSTED))
"""Where more of a call's arguments can come."""
PARTS = frozenset((Open.REASONING, Open.TEXT, Open.REFUSAL))
"""Where more of a part can come, or another part of the same item."""


class Step(Enum):
    """One step emits one event, or several where the grammar ties them together."""

    OPEN_REASONING = "output_item.added (reasoning)"
    OPEN_MESSAGE = "output_item.added (message)"
    OPEN_CALL = "output_item.added (function_call)"
    OPEN_CUSTOM_CALL = "output_item.added (custom_tool_call)"
    COLLECT_ACTION = "(nothing yet)"
    OPEN_REASONING_PART = "content_part.added (reasoning_text)"
    OPEN_TEXT_PART = "content_part.added (output_text)"
    OPEN_REFUSAL_PART = "content_part.added (refusal)"
    CLOSE_REASONING_PART = "reasoning_text.done, content_part.done"
    CLOSE_TEXT_PART = "output_text.done, content_part.done"
    CLOSE_REFUSAL_PART = "refusal.done, content_part.done"
    CLOSE_ARGUMENTS = "function_call_arguments.done"
    CLOSE_INPUT = "custom_tool_call_input.done"
    CLOSE_REASONING = "[reasoning_summary_…], output_item.done (reasoning)"
    CLOSE_MESSAGE = "output_item.done (message)"
    CLOSE_CALL = "output_item.done (function_call)"
    CLOSE_CUSTOM_CALL = "output_item.done (custom_tool_call)"
    EMIT_ACTION = "output_item.added, [its own events], output_item.done"
    OPEN_HOSTED_CALL = "output_item.added (mcp_call), mcp_call.in_progress"
    CLOSE_HOSTED_ARGUMENTS = "mcp_call_arguments.done"
    CLOSE_HOSTED_CALL = "[mcp_call.completed | .failed], output_item.done (mcp_call)"
    OPEN_LISTING = "output_item.added (mcp_list_tools), mcp_list_tools.in_progress"
    CLOSE_LISTING = "mcp_list_tools.completed | .failed, output_item.done (mcp_list_tools)"


ITEM_OF: dict[Open, ItemKind] = {
    Open.REASONING: ItemKind.REASONING,
    Open.TEXT: ItemKind.MESSAGE,
    Open.REFUSAL: ItemKind.MESSAGE,
    Open.ARGUMENTS: ItemKind.FUNCTION_CALL,
    Open.INPUT: ItemKind.CUSTOM_TOOL_CALL,
    Open.ACTION: ItemKind.ACTION_CALL,
    Open.HOSTED: ItemKind.HOSTED_CALL,
    Open.RUNNING: ItemKind.HOSTED_CALL,
    Open.LISTING: ItemKind.LISTING,
}

# (the item's step, the part's step): a call has no parts, only arguments to close
OPENS: dict[Open, tuple[Step, Step | None]] = {
    Open.REASONING: (Step.OPEN_REASONING, Step.OPEN_REASONING_PART),
    Open.TEXT: (Step.OPEN_MESSAGE, Step.OPEN_TEXT_PART),
    Open.REFUSAL: (Step.OPEN_MESSAGE, Step.OPEN_REFUSAL_PART),
    Open.ARGUMENTS: (Step.OPEN_CALL, None),
    Open.INPUT: (Step.OPEN_CUSTOM_CALL, None),
    Open.ACTION: (Step.COLLECT_ACTION, None),
    Open.HOSTED: (Step.OPEN_HOSTED_CALL, None),
    Open.LISTING: (Step.OPEN_LISTING, None),
}
CLOSES: dict[Open, tuple[Step, Step | None]] = {
    Open.REASONING: (Step.CLOSE_REASONING_PART, Step.CLOSE_REASONING),
    Open.TEXT: (Step.CLOSE_TEXT_PART, Step.CLOSE_MESSAGE),
    Open.REFUSAL: (Step.CLOSE_REFUSAL_PART, Step.CLOSE_MESSAGE),
    Open.ARGUMENTS: (Step.CLOSE_ARGUMENTS, Step.CLOSE_CALL),
    Open.INPUT: (Step.CLOSE_INPUT, Step.CLOSE_CUSTOM_CALL),
    Open.ACTION: (Step.EMIT_ACTION, None),
    Open.HOSTED: (Step.CLOSE_HOSTED_ARGUMENTS, Step.CLOSE_HOSTED_CALL),
    Open.RUNNING: (Step.CLOSE_HOSTED_CALL, None),
    Open.LISTING: (Step.CLOSE_LISTING, None),
}


def _moves() -> dict[tuple[Open, Open], tuple[Step, ...]]:
    table: dict[tuple[Open, Open], tuple[Step, ...]] = {}
    for now in Open:
        for then in Open:
            if then is Open.RUNNING:
                continue
            table[now, then] = tuple(step for step in _steps(now, then) if step is not None)
    table[Open.HOSTED, Open.RUNNING] = (Step.CLOSE_HOSTED_ARGUMENTS,)  # and from nowhere else
    return table


def _steps(now: Open, then: Open) -> tuple[Step | None, ...]:
    if now is Open.NOTHING:
        return () if then is Open.NOTHING else OPENS[then]
    if then is Open.NOTHING:
        return CLOSES[now]
    if now is then and now in PARTS:
        return ()  # more of the same part
    if ITEM_OF[now] is ITEM_OF[then] and now in PARTS:
        return CLOSES[now][0], OPENS[then][1]
    return (*CLOSES[now], *OPENS[then])


# What to do to get from one state to another. From a call's state to itself is the next call.
ITEM_TABLE: dict[tuple[Open, Open], tuple[Step, ...]] = _moves()
