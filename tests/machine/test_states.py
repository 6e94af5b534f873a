"""The two tables are closed: every move ends where it says, opening and closing in pairs."""

from __future__ import annotations

import itertools

import pytest

from responses_gw.machine.emitter import Emitter
from responses_gw.machine.states import (
    ITEM_OF,
    ITEM_TABLE,
    PARTS,
    RESPONSE_TABLE,
    IllegalTransition,
    Open,
    ResponsePhase,
    ResponseStep,
    Step,
)
from responses_gw.machine.steps import STEPS

RUNNING = Open.RUNNING
ENDS = {
    ResponsePhase.COMPLETED,
    ResponsePhase.INCOMPLETE,
    ResponsePhase.FAILED,
    ResponsePhase.CANCELLED,
}


def test_every_step_has_a_method_and_every_move_a_row() -> None:
    assert set(STEPS) == set(Step)
    pairs = {(now, then) for now, then in itertools.product(Open, Open) if then is not Open.RUNNING}
    assert set(ITEM_TABLE) == pairs | {(Open.HOSTED, Open.RUNNING)}


def test_nothing_follows_an_end() -> None:
    assert not {phase for phase, _ in RESPONSE_TABLE} & ENDS
    assert set(RESPONSE_TABLE.values()) - ENDS == {ResponsePhase.IN_PROGRESS}


@pytest.mark.parametrize(("now", "then"), ITEM_TABLE)
def test_a_move_closes_what_was_open_before_it_opens(now: Open, then: Open) -> None:
    steps = ITEM_TABLE[now, then]
    closing = [step.name.startswith(("CLOSE", "EMIT")) for step in steps]
    assert closing == sorted(closing, reverse=True), f"{now} → {then}: {steps}"
    same_item = ITEM_OF.get(now) is ITEM_OF.get(then) and now in PARTS
    if then is RUNNING:
        same_item = True
    items_closed = {step for step in steps if step.name in _ITEM_CLOSES}
    items_opened = {step for step in steps if step.name in _ITEM_OPENS}
    if now is Open.NOTHING or same_item:
        assert not items_closed
    else:
        assert len(items_closed) == 1
    if then is Open.NOTHING or (same_item and now is not Open.NOTHING):
        assert not items_opened
    else:
        assert len(items_opened) == 1


_ITEM_CLOSES = {
    "CLOSE_REASONING",
    "CLOSE_MESSAGE",
    "CLOSE_CALL",
    "CLOSE_CUSTOM_CALL",
    "EMIT_ACTION",
    "CLOSE_HOSTED_CALL",
    "CLOSE_LISTING",
}
_ITEM_OPENS = {
    "OPEN_REASONING",
    "OPEN_MESSAGE",
    "OPEN_CALL",
    "OPEN_CUSTOM_CALL",
    "COLLECT_ACTION",
    "OPEN_HOSTED_CALL",
    "OPEN_LISTING",
}


def emitter() -> Emitter:
    return Emitter(id="resp_1", created_at=1, settings=b'{"model":"m"}')


@pytest.mark.parametrize("step", [ResponseStep.COMPLETE, ResponseStep.CUT, ResponseStep.FAIL])
def test_a_response_cannot_end_before_it_was_created(step: ResponseStep) -> None:
    assert (ResponsePhase.NEW, step) not in RESPONSE_TABLE
    with pytest.raises(IllegalTransition, match="COMPLETE cannot follow NEW"):
        emitter().complete(None, 1)


def test_a_response_cannot_be_created_twice_or_end_twice() -> None:
    machine = emitter()
    machine.create()
    with pytest.raises(IllegalTransition, match="CREATE cannot follow IN_PROGRESS"):
        machine.create()
    machine.complete(None, 1)
    with pytest.raises(IllegalTransition, match="CANCEL cannot follow COMPLETED"):
        machine.cancel()
    with pytest.raises(IllegalTransition, match="DELTA cannot follow COMPLETED"):
        machine.text("more")


def test_a_response_cannot_end_over_an_open_item() -> None:
    machine = emitter()
    machine.create()
    machine.text("half")
    with pytest.raises(IllegalTransition, match="COMPLETE cannot follow TEXT"):
        machine.complete(None, 1)


def test_arguments_need_an_open_call() -> None:
    machine = emitter()
    machine.create()
    with pytest.raises(IllegalTransition, match="ARGUMENTS cannot follow NOTHING"):
        machine.arguments("{}")
