"""Text files become text, whatever their name says; other files are refused."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.files import FileError, data_of, is_pdf, text_of

LIMIT = 1000

DATA = {
    "bare base64": ("aGVsbG8=", b"hello", ""),
    "base64 without padding": ("aGVsbG8", b"hello", ""),
    "base64 in lines": ("aGVs\r\nbG8=\n", b"hello", ""),
    "a data URL": ("data:text/plain;base64,aGVsbG8=", b"hello", "text/plain"),
    "a data URL in capitals": ("DATA:text/plain;BASE64,aGVsbG8=", b"hello", "text/plain"),
    "a data URL without a type": ("data:;base64,aGVsbG8=", b"hello", ""),
    "a charset": (
        "data:text/csv;charset=utf-8;base64,aGVsbG8=",
        b"hello",
        "text/csv;charset=utf-8",
    ),
    "percent-encoded": ("data:text/plain,a%20b", b"a b", "text/plain"),
}


@pytest.mark.parametrize(("file_data", "data", "media_type"), DATA.values(), ids=DATA.keys())
def test_data_urls_and_base64_are_taken(file_data: str, data: bytes, media_type: str) -> None:
    assert data_of(file_data, LIMIT) == (data, media_type)


@pytest.mark.parametrize(
    "file_data",
    [
        "",
        "data:text/plain;base64,",
        "hello world!",
        "data:text/plain;base64,@@@",
        "a",
        "data:no comma",
        "é",
        base64.b64encode(b"x" * (LIMIT + 1)).decode(),
        "data:text/plain," + "x" * (LIMIT + 1),
        "A" * 10_000_000,
    ],
)
def test_what_is_no_file_is_refused(file_data: str) -> None:
    with pytest.raises(FileError):
        data_of(file_data, LIMIT)


TEXTS = {
    "plain": (b"hello", "", "hello"),
    "utf-8": ("größer €".encode(), "application/octet-stream", "größer €"),
    "a mark of utf-8": (b"\xef\xbb\xbfhi", "text/plain", "hi"),
    "utf-16": ("hi €".encode("utf-16"), "", "hi €"),
    "utf-16 big": (b"\xfe\xff" + "hi".encode("utf-16-be"), "", "hi"),
    "utf-32": ("hi".encode("utf-32"), "", "hi"),
    "a declared charset": ("größer".encode("latin-1"), "text/plain; charset=iso-8859-1", "größer"),
    "a Japanese one": ("日本".encode("shift_jis"), 'text/csv; charset="Shift_JIS"', "日本"),
    "not declared": (b"caf\xe9 \x93quoted\x94", "text/plain", "café “quoted”"),
    "JSON by its type": (b'{"a":"\xe9"}', "application/json", '{"a":"é"}'),
    "a codec that is no charset": (b"\\x41\xe9", "text/plain; charset=unicode_escape", "\\x41é"),
    "HTML": (b"<p>hi</p>", "text/html", "<p>hi</p>"),
    "SVG is XML": (b"<svg/>", "image/svg+xml", "<svg/>"),
    "code": (b"def f():\n\treturn 1\n", "application/x-python", "def f():\n\treturn 1\n"),
    "text that calls itself an image": (b"no image", "image/png", "no image"),
}


@pytest.mark.parametrize(("data", "media_type", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_text_is_read(data: bytes, media_type: str, text: str) -> None:
    assert text_of(data, media_type, LIMIT) == text


OTHERS = {
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
    "a picture that calls itself text": (b"\x89PNG\r\n\x1a\n\x00\x00", "text/plain"),
    "an archive": (b"PK\x03\x04\x14\x00", "application/zip"),
    "an office file": (b"PK\x03\x04\x14\x00\x06\x00", "application/vnd.ms-word"),
    "a program": (b"\x7fELF\x02\x01\x01\x00", "application/octet-stream"),
    "zeros": (b"\x00" * 100, "text/plain"),
    "bytes without a type": (b"\xff\xd8\xff\xe0JFIF", ""),
}


@pytest.mark.parametrize(("data", "media_type"), OTHERS.values(), ids=OTHERS.keys())
def test_other_files_are_refused(data: bytes, media_type: str) -> None:
    with pytest.raises(FileError, match="cannot read files of this kind"):
        text_of(data, media_type, LIMIT)


@pytest.mark.parametrize("data", [b"x" * (LIMIT + 1), b"x" * 10_000_000, b"\x00" * 10_000_000])
def test_a_text_that_is_too_long_is_refused(data: bytes) -> None:
    assert text_of(b"x" * LIMIT, "", LIMIT) == "x" * LIMIT
    with pytest.raises(FileError, match="at most 1000 characters"):
        text_of(data, "", LIMIT)


def test_a_pdf_is_known_by_its_mark() -> None:
    assert is_pdf(b"%PDF-1.7\n")
    assert is_pdf(b"\n\n junk %PDF-1.7")
    assert not is_pdf(b"x" * 2000 + b"%PDF-1.7")
    assert not is_pdf(b"hello")


@given(st.binary(max_size=200), st.sampled_from(["", "text/plain", "text/x; charset=utf-16"]))
def test_any_bytes_are_text_or_refused(data: bytes, media_type: str) -> None:
    with contextlib.suppress(FileError):
        assert "\x00" not in text_of(data, media_type, LIMIT)


@given(st.binary(min_size=1, max_size=LIMIT))
def test_base64_gives_back_the_bytes(data: bytes) -> None:
    assert data_of(base64.b64encode(data).decode(), LIMIT) == (data, "")


def test_a_file_of_a_million_escapes_is_refused_unread() -> None:
    with pytest.raises(FileError, match="base64"):
        data_of("data:," + "%" * 1_000_000, 10_000_000)
