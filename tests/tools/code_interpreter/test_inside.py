"""What runs inside the sandbox: what it may import, and the laws of its parts."""

from __future__ import annotations

import ast
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.tools.code_interpreter import Limits, ProtocolViolation, StreamText
from responses_gw.tools.code_interpreter.bounds import CallBounds
from responses_gw.tools.code_interpreter.inside.frames import STDERR, STDOUT, Channel
from responses_gw.tools.code_interpreter.inside.limits import Limits as InsideLimits
from responses_gw.tools.code_interpreter.inside.streams import OutputBudget, OutputStream
from responses_gw.tools.code_interpreter.wire import (
    decode_answer,
    decode_request,
    decode_worker_done,
)
from tests.support.sandbox import INSIDE


@pytest.mark.parametrize("path", sorted(INSIDE.glob("*.py")), ids=lambda path: path.name)
def test_a_file_imports_the_standard_library_and_its_own_folder_only(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            assert not isinstance(node, ast.ImportFrom) or node.level == 1, "out of the folder"
            continue
        outside = {name.split(".")[0] for name in names} - sys.stdlib_module_names
        assert outside == set()


def test_both_sides_know_the_same_limits() -> None:
    assert set(InsideLimits.__dataclass_fields__) == set(Limits.__struct_fields__)


class Collector(Channel):
    """A channel whose frames are kept."""

    def __init__(self) -> None:
        super().__init__(-1, -1)
        self.frames: list[tuple[int, bytes]] = []

    def send(self, kind: int, body: bytes) -> None:
        self.frames.append((kind, body))


def text_of(frames: list[tuple[int, bytes]], wanted: int) -> str:
    return b"".join(body for kind, body in frames if kind == wanted).decode()


def written(pieces: list[tuple[bool, str]], stream: int, total: int) -> list[tuple[int, bytes]]:
    """The frames for pieces that go to stdout or stderr."""
    channel, budget = Collector(), OutputBudget(total)
    out = OutputStream(channel, "stdout", 1, stream, budget)
    err = OutputStream(channel, "stderr", 2, stream, budget)
    for is_error, text in pieces:
        (err if is_error else out).write(text)
    out.finish()
    err.finish()
    return channel.frames


ANY_TEXT = st.text(st.characters(), max_size=60)
PIECES = st.lists(st.tuples(st.booleans(), ANY_TEXT), max_size=12)


@given(PIECES)
def test_what_fits_is_sent_whole_in_whatever_pieces_it_is_written(
    pieces: list[tuple[bool, str]],
) -> None:
    frames = written(pieces, 20_000, 40_000)
    for is_error, kind in ((False, STDOUT), (True, STDERR)):
        sent = "".join(text for was_error, text in pieces if was_error is is_error)
        assert text_of(frames, kind) == sent.encode("utf-8", "backslashreplace").decode()


@given(PIECES, st.integers(2, 40), st.integers(2, 60))
def test_what_does_not_fit_loses_its_middle_and_stays_within_the_bounds(
    pieces: list[tuple[bool, str]], stream: int, total: int
) -> None:
    frames = written(pieces, stream, total)
    values = {"stream_characters": stream, "output_characters": total}
    bounds = CallBounds(Limits(**values))
    for kind, body in frames:
        assert isinstance(bounds.take(kind, body), StreamText)
    for is_error, kind in ((False, STDOUT), (True, STDERR)):
        sent = "".join(text for was_error, text in pieces if was_error is is_error)
        sent = sent.encode("utf-8", "backslashreplace").decode()
        got = text_of(frames, kind)
        if got != sent:
            front, _, rest = got.partition("\n[... ")
            number, _, back = rest.partition(" characters of ")
            back = back.partition(" left out ...]\n")[2]
            assert sent.startswith(front) and sent.endswith(back)
            assert len(front) + int(number) + len(back) == len(sent)


@pytest.mark.parametrize("decode", [decode_request, decode_answer, decode_worker_done])
@given(body=st.binary(max_size=200))
def test_no_bytes_break_the_decoders(decode: object, body: bytes) -> None:
    assert callable(decode)
    with suppress(ProtocolViolation):
        decode(body)
