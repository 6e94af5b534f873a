"""How one model's chat template wants its messages, and what its server understands."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .dialect import Dialect

__all__ = ["ModelProfile"]


class ModelProfile(Struct, frozen=True):
    """The settings of a model (``[[models]]`` in conf/responses-gw.toml, which explains them)."""

    dialect: Dialect = "vllm"
    reasoning_replay: Literal["current_turn", "all", "none"] = "current_turn"
    reasoning_field: Literal["reasoning", "reasoning_content"] = "reasoning"
    late_system: Literal["fold", "system", "user"] = "fold"
    merge_user_messages: bool = False
    tool_results: Literal["tool", "user"] = "tool"
    tool_images: Literal["user", "tool"] = "user"
