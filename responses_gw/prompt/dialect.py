"""What the model server understands beyond OpenAI's chat completions."""

from __future__ import annotations

from typing import Literal

__all__ = ["Dialect"]

Dialect = Literal["vllm", "openai"]
