"""What a content part must be before anybody can be shown it (SURFACE §7.5, §9).

Only what a client sends is checked, with the path of the field. What is stored has been checked.
"""

from __future__ import annotations

import re

from .content import ContentPart, InputAudio, InputFile, InputImage, InputVideo
from .errors import ApiError, missing_required_parameter
from .items import ComputerCallOutput, InputItem, Message, Role
from .items.parts import parts_of

__all__ = ["check_parts"]

_SHOWABLE_URL = re.compile(r"https?://[^\s/]|data:[^,]*,", re.IGNORECASE)


def check_parts(item: InputItem, at: str) -> None:
    """``at`` is the path of the item. Raises :class:`ApiError` (400)."""
    role = item.role if isinstance(item, Message) else None
    if isinstance(item, ComputerCallOutput) and item.output.image_url is not None:
        _check_url(item.output.image_url, f"{at}.output.image_url")
    field, parts = parts_of(item)
    for number, part in enumerate(parts):
        place = f"{at}.{field}[{number}]"
        _check_role(part, role, place)
        match part:
            case InputImage():
                _check_image(part, place)
            case InputFile():
                _check_file(part, place)
            case InputVideo():
                _check_url(part.video_url, f"{place}.video_url")
            case _:
                pass


def _check_role(part: ContentPart, role: Role | None, place: str) -> None:
    """Pictures are the user's to show: no chat template has a place for others'. OpenAI says so,
    too. Files are text in the end, which system and developer messages can hold.
    """
    if role in (None, "user") or not isinstance(
        part, InputImage | InputFile | InputAudio | InputVideo
    ):
        return
    type = part.__struct_config__.tag
    if role == "assistant":
        raise ApiError(
            f"Invalid value: '{type}'. Supported values are: 'output_text' and 'refusal'.",
            code="invalid_value",
            param=place,
        )
    if not isinstance(part, InputFile):
        raise ApiError(
            f"Invalid '{place}'. A part of type '{type}' is only allowed in messages with role "
            f"'user', but this message has role '{role}'.",
            code="invalid_value",
            param=place,
        )


def _check_image(part: InputImage, place: str) -> None:
    if part.image_url is not None:
        _check_url(part.image_url, f"{place}.image_url")
    elif part.file_id is not None:
        raise ApiError(
            "This server takes an image as 'image_url' (a URL or a data URL), not as 'file_id'.",
            code="unsupported_value",
            param=f"{place}.file_id",
        )
    else:
        raise missing_required_parameter(f"{place}.image_url")


def _check_file(part: InputFile, place: str) -> None:
    if part.file_data is not None and part.file_url is not None:
        raise ApiError(
            "Mutually exclusive parameters: 'file_data' and 'file_url'. Ensure you are only "
            "providing one of them.",
            code="mutually_exclusive_parameters",
            param=place,
        )
    if part.file_data is None and part.file_url is None:
        if part.file_id is None:
            raise missing_required_parameter(f"{place}.file_data")
        raise ApiError(
            "This server takes a file as 'file_data' or 'file_url', not as 'file_id'.",
            code="unsupported_value",
            param=f"{place}.file_id",
        )


def _check_url(url: str, path: str) -> None:
    if not _SHOWABLE_URL.match(url):
        raise ApiError(
            f"Invalid '{path}'. Expected a valid URL, but got a value with an invalid format.",
            code="invalid_value",
            param=path,
        )
