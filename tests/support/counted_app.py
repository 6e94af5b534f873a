"""The product's app, and one more path that names the tasks of its event loop.

Served as `Service(env, log, app="tests.support.counted_app:app")`: the product itself has no such
door.
"""

from __future__ import annotations

import asyncio
import json

from starlette.types import Receive, Scope, Send

from responses_gw.app import app as product

from .census import TASKS

__all__ = ["app"]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http" or scope["path"] != TASKS:
        await product(scope, receive, send)
        return
    names = [
        getattr(task.get_coro(), "__qualname__", repr(task))
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task()
    ]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(sorted(names)).encode()})
