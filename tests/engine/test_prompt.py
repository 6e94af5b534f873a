"""A prompt that is too long loses whole turns from its front, no more than it takes."""

from __future__ import annotations

import pytest

from responses_gw.api.errors import ContextOverflow
from responses_gw.engine.prompt import Prompt


def prompt(*turns: int) -> Prompt:
    """Turns of so many bytes each."""
    return Prompt(b"x" * sum(turns), turns=len(turns), without=lambda n: b"x" * sum(turns[n:]))


@pytest.mark.parametrize(
    ("turns", "limit", "needed", "left"),
    [
        ((100, 100, 100, 100), 1000, 1010, 300),
        ((100, 100, 100, 100), 1000, 1001, 200),
        ((100, 100, 100, 100), 500, 1000, 100),
        ((1000, 10, 10), 500, 1000, 20),
        ((10, 1000), 500, 1000, 0),
        ((100, 100, 100, 100), None, None, 200),
    ],
)
def test_what_is_left(turns: tuple[int, ...], limit: int, needed: int, left: int) -> None:
    shorter = prompt(*turns).shortened(ContextOverflow(limit, needed))
    assert shorter is not None
    assert len(shorter.body) == left


def test_a_prompt_is_cut_again_until_there_is_nothing_left_to_drop() -> None:
    left: Prompt | None = prompt(*[100] * 9)
    sizes = []
    while left is not None:
        sizes.append(len(left.body))
        left = left.shortened(ContextOverflow(10, 11))
    assert sizes == [900, 400, 200, 100, 0]


def test_a_prompt_of_one_turn_cannot_be_shortened() -> None:
    assert prompt().shortened(ContextOverflow(1, 2)) is None
    assert Prompt(b"x").shortened(ContextOverflow(1, 2)) is None
