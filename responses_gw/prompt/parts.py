"""Content parts into the content of a chat message (SURFACE §7.5, VLLM_CHAT)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from ..api.content import (
    ContentPart,
    InputAudio,
    InputFile,
    InputImage,
    InputText,
    InputVideo,
    OutputText,
    PlainText,
    ReasoningText,
    Refusal,
    SummaryText,
)

__all__ = ["ChatPart", "chat_content", "merged_content", "plain_text", "split_images"]

ChatPart = dict[str, str | dict[str, str]]
_NOT_SHOWN = "[something that cannot be shown]"
"""A request with such a part is refused (``api.parts``); a chain that has one all the same goes on.
"""


def chat_content(content: str | list[ContentPart]) -> str | list[ChatPart]:
    """A string stays one, and so does a lone text part: every template takes a string."""
    if isinstance(content, str):
        return content
    if all(_text_of(part) is not None for part in content):
        texts = [text for part in content if (text := _text_of(part)) is not None]
        if len(texts) < 2:
            return texts[0] if texts else ""
    return [_chat_part(part) for part in content]


def plain_text(content: str | list[ContentPart], separator: str) -> str:
    """Only the text: for roles whose messages are text alone (assistant, system, developer)."""
    if isinstance(content, str):
        return content
    return separator.join(text for part in content if (text := _text_of(part)))


def merged_content(contents: Sequence[str | list[ChatPart]]) -> str | list[ChatPart]:
    """The contents of several messages as that of one: text alone stays a string."""
    texts = [content for content in contents if isinstance(content, str)]
    if len(texts) == len(contents):
        return "\n\n".join(texts)
    parts: list[ChatPart] = []
    for content in contents:
        parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return parts


def split_images(
    content: str | list[ChatPart], note: str
) -> tuple[str | list[ChatPart], list[ChatPart]]:
    """A tool's output as text alone, which is all that many templates take there, and the rest; the
    ``note`` stands in its place.
    """
    if isinstance(content, str):
        return content, []
    texts = [str(part["text"]) for part in content if part["type"] == "text"]
    others = [part for part in content if part["type"] != "text"]
    if others:
        texts.append(note)
    return "\n".join(texts), others


def _text_of(part: ContentPart) -> str | None:
    match part:
        case InputText() | OutputText() | PlainText() | ReasoningText() | SummaryText():
            return part.text
        case Refusal():
            return part.refusal
        case _:
            return None


def _chat_part(part: ContentPart) -> ChatPart:
    match part:
        case InputText() | OutputText() | PlainText() | ReasoningText() | SummaryText():
            return {"type": "text", "text": part.text}
        case Refusal():
            return {"type": "text", "text": part.refusal}
        case InputImage():
            return _image(part)
        case InputAudio():
            audio = {"data": part.input_audio.data, "format": part.input_audio.format}
            return {"type": "input_audio", "input_audio": audio}
        case InputVideo():
            return {"type": "video_url", "video_url": {"url": part.video_url}}
        case InputFile():  # files have become text before (``prompt.files``)
            return {"type": "text", "text": _NOT_SHOWN}
        case _:
            assert_never(part)


def _image(part: InputImage) -> ChatPart:
    if part.image_url is None:
        return {"type": "text", "text": _NOT_SHOWN}
    image = {"url": part.image_url}
    if part.detail in ("low", "high", "auto"):
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}
