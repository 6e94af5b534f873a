"""The items whose content is a list of parts, and where in them it stands."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ..content import ContentPart
from . import CustomToolCallOutput, FunctionCallOutput, InputItem, Message

__all__ = ["parts_of", "with_parts"]


def parts_of(item: InputItem) -> tuple[str, Sequence[ContentPart]]:
    """The name of the field and its parts; none for text and for items without parts."""
    match item:
        case Message():
            return "content", item.content if isinstance(item.content, list) else ()
        case FunctionCallOutput() | CustomToolCallOutput():
            return "output", item.output if isinstance(item.output, list) else ()
        case _:
            return "", ()


def with_parts(item: InputItem, parts: Sequence[ContentPart]) -> InputItem:
    """The same item with other parts. Raises ``TypeError`` for one that has none."""
    match item:
        case Message():
            return replace(item, content=list(parts))
        case FunctionCallOutput() | CustomToolCallOutput():
            return replace(item, output=list(parts))
        case _:
            raise TypeError(f"a {type(item).__name__} has no parts")
