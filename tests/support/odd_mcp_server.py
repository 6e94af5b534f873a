"""An MCP server over HTTP that answers as no server should, from the inside of a test.

`/FAULT/METHOD` answers like an MCP server of 2025-06-18 with one tool, `act`, but requests of
METHOD (`initialize`, `tools/list`, `tools/call`; written without the slash) with FAULT. It runs in
a thread of its own and remembers which methods it was asked, and when.
"""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType
from typing import Any, Self

from aiohttp import web

__all__ = ["FAULTS", "OddMcpServer"]

FAULTS = ("garbage", "wrong-id", "endless", "redirect", "html", "unauthorized", "silent", "cut")
_RESULTS: dict[str, dict[str, Any]] = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "odd", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "act", "inputSchema": {"type": "object"}}]},
    "tools/call": {"content": [{"type": "text", "text": "acted"}]},
}


class OddMcpServer:
    """A context manager. ``asked`` has the methods with the time of ``time.monotonic()``, and
    "hung up" for each endless answer that nobody reads any more.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="odd", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10), "the odd server did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def url(self, fault: str, method: str) -> str:
        return f"http://127.0.0.1:{self.port}/{fault}/{method.replace('/', '-')}"

    async def asked_for(self, method: str, seconds: float = 5.0) -> float:
        """When it was asked for this, which may still come. Raises `AssertionError`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for asked, at in self.asked:
                if asked == method:
                    return at
            await asyncio.sleep(0.02)
        raise AssertionError(f"nobody asked for {method}, only for {self.asked}")

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/{fault}/{method}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        method = message["method"]
        self.asked.append((method, time.monotonic()))
        if "id" not in message:
            return web.Response(status=202)
        if method.replace("/", "-") == request.match_info["method"]:
            return await self._wrong(request, message["id"])
        return _rpc(message["id"], method)

    async def _wrong(self, request: web.Request, id: object) -> web.StreamResponse:
        match request.match_info["fault"]:
            case "garbage":
                return web.Response(body=b'{"jsonrpc":"2.0","id":', content_type="application/json")
            case "wrong-id":
                return _rpc("another", request.match_info["method"].replace("-", "/"))
            case "redirect":
                return web.Response(status=302, headers={"location": "http://169.254.169.254/x"})
            case "html":
                return web.Response(text="<html>Log in!</html>", content_type="text/html")
            case "unauthorized":
                return web.Response(status=401, text="secret reason")
            case "endless":
                try:
                    await _endless(request)
                finally:
                    self.asked.append(("hung up", time.monotonic()))
            case "cut":
                assert request.transport is not None
                request.transport.close()
        await asyncio.sleep(3600)  # "silent"
        raise AssertionError("nobody waits so long")


def _rpc(id: object, method: str) -> web.Response:
    if method not in _RESULTS:
        error = {"code": -32601, "message": "Method not found"}
        return web.json_response({"jsonrpc": "2.0", "id": id, "error": error})
    return web.json_response({"jsonrpc": "2.0", "id": id, "result": _RESULTS[method]})


async def _endless(request: web.Request) -> None:
    """A stream of events that are no answer, until the client hangs up: raises an ``OSError``."""
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    params = {"level": "info", "data": "x" * 1000}
    note = web.json_response(
        {"jsonrpc": "2.0", "method": "notifications/message", "params": params}
    ).text
    while True:
        await response.write(f"event: message\ndata: {note}\n\n".encode())
        await asyncio.sleep(0.001)
