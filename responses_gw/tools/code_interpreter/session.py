"""One session in the supervisor: its worker, its calls and what is left when one goes wrong.

A worker that breaks the protocol, hangs or crashes is killed and replaced when it is next needed:
the session keeps its files and loses its variables, and whoever called is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable

from .backend import Backend, WorkerProcess
from .bounds import CallBounds, cut_in_the_middle
from .errors import FileRefused, ProtocolViolation, SandboxDown
from .inside.worker import READY
from .values import CallError, CallStatus, FileEntry, Limits
from .wire import (
    BYTES,
    DONE,
    REQUEST,
    STDOUT,
    CallEnd,
    WorkerDone,
    decode_worker_done,
    encode,
    frame,
    read_frame,
    worker_bounds,
)

__all__ = ["Emit", "Session", "start_worker"]

Emit = Callable[[int, bytes], Awaitable[None]]
FILE_SECONDS = 20.0
LATE_FRAMES = 10_000
RAW_CHARACTERS = 16_384


async def start_worker(
    backend: Backend, name: str, limits: Limits, seconds: float
) -> WorkerProcess:
    """A worker that has said it is ready, and stands still. Raises :class:`SandboxDown`."""
    process = await backend.spawn(name, limits)
    process.raw.begin()
    try:
        async with asyncio.timeout(seconds):
            kind, body = await read_frame(process.reader, worker_bounds(limits))
        if kind != DONE or decode_worker_done(body).nonce != READY:
            raise ProtocolViolation("it begins with something else than that it is ready")
    except (ProtocolViolation, EOFError, OSError) as error:
        why = process.raw.end().strip() or str(error)
        how = await process.kill()
        raise SandboxDown(f"a worker has not started ({how}): {why}") from error
    except BaseException:
        await asyncio.shield(process.kill())
        raise
    process.raw.end()
    process.pause()
    return process


class Session:
    """Calls come one at a time: :attr:`lock` is the caller's to hold."""

    def __init__(self, backend: Backend, name: str, limits: Limits, start_seconds: float) -> None:
        self.id = secrets.token_urlsafe(24)
        """For clients. The zygote, whose memory all sessions inherit, only knows ``name``."""
        self.lock = asyncio.Lock()
        self.users = 0
        self.last_used = time.monotonic()
        self.is_closed = False
        self._backend = backend
        self._name = name
        self._limits = limits
        self._start_seconds = start_seconds
        self._process: WorkerProcess | None = None
        self._interrupted = asyncio.Event()
        self._how_it_ended = ""
        self._last_words = ""

    def adopt(self, process: WorkerProcess) -> None:
        """Use a worker that was started before."""
        self._process = process

    def interrupt(self) -> None:
        """The call in hand, if any, is to stop."""
        self._interrupted.set()

    async def run(self, code: str, seconds: float, grace: float, emit: Emit) -> CallEnd:
        """Run code; outputs go to ``emit`` as they come. Raises :class:`SandboxDown`.

        After ``seconds``, or an :meth:`interrupt`, the code is interrupted, and killed after
        ``grace`` more seconds.
        """
        started = time.monotonic()
        if self._interrupted.is_set():  # while it waited for its turn
            self._interrupted.clear()
            return CallEnd("interrupted", CallError("KeyboardInterrupt", "It has not been begun"))
        process = await self._live()
        process.raw.begin()
        nonce = secrets.token_hex(16)
        answer = asyncio.create_task(self._call(process, nonce, code, emit))
        try:
            end = await self._watch(process, answer, seconds, grace)
        except BaseException:
            answer.cancel()
            await asyncio.shield(self._discard())
            raise
        finally:
            self._interrupted.clear()
        text = self._pause() if self._process is not None else self._last_words
        if text:
            text = cut_in_the_middle(text, RAW_CHARACTERS, "raw output")
            await emit(STDOUT, text.encode())
        return _with_seconds(end, time.monotonic() - started)

    async def put(self, path: str, offset: int, data: bytes) -> None:
        """Write a piece of a file. Raises :class:`FileRefused` or :class:`SandboxDown`."""
        await self._ask({"op": "put", "path": path, "offset": offset}, data)

    async def get(self, path: str, offset: int) -> tuple[bytes, int]:
        """A piece of a file and the whole size of it."""
        done, piece = await self._ask({"op": "get", "path": path, "offset": offset})
        return piece, done.size

    async def list_files(self) -> tuple[FileEntry, ...]:
        done, _ = await self._ask({"op": "list"})
        return done.files

    async def close(self) -> None:
        """End it, with its files."""
        self.is_closed = True
        await self._discard()
        with contextlib.suppress(SandboxDown):
            await self._backend.drop(self._name)

    async def _live(self) -> WorkerProcess:
        if self._process is None:
            self._process = await start_worker(
                self._backend, self._name, self._limits, self._start_seconds
            )
        self._process.resume()
        return self._process

    def _pause(self) -> str:
        assert self._process is not None, "a call has just gone well"
        text = self._process.raw.end()
        self._process.pause()
        return text

    async def _discard(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._last_words = process.raw.end()
            self._how_it_ended = await process.kill()

    async def _watch(
        self,
        process: WorkerProcess,
        answer: asyncio.Task[WorkerDone],
        seconds: float,
        grace: float,
    ) -> CallEnd:
        asked = asyncio.create_task(self._interrupted.wait())
        try:
            await asyncio.wait(
                {answer, asked}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            was_stopped: CallStatus | None = None
            if not answer.done():
                was_stopped = "interrupted" if asked.done() else "timeout"
                for _ in range(2):  # the first is lost when the code has just not begun
                    process.interrupt()
                    await asyncio.wait({answer}, timeout=grace / 2)
                    if answer.done():
                        break
        finally:
            asked.cancel()
        if not answer.done():
            answer.cancel()
            await self._discard()
            return _lost(was_stopped or "timeout", "TimeoutError", "The call did not stop in time")
        try:
            return _end_of(answer.result(), was_stopped)
        except ProtocolViolation as violation:
            await self._discard()
            return _lost("violation", "ProtocolViolation", f"The call was stopped: {violation}")
        except (EOFError, OSError):
            await self._discard()
            return _lost("crashed", "Crashed", f"The interpreter ended ({self._how_it_ended})")

    async def _call(self, process: WorkerProcess, nonce: str, code: str, emit: Emit) -> WorkerDone:
        bounds, frames = CallBounds(self._limits), worker_bounds(self._limits)
        request = encode({"op": "run", "nonce": nonce, "code": code})
        process.writer.write(frame(REQUEST, request + b"\n"))
        await process.writer.drain()
        late = 0
        while True:
            kind, body = await read_frame(process.reader, frames)
            if kind != DONE:
                bounds.take(kind, body)
                await emit(kind, body)
                continue
            done = decode_worker_done(body)
            if done.nonce == nonce:
                return done
            late += 1  # forged by the code, or the end of a call that was given up
            if late > LATE_FRAMES:
                raise ProtocolViolation("a flood of ends of calls")

    async def _ask(self, request: dict[str, object], data: bytes = b"") -> tuple[WorkerDone, bytes]:
        process = await self._live()
        nonce = secrets.token_hex(16)
        head = encode({**request, "nonce": nonce})
        try:
            async with asyncio.timeout(FILE_SECONDS):
                process.writer.write(frame(REQUEST, head + b"\n" + data))
                await process.writer.drain()
                done, piece = await self._answer_to(process, nonce)
        except (ProtocolViolation, EOFError, OSError) as error:
            await self._discard()
            raise FileRefused("The interpreter did not answer and was restarted") from error
        except BaseException:
            await asyncio.shield(self._discard())
            raise
        process.pause()
        if done.status != "ok":
            raise FileRefused(done.error.message if done.error else "The file is out of reach")
        return done, piece

    async def _answer_to(self, process: WorkerProcess, nonce: str) -> tuple[WorkerDone, bytes]:
        frames, piece = worker_bounds(self._limits), b""
        for _ in range(LATE_FRAMES):
            kind, body = await read_frame(process.reader, frames)
            if kind == BYTES:
                piece = body
            elif kind == DONE:
                done = decode_worker_done(body)
                if done.nonce == nonce:
                    return done, piece
        raise ProtocolViolation("a flood of frames")


def _end_of(done: WorkerDone, was_stopped: CallStatus | None) -> CallEnd:
    status: CallStatus = done.status
    if done.status == "interrupted":
        status = was_stopped or "error"  # the code can raise KeyboardInterrupt itself
    error = None
    if done.error is not None:
        error = CallError(done.error.name, done.error.message, done.error.traceback)
    return CallEnd(status, error, done.files, done.images_left_out)


def _lost(status: CallStatus, name: str, message: str) -> CallEnd:
    told = f"{message}; the interpreter was restarted: variables are lost, files are kept"
    return CallEnd(status, CallError(name, told), state_lost=True)


def _with_seconds(end: CallEnd, seconds: float) -> CallEnd:
    return CallEnd(
        end.status, end.error, end.files, end.images_left_out, end.state_lost, round(seconds, 6)
    )
