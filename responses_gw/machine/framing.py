"""Events into the bytes of a transport. All events of one read leave as one piece (DESIGN §4.4)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..api.events import Event, event_type

__all__ = ["DONE", "PING", "keepalive", "sse_bytes"]

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"

_encode = msgspec.json.Encoder().encode
_heads: dict[type[Event], bytes] = {}


def sse_bytes(events: Iterable[Event]) -> bytes:
    """``event: TYPE\\ndata: JSON\\n\\n`` for each event (ORDERING §0.8)."""
    pieces: list[bytes] = []
    for event in events:
        head = _heads.get(type(event)) or _head_of(type(event))
        pieces += (head, _encode(event), b"\n\n")
    return b"".join(pieces)


def keepalive(sequence_number: int) -> bytes:
    """A heartbeat as an event, for clients whose idle timer a comment does not reset (CLIENTS §2).

    It repeats the number of the last event, so the numbers of real events stay contiguous.
    """
    return (
        b'event: keepalive\ndata: {"type":"keepalive","sequence_number":%d}\n\n' % sequence_number
    )


def _head_of(kind: type[Event]) -> bytes:
    head = _heads[kind] = b"event: %b\ndata: " % event_type(kind).encode()
    return head
