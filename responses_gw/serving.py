"""One process that serves one ASGI application with hypercorn until a signal stops it.

hypercorn binds its sockets after the application's start and does not run the application's
shutdown when that fails; a crash at start it takes for a missing lifespan, and goes on. So the
socket is bound before anything starts, the lifespan is run here, around hypercorn, and hypercorn
gets the bound socket by its number. It listens only once the application has started.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import hypercorn.asyncio
import hypercorn.config
import uvloop
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["StartFailed", "bind", "serve"]

log = logging.getLogger("responses_gw.serving")
GRACE_SECONDS = 30.0  # what streams get to end after the first signal
SHUTDOWN_SECONDS = 60.0  # what the application gets to close its resources
BACKLOG = 1024


class StartFailed(Exception):
    """The service cannot start; the message is for the operator."""


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address, not yet listening. Raises `StartFailed` when that fails."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartFailed(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def serve(
    app: ASGIApp,
    listener: socket.socket,
    announce: Callable[[], None],
    stop_when_readable: int | None = None,
) -> bool:
    """Serve until SIGTERM or SIGINT; ``announce`` is called once connections are accepted.

    Streams get 30 s after the signal, a second signal ends them at once; True: there was no
    second one. The end of the file descriptor ``stop_when_readable``, or any byte in it, stops as
    a signal does. Closes ``listener``. Raises `StartFailed`.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.get_loop().set_exception_handler(_report)
            runner.run(_serve(app, listener, announce, stop_when_readable))
    except asyncio.CancelledError:
        return False
    return True


async def _serve(
    app: ASGIApp, listener: socket.socket, announce: Callable[[], None], readable: int | None
) -> None:
    stop = _stop_on_signals()
    if readable is not None:
        asyncio.get_running_loop().add_reader(readable, stop.set)

    async def listening_until_stopped() -> None:
        announce()
        await stop.wait()

    config = hypercorn.config.Config()
    config.backlog = BACKLOG
    config.graceful_timeout = GRACE_SECONDS
    # its handler is the root's: level and format are the application's business
    config.errorlog = logging.getLogger("hypercorn.error")
    config.errorlog.setLevel(logging.WARNING)
    with listener:
        async with _Lifespan(app):
            if stop.is_set():
                return
            config.bind = [f"fd://{listener.detach()}"]
            try:
                await hypercorn.asyncio.serve(
                    _without_lifespan(app),  # type: ignore[arg-type]
                    config,
                    shutdown_trigger=listening_until_stopped,
                    mode="asgi",
                )
            except OSError as error:
                raise StartFailed(f"cannot listen: {error.strerror}") from error


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    # Python 3.11's streams report a connection whose task was cancelled: those that were cut
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def _stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM, SIGINT or SIGHUP; every further one cancels the calling task."""
    stop = asyncio.Event()
    task = asyncio.current_task()
    assert task is not None

    def on_signal() -> None:
        if stop.is_set():
            task.cancel()
        else:
            log.warning(
                "stopping: streams get %g s to end, a second signal ends them now", GRACE_SECONDS
            )
        stop.set()

    # a terminal that is closed sends SIGHUP
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    return stop


class _Lifespan:
    """The application's lifespan around a block, as ASGI's lifespan protocol has it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        scope: Scope = {"type": "lifespan", "asgi": {"spec_version": "2.0", "version": "3.0"}}
        scope["state"] = {}
        self._running = asyncio.ensure_future(
            self._app(scope, self._to_app.get, self._from_app.put)
        )
        await self._pass("startup")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        async with asyncio.timeout(SHUTDOWN_SECONDS):
            await self._pass("shutdown")
            await self._running

    async def _pass(self, stage: str) -> None:
        """Go through one stage. Raises what the application raised, or `StartFailed`."""
        self._to_app.put_nowait({"type": f"lifespan.{stage}"})
        answer = asyncio.ensure_future(self._from_app.get())
        try:
            await asyncio.wait({answer, self._running}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                self._running.result()
                raise StartFailed(f"the application ended its lifespan before {stage}")
            message = answer.result()
        finally:
            answer.cancel()
        if message["type"] == f"lifespan.{stage}.failed":
            raise StartFailed(message.get("message") or f"{stage} failed")


def _without_lifespan(app: ASGIApp) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    # not a coroutine function: requests run on the application's own frame
    def serve_requests(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return _acknowledge(receive, send)
        return app(scope, receive, send)

    return serve_requests


async def _acknowledge(receive: Receive, send: Send) -> None:
    for _ in ("startup", "shutdown"):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
