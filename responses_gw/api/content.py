"""Content parts of messages, reasoning and tool outputs (SURFACE §7.5).

Parts are told apart by ``type``. Optional fields that only other parts of the service or other
clients use (annotations, log probabilities, cache breakpoints) are not modelled here: stored items
keep their own bytes, so nothing is lost by not naming it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = [
    "ContentPart",
    "InputAudio",
    "InputAudioData",
    "InputFile",
    "InputImage",
    "InputText",
    "InputVideo",
    "OutputText",
    "PlainText",
    "ReasoningText",
    "Refusal",
    "SummaryText",
]


class InputText(Struct, frozen=True, tag_field="type", tag="input_text"):
    text: str


class InputImage(Struct, frozen=True, tag_field="type", tag="input_image"):
    image_url: str | None = None
    file_id: str | None = None
    detail: Literal["low", "high", "auto", "original"] | None = None


class InputFile(Struct, frozen=True, tag_field="type", tag="input_file"):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None


class InputAudioData(Struct, frozen=True):
    data: str
    format: str


class InputAudio(Struct, frozen=True, tag_field="type", tag="input_audio"):
    input_audio: InputAudioData


class InputVideo(Struct, frozen=True, tag_field="type", tag="input_video"):
    video_url: str


class OutputText(Struct, frozen=True, tag_field="type", tag="output_text"):
    text: str


class Refusal(Struct, frozen=True, tag_field="type", tag="refusal"):
    refusal: str


class PlainText(Struct, frozen=True, tag_field="type", tag="text"):
    """Sent by clients that mix the chat dialect in."""

    text: str


class ReasoningText(Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    text: str


class SummaryText(Struct, frozen=True, tag_field="type", tag="summary_text"):
    text: str


ContentPart = (
    InputText
    | InputImage
    | InputFile
    | InputAudio
    | InputVideo
    | OutputText
    | Refusal
    | PlainText
    | ReasoningText
    | SummaryText
)
