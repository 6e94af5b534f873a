"""In Harmony the answer ends a turn: what something follows was commentary."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from responses_gw.api.tools import CallTarget
from responses_gw.machine.emitter import Emitter
from responses_gw.machine.style import EventStyle

Say = Callable[[Emitter], None]


def text(emitter: Emitter) -> None:
    emitter.text("x")


def think(emitter: Emitter) -> None:
    emitter.reasoning("hm")


def call(emitter: Emitter) -> None:
    emitter.call(CallTarget("function", "f"), "c")


def cut(emitter: Emitter) -> None:
    emitter.close("incomplete")


def phases(*said: Say, style: EventStyle) -> list[str | None]:
    emitter = Emitter(id="resp_1", created_at=0, settings=b"{}", style=style)
    emitter.create()
    for say in said:
        say(emitter)
    emitter.close()
    items = [json.loads(record.body) for record in emitter.records]
    return [item.get("phase") for item in items if item["type"] == "message"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([text], ["final_answer"]),
        ([think, text], ["final_answer"]),
        ([text, call], ["commentary"]),
        ([text, think, text], ["commentary", "final_answer"]),
        ([text, call, text], ["commentary", "final_answer"]),
        ([text, cut], [None]),  # nobody knows what would have come
    ],
)
def test_a_finished_message_says_its_phase(said: list[Say], expected: list[str | None]) -> None:
    assert phases(*said, style=EventStyle(phases=True)) == expected
    assert phases(*said, style=EventStyle()) == [None] * len(expected)
