"""What is said, thought and configured in a conversation (SURFACE §5.1)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..content import ContentPart, OutputText, PlainText, ReasoningText, SummaryText
from ..options import ReasoningConfig, TextConfig

__all__ = [
    "Compaction",
    "CompactionTrigger",
    "ConfigurationUpdate",
    "ItemReference",
    "ItemStatus",
    "Message",
    "MessagePhase",
    "ReasoningItem",
    "Role",
]

ItemStatus = Literal["in_progress", "completed", "incomplete"]
MessagePhase = Literal["commentary", "final_answer"]
Role = Literal["user", "assistant", "system", "developer"]


class Message(Struct, frozen=True, tag_field="type", tag="message"):
    """All three message forms of SURFACE §5.1 in one: easy, input and replayed output."""

    role: Role
    content: str | list[ContentPart]
    id: str | None = None
    status: ItemStatus | None = None
    phase: MessagePhase | None = None


class ReasoningItem(Struct, frozen=True, tag_field="type", tag="reasoning"):
    id: str | None = None
    summary: list[SummaryText] | None = None
    content: list[ReasoningText | OutputText | PlainText] | None = None
    encrypted_content: str | None = None
    status: ItemStatus | None = None


class ItemReference(Struct, frozen=True, tag_field="type", tag="item_reference"):
    """Stands for a stored item of the same tenant."""

    id: str


class Compaction(Struct, frozen=True, tag_field="type", tag="compaction"):
    """A history that was summarised; only its maker can open it."""

    encrypted_content: str
    id: str | None = None


class CompactionTrigger(Struct, frozen=True, tag_field="type", tag="compaction_trigger"):
    id: str | None = None


class ConfigurationUpdate(Struct, frozen=True, tag_field="type", tag="configuration_update"):
    """Changes the request's settings from here on (SURFACE §7.10)."""

    id: str | None = None
    reasoning: ReasoningConfig | None = None
    text: TextConfig | None = None
