"""Ids of calls for templates that take only nine letters or digits."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from responses_gw.prompt.tool_call_ids import nine_characters

fitting = st.from_regex("[A-Za-z0-9]{9}", fullmatch=True)


@given(id=st.text() | fitting)
def test_an_id_becomes_nine_letters_or_digits_and_then_stays(id: str) -> None:
    short = nine_characters(id)
    assert re.fullmatch("[A-Za-z0-9]{9}", short)
    assert nine_characters(short) == short


@given(id=fitting)
def test_an_id_that_fits_stays(id: str) -> None:
    assert nine_characters(id) == id


@given(ids=st.sets(st.text(), max_size=50))
def test_different_ids_stay_different(ids: set[str]) -> None:
    assert len({nine_characters(id) for id in ids}) == len(ids)
