"""What a call gave: text as it is, anything else as blocks, and never too much of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from responses_gw.tools.mcp.results import Block, cut, result_of

TEXT: Block = {"type": "text", "text": "look"}
IMAGE: Block = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
LINK: Block = {"type": "resource_link", "uri": "file:///a", "name": "a"}
FILE: Block = {"type": "resource", "resource": {"uri": "file:///a", "text": "from a file"}}
BLOB: Block = {"type": "resource", "resource": {"uri": "file:///a", "blob": "aGk="}}


@pytest.mark.parametrize(
    ("blocks", "structured", "output"),
    [
        ([], UNSET, ""),
        ([], None, ""),
        ([], {"n": [1, None]}, '{"n":[1,null]}'),
        ([], [1], "[1]"),
        ([TEXT], {"n": 1}, "look"),
        ([TEXT, FILE], UNSET, "look\nfrom a file"),
        ([{**TEXT, "annotations": {"priority": 1}}], UNSET, "look"),
    ],
)
def test_text_is_the_output(blocks: list[Block], structured: object, output: str) -> None:
    result = result_of(blocks, structured, is_error=False, max_bytes=1024)
    assert (result.output, result.error) == (output, None)


@pytest.mark.parametrize("block", [IMAGE, LINK, BLOB])
def test_what_is_no_text_makes_the_output_a_list_of_blocks(block: Block) -> None:
    marked = {**block, "_meta": {"a": 1}, "annotations": {"audience": ["user"]}}
    result = result_of([FILE, marked], UNSET, is_error=False, max_bytes=1024)
    assert msgspec.json.decode(result.output or "") == [
        {"type": "text", "text": "from a file"},
        block,
    ]


def test_an_error_has_the_blocks() -> None:
    result = result_of([TEXT, IMAGE], UNSET, is_error=True, max_bytes=1024)
    assert result.output is None
    assert msgspec.json.decode(result.error or b"") == {
        "type": "mcp_tool_execution_error",
        "content": [TEXT, IMAGE],
    }
    bare = result_of([], {"n": 1}, is_error=True, max_bytes=1024)
    assert msgspec.json.decode(bare.error or b"")["content"] == [
        {"type": "text", "text": '{"n":1}'}
    ]


def test_a_block_that_is_too_large_is_replaced_by_a_text() -> None:
    large = {**IMAGE, "data": "A" * 2000}
    result = result_of([TEXT, large, IMAGE], UNSET, is_error=False, max_bytes=1024)
    assert msgspec.json.decode(result.output or "") == [
        TEXT,
        {"type": "text", "text": "[image (image/png) of 2049 bytes left out: it is too large]"},
        IMAGE,
    ]


@given(st.text(min_size=1), st.integers(1, 400), st.integers(128, 4096))
def test_a_cut_keeps_both_ends_and_whole_characters(text: str, times: int, limit: int) -> None:
    long = text * times
    short = cut(long, limit)
    assert len(short.encode()) <= max(limit, len(text.encode()) if times == 1 else 0)
    if len(long.encode()) <= limit:
        assert short == long
    else:
        head, _, rest = short.partition("\n[… ")
        assert " bytes left out …]\n" in rest
        assert long.startswith(head)
        assert long.endswith(rest.rpartition(" bytes left out …]\n")[2])


@given(st.lists(st.text(max_size=3000), max_size=8), st.booleans())
def test_the_json_of_blocks_is_bounded_whatever_must_be_escaped(
    texts: list[str], is_error: bool
) -> None:
    blocks: list[Block] = [IMAGE, *({"type": "text", "text": text * 50} for text in texts)]
    result = result_of(blocks, UNSET, is_error=is_error, max_bytes=8192)
    shown = result.output if result.output is not None else bytes(result.error or b"").decode()
    assert len(shown.encode()) <= 8192 + 1024
    msgspec.json.decode(shown)


def test_a_hundred_thousand_blocks_are_still_not_too_much() -> None:
    blocks: list[Block] = [*[{"type": "text", "text": "x" * 256}] * 100_000, IMAGE]
    result = result_of(blocks, UNSET, is_error=False, max_bytes=262_144)
    assert len(result.output or "") < 2 * 262_144
