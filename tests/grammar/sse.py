"""Bytes to events, strictly."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from .objects import fields
from .rules import Fail, GrammarError, Json
from .tables import spec


def parse_sse(data: bytes) -> list[Json]:
    """The events of a whole SSE answer, comments and heartbeats left out.

    Raises GrammarError when a frame is not exactly as the wire format says or `[DONE]` is missing.
    """
    *frames, rest = data.split(b"\n\n")
    if rest:
        raise GrammarError("sse.frame", "the last frame is not finished", len(frames), repr(rest))
    if not frames or frames[-1] != b"data: [DONE]":
        raise GrammarError("sse.done", "the stream does not end with it", len(frames), repr(frames))
    events = [_frame(frame, index) for index, frame in enumerate(frames[:-1])]
    return [event for event in events if event is not None]


def _frame(frame: bytes, index: int) -> Json | None:
    def fail(rule: str, why: str) -> NoReturn:
        raise GrammarError(rule, why, index, repr(frame))

    if frame == b"data: [DONE]":
        fail("sse.done", "it is not the last frame")
    try:
        lines = frame.decode().split("\n")
    except UnicodeDecodeError as error:
        fail("sse.json", f"not UTF-8: {error}")
    if all(line.startswith(":") for line in lines) and "\r" not in "".join(lines):
        return None
    shape = re.fullmatch(r"event: (\S+)\ndata: (\{[^\r\n]*\})", "\n".join(lines))
    if shape is None:
        fail("sse.frame", "neither a comment nor one event line and one data line")
    event = _strict_json(shape[2], fail)
    if event.get("type") != shape[1]:
        fail("sse.type", f"the event line says {shape[1]}, the JSON {event.get('type')}")
    if shape[1] == "keepalive":
        fields(event, spec("sequence_number:int"), fail)
        return None
    return event


def _strict_json(text: str, fail: Fail) -> Json:
    def keys(pairs: list[tuple[str, Any]]) -> Json:
        if len(dict(pairs)) != len(pairs):
            fail("sse.json", f"a key is repeated: {[key for key, _ in pairs]}")
        return dict(pairs)

    def constant(name: str) -> NoReturn:
        fail("sse.json", f"{name} is no JSON")

    try:
        found: Json = json.loads(text, object_pairs_hook=keys, parse_constant=constant)
        json.dumps(found, ensure_ascii=False).encode()
    except ValueError as error:  # also UnicodeEncodeError: half of a surrogate pair
        fail("sse.json", str(error))
    return found
