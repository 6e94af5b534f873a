"""Settings of a request that are objects of their own: ``reasoning`` and ``text`` (SURFACE §7)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

__all__ = [
    "JsonObjectFormat",
    "JsonSchemaFormat",
    "PlainTextFormat",
    "PromptReference",
    "ReasoningConfig",
    "ReasoningEffort",
    "TextConfig",
    "TextFormat",
]

ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class PlainTextFormat(Struct, frozen=True, tag_field="type", tag="text"):
    pass


class JsonObjectFormat(Struct, frozen=True, tag_field="type", tag="json_object"):
    pass


class JsonSchemaFormat(Struct, frozen=True, tag_field="type", tag="json_schema"):
    """``schema`` is the client's bytes: it reaches the model server untouched."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern="^[a-zA-Z0-9_-]+$")]
    schema: Raw
    description: str | None = None
    strict: bool | None = None


TextFormat = PlainTextFormat | JsonObjectFormat | JsonSchemaFormat


class TextConfig(Struct, frozen=True):
    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class PromptReference(Struct, frozen=True):
    """Names a prompt template of the server's; ``variables`` are looked into with it."""

    id: str
    version: str | None = None
    variables: dict[str, Raw] | None = None


class ReasoningConfig(Struct, frozen=True):
    effort: ReasoningEffort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: Literal["standard", "pro"] | None = None

    @property
    def wants_summary(self) -> bool:
        return (self.summary or self.generate_summary) is not None
