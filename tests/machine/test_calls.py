"""Whatever shape a server gives its tool-call fragments, the same calls come out, in order."""

from __future__ import annotations

import json

import msgspec
import pytest

from responses_gw.machine.calls import CallAssembler
from responses_gw.machine.chunk import ToolCallFragment
from responses_gw.machine.emitter import Emitter

Fragment = dict[str, object]


def piece(
    index: int | None = 0,
    id: str | None = None,
    name: str | None = None,
    arguments: str | None = None,
) -> Fragment:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


def calls(*fragments: Fragment) -> list[tuple[str, str, str]]:
    emitter = Emitter(id="resp_1", created_at=1, settings=b'{"model":"m"}')
    emitter.create()
    assembler = CallAssembler(emitter, {})
    for fragment in fragments:
        assembler.feed(msgspec.convert(fragment, ToolCallFragment))
    assembler.finish(cut=False)
    emitter.close()
    items = [json.loads(record.body) for record in emitter.records]
    return [(item["name"], item["arguments"], item["call_id"]) for item in items]


A, B = ("f", '{"a":1}', "A"), ("g", '{"b":2}', "B")
SHAPES: dict[str, tuple[list[Fragment], list[tuple[str, str, str]]]] = {
    "name first, then fragments": (
        [piece(0, "A", "f"), piece(0, arguments='{"a"'), piece(0, arguments=":1}")],
        [A],
    ),
    "name with the first fragment, later names null": (
        [piece(0, "A", "f", '{"a"'), piece(0, None, None, ":1}")],
        [A],
    ),
    "id and name in every fragment": (
        [piece(0, "A", "f", '{"a"'), piece(0, "A", "f", ":1}")],
        [A],
    ),
    "one after the other": (
        [
            piece(0, "A", "f"),
            piece(0, arguments='{"a":1}'),
            piece(1, "B", "g"),
            piece(1, arguments='{"b":2}'),
        ],
        [A, B],
    ),
    "whole calls in one fragment each": (
        [piece(0, "A", "f", '{"a":1}'), piece(1, "B", "g", '{"b":2}')],
        [A, B],
    ),
    "every call numbered 0": (
        [piece(0, "A", "f", '{"a":1}'), piece(0, "B", "g", '{"b":2}')],
        [A, B],
    ),
    "no numbers at all": (
        [
            piece(None, "A", "f", '{"a"'),
            piece(None, None, None, ":1}"),
            piece(None, "B", "g", '{"b":2}'),
        ],
        [A, B],
    ),
    "interleaved": (
        [
            piece(0, "A", "f", '{"a"'),
            piece(1, "B", "g", '{"b"'),
            piece(0, arguments=":1}"),
            piece(1, arguments=":2}"),
        ],
        [A, B],
    ),
    "all names announced first": (
        [
            piece(0, "A", "f"),
            piece(1, "B", "g"),
            piece(1, arguments='{"b":2}'),
            piece(0, arguments='{"a":1}'),
        ],
        [A, B],
    ),
    "arguments before the name": (
        [piece(0, "A", None, '{"a"'), piece(0, None, "f", ":1}")],
        [A],
    ),
    "no arguments": ([piece(0, "A", "f")], [("f", "{}", "A")]),
    "a call that never gets a name is none": (
        [piece(0, "A", None, "{}"), piece(1, "B", "g", '{"b":2}')],
        [B],
    ),
    "arguments that never become JSON": (
        [piece(0, "A", "f", "{oops"), piece(1, "B", "g", '{"b":2}')],
        [("f", "{oops", "A"), B],
    ),
    "a brace inside a string is no end": (
        [piece(0, "A", "f", '{"a":"}'), piece(1, "B", "g", '{"b":2}'), piece(0, arguments='"}')],
        [("f", '{"a":"}"}', "A"), B],
    ),
    "no function": ([{"index": 0, "id": "A"}, piece(0, None, "f", '{"a":1}')], [A]),
}


@pytest.mark.parametrize(("fragments", "expected"), SHAPES.values(), ids=SHAPES.keys())
def test_a_shape_of_fragments(
    fragments: list[Fragment], expected: list[tuple[str, str, str]]
) -> None:
    assert calls(*fragments) == expected


@pytest.mark.parametrize("id", [None, "", "x" * 65])
def test_an_id_that_no_client_could_use_is_replaced(id: str | None) -> None:
    [(_, _, call_id)] = calls(piece(0, id, "f", "{}"))
    assert call_id.startswith("call_")


def test_an_id_given_twice_is_replaced_the_second_time() -> None:
    first, second = calls(piece(0, "A", "f", "{}"), piece(1, "A", "g", "{}"))
    assert first[2] == "A"
    assert second[2].startswith("call_")
