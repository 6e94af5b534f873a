"""How one model's chat template wants its messages, and what its server understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from .dialect import Dialect

__all__ = ["EffortMap", "ModelProfile"]

EffortMap = Mapping[str, str | bool | Mapping[str, object]]
"""From an effort of OpenAI's to what goes up in its place: a ``reasoning_effort``, False for
nothing, or ``chat_template_kwargs``. An effort that is not in it goes up as it is."""


class ModelProfile(Struct, frozen=True):
    """The settings of a model (``[[models]]`` in conf/responses-gw.toml, which explains them)."""

    dialect: Dialect = "vllm"
    reasoning_replay: Literal["current_turn", "all", "none"] = "current_turn"
    reasoning_field: Literal["reasoning", "reasoning_content"] = "reasoning"
    reasoning_summary: Literal["verbatim", "off"] = "verbatim"
    effort: EffortMap = {}
    leading_system: Literal["system", "user"] = "system"
    late_system: Literal["fold", "system", "user"] = "fold"
    developer: Literal["system", "user"] = "system"
    merge_user_messages: bool = False
    calls_per_message: Literal["all", "one"] = "all"
    tool_results: Literal["tool", "user"] = "tool"
    tool_images: Literal["user", "tool", "none"] = "user"
    tool_call_ids: Literal["as_given", "nine_characters"] = "as_given"
    message_phases: bool = False
    cache_salt: Literal["off", "prompt_cache_key"] = "off"
