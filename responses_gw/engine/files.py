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

from ..api.content import ContentPart, InputFile
from ..api.errors import ApiError, unavailable
from ..api.items import InputItem
from ..api.items.parts import parts_of, with_parts
from ..files import FileError, PdfBusy, PdfError, PdfReaders, data_of, is_pdf, text_of
from ..prompt.files import file_part
from ..settings import FileSettings
from ..upstream import Egress, EgressError

__all__ = ["InputFiles"]


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
        deadline = asyncio.get_running_loop().time() + self._settings.fetch_seconds
        shown = list(items)
        for at, (field, parts) in enumerate(found):
            if any(isinstance(part, InputFile) for part in parts):
                place = f"input[{at}].{field}"
                shown[at] = with_parts(items[at], await self._texts(parts, place, deadline))
        return tuple(shown)

    async def _texts(
        self, parts: Sequence[ContentPart], place: str, deadline: float
    ) -> list[ContentPart]:
        return [
            await self._text(part, f"{place}[{number}]", deadline)
            if isinstance(part, InputFile)
            else part
            for number, part in enumerate(parts)
        ]

    async def _text(self, part: InputFile, place: str, deadline: float) -> ContentPart:
        if part.file_url is not None:
            place = f"{place}.file_url"
            data, media_type = await self._fetch(part.file_url, place, deadline)
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
        return await self._read(data, media_type, name, place)

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

    async def _read(self, data: bytes, media_type: str, name: str, place: str) -> ContentPart:
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
