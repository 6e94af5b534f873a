"""The text of a file says whose it is and cannot pretend to have ended."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.prompt.files import file_part

CASES = [
    ("a.txt", "hi", None, 'Content of the file "a.txt":\n```\nhi\n```'),
    ("a.txt", "hi\n", None, 'Content of the file "a.txt":\n```\nhi\n```'),
    ("a.txt", "", None, 'Content of the file "a.txt":\n```\n\n```'),
    ("a.pdf", "hi", 1, 'Content of the file "a.pdf" (1 page):\n```\nhi\n```'),
    ("a.pdf", "hi", 3, 'Content of the file "a.pdf" (3 pages):\n```\nhi\n```'),
    ("", "hi", None, 'Content of the file "file":\n```\nhi\n```'),
    ("a\n```\nb", "hi", None, 'Content of the file "a b":\n```\nhi\n```'),
    ("a.md", "```py\nx\n```", None, 'Content of the file "a.md":\n````\n```py\nx\n```\n````'),
]


@pytest.mark.parametrize(("name", "text", "pages", "expected"), CASES)
def test_a_file_is_named_and_fenced(name: str, text: str, pages: int | None, expected: str) -> None:
    assert file_part(name, text, pages=pages).text == expected


@given(st.text(), st.text(alphabet="`\n ab") | st.text())
def test_no_content_ends_its_fence(name: str, text: str) -> None:
    head, *lines = file_part(name, text).text.split("\n")
    assert head.startswith("Content of the file ")
    fence = lines[0]
    assert re.fullmatch("`{3,}", fence)
    assert lines[-1] == fence
    assert not any(fence in line for line in lines[1:-1])
    inside = "\n".join(lines[1:-1])
    assert inside == text or inside + "\n" == text
