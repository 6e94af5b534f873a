"""The supervisor's Unix socket: one connection holds one session at a time.

A connection opens a session or attaches to one by its id, which is its secret; sessions outlive
connections. Requests are answered in order; while code runs, an ``interrupt`` may come in between,
and a client that goes away interrupts what it has started.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

from .errors import (
    FileRefused,
    ProtocolViolation,
    SandboxBusy,
    SandboxError,
    SessionGone,
)
from .session import Session
from .sessions import Sessions
from .values import SandboxConfig
from .wire import (
    BYTES,
    DONE,
    REQUEST_BOUNDS,
    Accepted,
    Answer,
    AttachSession,
    CloseSession,
    FileList,
    FilePiece,
    GetInfo,
    GetPiece,
    Interrupt,
    ListFiles,
    Opened,
    OpenSession,
    PutPiece,
    RefusalCode,
    Refused,
    RunCode,
    Told,
    decode_request,
    encode,
    frame,
    read_frame,
)

__all__ = ["SandboxServer"]

Work = (
    OpenSession | AttachSession | RunCode | PutPiece | GetPiece | ListFiles | CloseSession | GetInfo
)


class SandboxServer:
    def __init__(self, sessions: Sessions, config: SandboxConfig) -> None:
        self._sessions = sessions
        self._config = config
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        path = f"{self._config.run_folder}/socket"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._config.run_folder}/socket")
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "this runs in the server's task"
        self._connections.add(task)
        connection = _Connection(self._sessions, self._config, reader, writer)
        try:
            await connection.serve()
        except (ProtocolViolation, EOFError, OSError, asyncio.CancelledError):
            pass  # the client has gone or is none of ours; or we are stopping
        finally:
            connection.leave()
            writer.close()
            self._connections.discard(task)


class _Connection:
    """One client. A task reads its requests, so that an interrupt is seen while code runs."""

    def __init__(
        self,
        sessions: Sessions,
        config: SandboxConfig,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._sessions = sessions
        self._config = config
        self._reader = reader
        self._writer = writer
        self._session: Session | None = None
        self._has_call = False
        self._requests: asyncio.Queue[tuple[Work, bytes] | None] = asyncio.Queue(1)

    async def serve(self) -> None:
        reading = asyncio.create_task(self._read())
        try:
            while (item := await self._requests.get()) is not None:
                try:
                    answer = await self._handle(*item)
                except SandboxError as error:
                    answer = Refused(_code(error), str(error))
                self._has_call = False
                await self._send(DONE, encode(answer))
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        """Until the client goes away, which is an interrupt too."""
        try:
            while True:
                _, body = await read_frame(self._reader, REQUEST_BOUNDS)
                request, data = decode_request(body)
                if not isinstance(request, Interrupt):
                    await self._requests.put((request, data))
                    self._has_call = isinstance(request, RunCode)
                elif self._has_call:
                    self._interrupt()
        except (ProtocolViolation, EOFError, OSError):
            if self._has_call:
                self._interrupt()
            await self._requests.put(None)

    def _interrupt(self) -> None:
        if self._session is not None:
            self._session.interrupt()

    def leave(self) -> None:
        if self._session is not None:
            self._session.users -= 1
            self._session.last_used = time.monotonic()
            self._session = None

    async def _handle(self, request: Work, data: bytes) -> Answer:
        if isinstance(request, GetInfo):
            return Told(self._sessions.info())
        if isinstance(request, OpenSession):
            return self._hold(await self._sessions.open(request.memory_bytes))
        if isinstance(request, AttachSession):
            return self._hold(self._sessions.get(request.session))
        session = self._session
        if session is None or session.is_closed:
            raise SessionGone("the session has been closed")
        if isinstance(request, CloseSession):
            self.leave()
            await self._sessions.close(session)
            return Accepted()
        async with session.lock:
            session.last_used = time.monotonic()
            try:
                return await self._work(session, request, data)
            finally:
                session.last_used = time.monotonic()

    def _hold(self, session: Session) -> Opened:
        self.leave()
        session.users += 1
        self._session = session
        return Opened(session.id)

    async def _work(
        self, session: Session, request: RunCode | PutPiece | GetPiece | ListFiles, data: bytes
    ) -> Answer:
        if isinstance(request, RunCode):
            return await self._run(session, request)
        if isinstance(request, ListFiles):
            return FileList(await session.list_files())
        if isinstance(request, PutPiece):
            await session.put(request.path, request.offset, data)
            return Accepted()
        piece, size = await session.get(request.path, request.offset)
        await self._send(BYTES, piece)
        return FilePiece(size)

    async def _run(self, session: Session, request: RunCode) -> Answer:
        try:
            async with asyncio.timeout(self._config.queue_seconds):
                await self._sessions.calls.acquire()
        except TimeoutError as error:
            raise SandboxBusy("too many calls are running on this host") from error
        try:
            grace = self._config.grace_seconds
            return await session.run(request.code, request.seconds, grace, self._send_output)
        finally:
            self._sessions.calls.release()

    async def _send_output(self, kind: int, body: bytes) -> None:
        with contextlib.suppress(OSError):  # the client has gone, which is no fault of the session
            await self._send(kind, body)

    async def _send(self, kind: int, body: bytes) -> None:
        self._writer.write(frame(kind, body))
        await self._writer.drain()


def _code(error: SandboxError) -> RefusalCode:
    codes: dict[type[SandboxError], RefusalCode] = {
        SandboxBusy: "busy",
        SessionGone: "gone",
        FileRefused: "file",
    }
    return codes.get(type(error), "down")
