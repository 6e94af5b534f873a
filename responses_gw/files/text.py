"""The bytes of a file and, if they are text, the text.

The bytes decide what a file is, and not its name or its declared type, which are often missing or
"application/octet-stream". The declared type gives the charset of what is not Unicode.
"""

from __future__ import annotations

import binascii
import codecs
import re
from urllib.parse import unquote_to_bytes

__all__ = ["FileError", "data_of", "is_pdf", "text_of"]

PDF_HEAD_BYTES = 1024
"""A PDF's mark may stand behind other bytes; all readers look this far (ISO 32000-1, annex H)."""

MAX_LINE_BYTES = 1000
"""Base64 in lines is known by its first line: looking through megabytes takes as long as decoding
them, and the event loop waits."""

MAX_ESCAPES = 10_000
"""Of a percent-encoded data URL."""
_DATA_URL = re.compile(r"data:([^,]{0,256}),", re.IGNORECASE)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:-]{1,40})", re.IGNORECASE)
_SPACES = b" \t\r\n"
_SPACE = re.compile(b"[ \t\r\n]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins like the next one
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# the codecs of Python include some that are slow or no charsets
# fmt: off
_CHARSETS = frozenset(
    (
        "ascii", "big5", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256",
        "cp1257", "cp1258", "euc_jp", "euc_kr", "gb18030", "gb2312", "gbk", "iso8859-1",
        "iso8859-15", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-6",
        "iso8859-7", "iso8859-8", "iso8859-9", "koi8-r", "koi8-u", "mac-roman", "shift_jis",
        "tis-620", "utf-16", "utf-16-be", "utf-16-le", "utf-8"
    )
)
# fmt: on
_TEXT_TYPES = re.compile(
    r"text/|application/([\w.-]+\+)?(json|xml|yaml|x-yaml|javascript|sql|toml|rtf)$|message/|"
    r"[\w-]+/[\w.-]+\+(json|xml|yaml)$"
)
# tab, line feed, form feed, carriage return and escape stand in text files
_NOT_IN_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


class FileError(Exception):
    """The file is none, or none that can be shown to a model. The message is for the client."""


def data_of(file_data: str, max_bytes: int) -> tuple[bytes, str]:
    """The bytes behind ``file_data`` (a data URL or bare base64) and their declared media type.

    The type is "" if there is none. Raises :class:`FileError`.
    """
    if len(file_data) > 4 * max_bytes + 1024:  # even if all of it were percent-encoded
        raise _too_large(max_bytes)
    url = _DATA_URL.match(file_data)
    if url is None:
        media_type, data = "", _from_base64(file_data)
    else:
        media_type, rest = url[1], file_data[url.end() :]
        head, mark, tail = media_type.rpartition(";")
        if mark and tail.strip().lower() == "base64":
            media_type, data = head, _from_base64(rest)
        elif rest.count("%") > MAX_ESCAPES:  # decoding them takes a hundred times their memory
            raise FileError("The file must be encoded in base64.")
        else:
            data = unquote_to_bytes(rest)
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    if not data:
        raise FileError("The file is empty.")
    return data, media_type


def is_pdf(data: bytes) -> bool:
    return b"%PDF-" in data[:PDF_HEAD_BYTES]


def text_of(data: bytes, media_type: str, max_characters: int) -> str:
    """The text of a file that is text. Raises :class:`FileError` for any other."""
    too_long = FileError(f"The file is too long: at most {max_characters} characters are accepted.")
    if len(data) > 4 * (max_characters + 1):  # no charset needs more than four bytes
        raise too_long
    text = _decoded(data, media_type)
    if text is None or _NOT_IN_TEXT.search(text):
        kind = f" ('{media_type[:100]}')" if media_type else ""
        raise FileError(
            f"This server cannot read files of this kind{kind}: it takes text of any kind (plain, "
            "Markdown, HTML, JSON, XML, CSV, code) and PDF."
        )
    if len(text) > max_characters:
        raise too_long
    return text


def _decoded(data: bytes, media_type: str) -> str | None:
    for mark, charset in _BOMS:
        if data.startswith(mark):
            return _try(data[len(mark) :], charset)
    text = _try(data, "utf-8")
    if text is not None:
        return text
    declared = _declared_charset(media_type)
    if declared is not None:
        return _try(data, declared)
    if _TEXT_TYPES.match(media_type.partition(";")[0].strip().lower()):
        return data.decode("cp1252", "replace")  # what browsers take such text for
    return None


def _declared_charset(media_type: str) -> str | None:
    named = _CHARSET.search(media_type)
    if named is None:
        return None
    try:
        name = codecs.lookup(named[1]).name
    except (LookupError, ValueError):
        return None
    return name if name in _CHARSETS else None


def _try(data: bytes, charset: str) -> str | None:
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        return None


def _from_base64(text: str) -> bytes:
    try:
        given = text.encode("ascii")
        if _SPACE.search(given[:MAX_LINE_BYTES]):
            given = given.translate(None, _SPACES)
        return binascii.a2b_base64(given + b"=" * (-len(given) % 4), strict_mode=True)
    except ValueError as error:
        raise FileError(
            "Expected the file as a data URL ('data:application/pdf;base64,…') or as base64, but "
            "got something else."
        ) from error


def _too_large(max_bytes: int) -> FileError:
    return FileError(f"The file is too large: at most {max_bytes} bytes are accepted.")
