"""The splitter gives the same events whatever way their bytes were cut."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.machine import sse
from responses_gw.machine.sse import EventSplitter, OversizedEvent


def split_all(*reads: bytes) -> list[bytes]:
    splitter = EventSplitter()
    events = [event for read in reads for event in splitter.feed(read)]
    return events + splitter.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


CASES = {
    "one event": (b"data: a\n\n", [b"a"]),
    "several in one read": (b"data: a\n\ndata: b\n\ndata: c\n\n", [b"a", b"b", b"c"]),
    "CRLF line ends": (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
    "bare CR line ends": (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
    "a comment between events": (b": keep-alive\n\ndata: a\n\n", [b"a"]),
    "a comment inside an event": (b": hello\ndata: a\n\n", [b"a"]),
    "no space after the colon": (b"data:a\n\n", [b"a"]),
    "two spaces after the colon keep one": (b"data:  a\n\n", [b" a"]),
    "other fields are passed over": (b"event: x\nid: 7\ndata: a\nretry: 5\n\n", [b"a"]),
    "several data lines are joined": (b"data: a\ndata: b\n\n", [b"a\nb"]),
    "blank lines too many": (b"\n\n\ndata: a\n\n\n\ndata: b\n\n\n", [b"a", b"b"]),
    "a last event without its blank line": (b"data: a\n\ndata: b\n", [b"a", b"b"]),
    "a last event without a line end": (b"data: a\n\ndata: b", [b"a", b"b"]),
    "bytes that are no UTF-8": (b"data: \xff\xfe\n\n", [b"\xff\xfe"]),
    "nothing": (b"", []),
    "data without a colon": (b"data\n\n", []),
}


@pytest.mark.parametrize(("data", "events"), CASES.values(), ids=CASES.keys())
def test_it_reads_what_the_format_allows(data: bytes, events: list[bytes]) -> None:
    assert split_all(data) == events


@pytest.mark.parametrize(("data", "events"), CASES.values(), ids=CASES.keys())
def test_it_reads_the_same_one_byte_at_a_time(data: bytes, events: list[bytes]) -> None:
    assert split_all(*(data[at : at + 1] for at in range(len(data)))) == events


@given(
    payloads=st.lists(st.text(min_size=1).map(lambda text: json.dumps(text).encode())),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    places=st.lists(st.integers(0, 10_000), max_size=30),
)
def test_any_cut_gives_the_same_events(
    payloads: list[bytes], line_end: bytes, places: list[int]
) -> None:
    data = b"".join(b"data: " + payload + line_end + line_end for payload in payloads)
    assert split_all(*cut(data, places)) == payloads


@given(data=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=10))
def test_no_bytes_can_break_it(data: bytes, places: list[int]) -> None:
    assert split_all(*cut(data, places)) == split_all(data)


def test_an_event_of_many_megabytes_is_joined_once() -> None:
    piece = b"x" * 65536
    splitter = EventSplitter()
    assert splitter.feed(b"data: ") == []
    for _ in range(256):
        assert splitter.feed(piece) == []
    assert splitter.feed(b"\n\ndata: b\n\n") == [piece * 256, b"b"]


def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    splitter = EventSplitter()
    splitter.feed(b"data: " + b"x" * 900)
    with pytest.raises(OversizedEvent):
        splitter.feed(b"x" * 200)
