"""A prompt template, and how a request that names it is filled in (SURFACE §2, ``prompt``).

A template's texts have places ``{{name}}``. They are filled once: what a client gives for a
variable is never looked through for places. An image or a file in a user's message becomes a part
of its own between the texts before and after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from ..api.content import InputFile, InputImage, InputText
from ..api.decode import Decoder
from ..api.errors import ApiError, invalid_type, missing_required_parameter
from ..api.options import PromptReference
from ..api.request import RequestBody

__all__ = ["PromptMessage", "PromptTemplate", "PromptVariable"]

Name = Annotated[str, Meta(min_length=1)]
PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}")
_encode = msgspec.json.Encoder().encode
_text = Decoder(str)
_part = Decoder[InputText | InputImage | InputFile](InputText | InputImage | InputFile)  # type: ignore[arg-type]


class Media(Struct, frozen=True):
    """An image or a file, as the client's bytes."""

    part: Raw
    phrase: str


Value = str | Media


class PromptVariable(Struct, frozen=True, forbid_unknown_fields=True):
    """Without a default, every request has to give it."""

    default: str | None = None
    description: str | None = None


class PromptMessage(Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: str


class PromptTemplate(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file of the operator's. ``is_default``: the version for requests that name none."""

    id: Name
    version: Name
    is_default: bool = False
    model: Name | None = None
    instructions: Name | None = None
    input: tuple[PromptMessage, ...] = ()
    variables: dict[str, PromptVariable] = {}

    def faults(self) -> Iterator[str]:
        """What is wrong with it beyond the types of its keys."""
        if self.instructions is None and not self.input:
            yield "it has neither instructions nor input"
        used = {name for text in self._texts() for name in PLACE.findall(text)}
        for name in sorted(used - self.variables.keys()):
            yield f"the place {{{{{name}}}}} is no variable: write [variables.{name}]"
        for name in sorted(self.variables.keys() - used):
            yield f"the variable {name} has no place {{{{{name}}}}}"

    def fill(self, body: RequestBody, reference: PromptReference) -> RequestBody:
        """The request, with the template's model, instructions and input where it has none.

        Raises :class:`ApiError` (400) with the path of a variable that is missing or wrong.
        """
        values = self._values(reference.variables or {})
        changes: dict[str, object] = {
            "prompt": msgspec.structs.replace(reference, version=self.version)
        }
        if body.model is None and self.model is not None:
            changes["model"] = self.model
        if body.instructions is None and self.instructions is not None:
            changes["instructions"] = _filled_text(self.instructions, values)
        if not body.input and not isinstance(body.input, str) and self.input:
            changes["input"] = [self._message(message, values) for message in self.input]
        return msgspec.structs.replace(body, **changes)

    def _texts(self) -> Iterable[str]:
        return [self.instructions or "", *(message.content for message in self.input)]

    def _values(self, given: Mapping[str, Raw]) -> dict[str, Value]:
        for name in given:
            if name not in self.variables:
                raise ApiError(
                    f"Unknown prompt variable: '{name}'.",
                    code="unknown_parameter",
                    param=_path(name),
                )
        values: dict[str, Value] = {}
        for name, variable in self.variables.items():
            if name in given:
                values[name] = _value(given[name], _path(name))
            elif variable.default is not None:
                values[name] = variable.default
            else:
                raise missing_required_parameter(_path(name))
        return values

    def _message(self, message: PromptMessage, values: Mapping[str, Value]) -> Raw:
        pieces = [values[piece] if at % 2 else piece for at, piece in _pieces(message.content)]
        content: str | list[object]
        if message.role == "user" and any(isinstance(piece, Media) for piece in pieces):
            content = [_part_of(piece) for piece in pieces if piece]
        else:
            content = _filled_text(message.content, values)
        return Raw(_encode({"type": "message", "role": message.role, "content": content}))


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Text, name of a place, text, …, text: the odd ones are names."""
    return enumerate(PLACE.split(text))


def _filled_text(text: str, values: Mapping[str, Value]) -> str:
    """For all but a user's words, which alone can be more than text."""
    filled = []
    for at, piece in _pieces(text):
        value = values[piece] if at % 2 else piece
        if isinstance(value, Media):
            raise invalid_type(_path(piece), "one of a string or an 'input_text'", value.phrase)
        filled.append(value)
    return "".join(filled)


def _value(raw: Raw, path: str) -> Value:
    if bytes(raw)[:1] != b"{":
        return _text.decode(raw, at=path)
    match _part.decode(raw, at=path):
        case InputText(text=text):
            return text
        case InputImage():
            return Media(raw, "an 'input_image'")
        case InputFile():
            return Media(raw, "an 'input_file'")


def _part_of(piece: Value) -> object:
    return {"type": "input_text", "text": piece} if isinstance(piece, str) else piece.part


def _path(name: str) -> str:
    return f"prompt.variables.{name}"
