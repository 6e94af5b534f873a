"""Which profile a model has: shipped, the operator's, remembered."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.api.options import ReasoningEffort
from responses_gw.prompt.known_models import KNOWN_MODELS, KnownModel, known_changes
from responses_gw.prompt.profile import ModelProfile
from responses_gw.prompt.profile_lookup import MAX_NAME_CHARACTERS, MAX_PROFILES, ProfileLookup

BASE = ModelProfile(reasoning_summary="off")


def test_an_unknown_model_has_the_base() -> None:
    assert ProfileLookup(BASE)("acme/one") == BASE


@pytest.mark.parametrize("known", KNOWN_MODELS, ids=lambda known: known.matches[0])
def test_what_is_known_of_a_model_is_laid_over_the_base(known: KnownModel) -> None:
    name = known.matches[0].strip("*").replace("[sx]", "s")
    profile = ProfileLookup(BASE)(f"org/{name.upper()}-x")
    assert profile == msgspec.structs.replace(BASE, **known.changes)
    assert msgspec.convert(msgspec.to_builtins(profile), ModelProfile) == profile, "a wrong value"


def test_a_distillation_is_known_by_its_template() -> None:
    assert known_changes("deepseek-ai/deepseek-r1-distill-qwen-32b") == {}
    assert ProfileLookup(BASE)("DeepSeek-V3.1").effort["none"] == {"thinking": False}


@pytest.mark.parametrize(
    ("model", "understood"),
    [("Qwen/Qwen3.8-27B", {"low", "medium", "xhigh"}), ("gpt-oss-20b", {"low", "medium", "high"})],
)
def test_a_template_that_raises_for_other_efforts_never_gets_one(
    model: str, understood: set[str]
) -> None:
    table = ProfileLookup(BASE)(model).effort
    efforts: tuple[str, ...] = get_args(ReasoningEffort)
    sent = {effort: table.get(effort, effort) for effort in efforts}
    assert {word for word in sent.values() if isinstance(word, str)} == understood


def test_the_operators_table_goes_first_key_by_key() -> None:
    lookup = ProfileLookup(BASE, [("*QWEN3*", {"reasoning_replay": "all"})])
    profile = lookup("Qwen/Qwen3-8B")
    assert profile.reasoning_replay == "all"
    assert profile.effort["none"] == {"enable_thinking": False}, "what is known was lost"
    assert lookup("qwen2").reasoning_replay == "current_turn"


def test_the_first_table_that_matches_counts_alone() -> None:
    tables = [("a*", {"late_system": "user"}), ("*", {"developer": "user"})]
    lookup = ProfileLookup(BASE, tables)
    assert lookup("ab") == msgspec.structs.replace(BASE, late_system="user")
    assert lookup("b") == msgspec.structs.replace(BASE, developer="user")


@given(names=st.lists(st.text(max_size=20) | st.just("x" * 10_000), max_size=5))
def test_any_name_has_a_profile_and_few_are_remembered(names: list[str]) -> None:
    lookup = ProfileLookup(BASE, [("*[!a]?z", {"late_system": "user"})])
    for name in names:
        assert lookup(name) == lookup(name)


def test_memory_is_bounded_in_number_and_length() -> None:
    lookup = ProfileLookup(BASE)
    for number in range(MAX_PROFILES + 50):
        lookup(f"model-{number}")
    assert lookup.remembered == MAX_PROFILES
    assert lookup("m" * 10_000_000) is lookup("m" * MAX_NAME_CHARACTERS)
