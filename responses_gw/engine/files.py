"""The files of an input as text, before the prompt is made of it.

Theory of operation. The prompt is pure and knows no files: each ``input_file`` part is replaced by
a text part here, and the item with it. What the client sent is stored as it is and listed as it is;
the item with the text is stored beside it (``StoredItem.shown``) and is what later turns read. So a
file is fetched and read once in the life of a chain, its megabytes of base64 are not read from the
database again, and a file that changes behind its URL, or another version of the PDF library,
changes nothing that a model has seen: the law of the prefix holds for files.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from posixpath import basename
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from ..api.content import ContentPart, InputFile, InputText
from ..api.errors import ApiError, unavailable
from ..api.items import InputItem
from ..api.items.parts import parts_of, with_parts
from ..egress import Egress, EgressError
from ..files import FileError, PdfBusy, PdfError, PdfReaders, data_of, is_pdf, text_of
from ..prompt.files import file_part
from ..settings import FileSettings

__all__ = ["InputFiles"]


class Budget(Struct):
    """What the files of one request may take: a time of the event loop, and characters of text,
    fences included.
    """

    fetched_by: float
    characters: int


class InputFiles:
    def __init__(self, settings: FileSettings, egress: Egress, pdfs: PdfReaders) -> None:
        self._settings = settings
        self._egress = egress
        self._pdfs = pdfs

    async def shown(self, items: Sequence[InputItem]) -> tuple[InputItem, ...]:
        """The items of ``input``, those with files as the model is shown them.

        One file after the other: a request holds one file's bytes at a time. Raises
        :class:`ApiError` with the path of the field that is wrong.
        """
        found = [parts_of(item) for item in items]
        files = sum(isinstance(part, InputFile) for _, parts in found for part in parts)
        if not files:
            return tuple(items)
        if files > self._settings.max_files:
            raise ApiError(
                f"The input has {files} files: at most {self._settings.max_files} are accepted.",
                code="invalid_value",
                param="input",
            )
        now = asyncio.get_running_loop().time()
        budget = Budget(now + self._settings.fetch_seconds, self._settings.max_characters)
        shown = list(items)
        try:
            async with asyncio.timeout(self._settings.read_seconds):
                for at, (field, parts) in enumerate(found):
                    if any(isinstance(part, InputFile) for part in parts):
                        place = f"input[{at}].{field}"
                        shown[at] = with_parts(items[at], await self._texts(parts, place, budget))
        except TimeoutError as error:
            raise ApiError(
                f"The files of the input took longer than {self._settings.read_seconds:g} seconds "
                "to read.",
                code="invalid_value",
                param="input",
            ) from error
        return tuple(shown)

    async def _texts(
        self, parts: Sequence[ContentPart], place: str, budget: Budget
    ) -> list[ContentPart]:
        return [
            await self._text(part, f"{place}[{number}]", budget)
            if isinstance(part, InputFile)
            else part
            for number, part in enumerate(parts)
        ]

    async def _text(self, part: InputFile, place: str, budget: Budget) -> ContentPart:
        if part.file_url is not None:
            place = f"{place}.file_url"
            data, media_type = await self._fetch(part.file_url, place, budget.fetched_by)
            name = part.filename or _name_in(part.file_url)
        else:
            place = f"{place}.file_data"
            try:
                data, media_type = data_of(part.file_data or "", self._settings.max_bytes)
            except FileError as error:
                raise ApiError(
                    f"Invalid '{place}'. {error}", code="invalid_value", param=place
                ) from error
            name = part.filename or ""
        shown = await self._read(data, media_type, name, place)
        budget.characters -= len(shown.text)
        if budget.characters < 0:
            raise ApiError(
                "The text of the files is too long: at most "
                f"{self._settings.max_characters} characters are accepted.",
                code="invalid_value",
                param=place,
            )
        return shown

    async def _fetch(self, url: str, place: str, deadline: float) -> tuple[bytes, str]:
        seconds = deadline - asyncio.get_running_loop().time()
        try:
            fetched = await self._egress.fetch(
                url, max_bytes=self._settings.max_bytes, seconds=max(seconds, 0.001)
            )
        except EgressError as error:
            raise ApiError(
                f"Error while downloading the file at '{place}': {error}.",
                code="invalid_value",
                param=place,
            ) from error
        return fetched.body, fetched.media_type

    async def _read(self, data: bytes, media_type: str, name: str, place: str) -> InputText:
        try:
            if is_pdf(data):
                pdf = await self._pdfs.text_of(data)
                return file_part(name, pdf.text, pages=pdf.pages)
            text = text_of(data, media_type, self._settings.max_characters)
        except (FileError, PdfError) as error:
            raise ApiError(
                f"Unsupported value at '{place}'. {error}", code="unsupported_value", param=place
            ) from error
        except PdfBusy as error:
            raise unavailable("The server is busy with other files.") from error
        return file_part(name, text)


def _name_in(url: str) -> str:
    return unquote(basename(urlsplit(url).path))
