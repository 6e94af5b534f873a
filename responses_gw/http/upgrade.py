"""WebSocket upgrades, which are not served yet.

426 makes Codex fall back to HTTP at once and in silence; any other refusal costs it seven attempts
(CLIENTS §3).
"""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

__all__ = ["refuse_websocket"]

_BODY = (
    b'{"error":{"message":"This server does not take WebSocket connections. Use HTTP.",'
    b'"type":"invalid_request_error","param":null,"code":"websocket_unsupported"}}'
)


async def refuse_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send(
        {
            "type": "websocket.http.response.start",
            "status": 426,
            "headers": [(b"content-type", b"application/json"), (b"upgrade", b"HTTP/1.1")],
        }
    )
    await send({"type": "websocket.http.response.body", "body": _BODY})
