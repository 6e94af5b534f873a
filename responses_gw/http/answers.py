"""Answers in one piece: JSON and errors, with the headers that every answer has."""

from __future__ import annotations

import msgspec
from starlette.types import Message, Scope, Send

from ..api.errors import ApiError, ErrorEnvelope

__all__ = ["StartWatch", "common_headers", "send_error", "send_json"]

Headers = list[tuple[bytes, bytes]]
_encode = msgspec.json.Encoder().encode


class StartWatch:
    """A ``send`` that remembers whether the answer has begun.

    What comes after the beginning may go straight to the server's own send.
    """

    __slots__ = ("server_send", "started")

    def __init__(self, send: Send) -> None:
        self.server_send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self.server_send(message)


def common_headers(scope: Scope) -> Headers:
    """``x-request-id`` is what clients quote and operators look for."""
    return [(b"x-request-id", scope["responses_gw.request_id"].encode("latin-1"))]


async def send_json(
    scope: Scope, send: Send, body: bytes, *, status: int = 200, headers: Headers | None = None
) -> None:
    """``body`` is JSON already."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(body)),
                *common_headers(scope),
                *(headers or ()),
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def send_error(scope: Scope, send: Send, error: ApiError) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    body = _encode(ErrorEnvelope(error.body))
    await send_json(scope, send, body, status=error.status, headers=headers)
