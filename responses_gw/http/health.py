"""``/livez``: the process answers. ``/readyz``: it can take work; the balancer's question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from .answers import send_json

__all__ = ["Live", "Ready"]


class Live:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_json(scope, send, b'{"status":"ok"}')


class Ready:
    """``check`` raises :class:`~responses_gw.api.errors.ApiError` (503) while it is not."""

    def __init__(self, check: Callable[[], Awaitable[None]]) -> None:
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._check()
        await send_json(scope, send, b'{"status":"ok"}')
