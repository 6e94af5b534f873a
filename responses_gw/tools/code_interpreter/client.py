"""The asyncio client of the sandbox's supervisor, for gateway processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TypeVar

from msgspec import Struct

from .errors import (
    FileRefused,
    ProtocolViolation,
    SandboxBusy,
    SandboxDown,
    SandboxError,
    SessionGone,
)
from .values import (
    MIB,
    FileEntry,
    Picture,
    SandboxInfo,
    StreamText,
    ValueText,
)
from .wire import (
    BYTES,
    DONE,
    IMAGE,
    PIECE_BYTES,
    REQUEST,
    RESULT,
    STDERR,
    STDOUT,
    Accepted,
    Answer,
    AttachSession,
    CallEnd,
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
    Request,
    RunCode,
    Told,
    decode_answer,
    encode,
    frame,
    read_frame,
)

__all__ = ["CallResult", "Output", "SandboxClient", "SandboxSession"]

Output = StreamText | ValueText | Picture
ANSWER_BOUNDS = dict.fromkeys((STDOUT, STDERR, RESULT, IMAGE, BYTES, DONE), 64 * MIB)
ERRORS: dict[RefusalCode, type[SandboxError]] = {
    "busy": SandboxBusy,
    "gone": SessionGone,
    "file": FileRefused,
    "down": SandboxDown,
}
A = TypeVar("A")


class CallResult(Struct, frozen=True):
    """All of one call: its outputs in order, and how it ended."""

    outputs: tuple[Output, ...]
    end: CallEnd

    def text(self, stream: str) -> str:
        parts = [o.text for o in self.outputs if isinstance(o, StreamText) and o.stream == stream]
        return "".join(parts)

    @property
    def value(self) -> str | None:
        return next((o.text for o in self.outputs if isinstance(o, ValueText)), None)

    @property
    def pictures(self) -> tuple[bytes, ...]:
        return tuple(o.png for o in self.outputs if isinstance(o, Picture))


class SandboxClient:
    """The way to a supervisor; it holds nothing open itself."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path

    async def open(self, memory_bytes: int | None = None) -> SandboxSession:
        """A new session. Raises :class:`SandboxDown` or :class:`SandboxBusy`."""
        return await self._session(OpenSession(memory_bytes))

    async def attach(self, session_id: str) -> SandboxSession:
        """A session that is there already. Raises :class:`SandboxDown`, :class:`SessionGone`."""
        return await self._session(AttachSession(session_id))

    async def info(self) -> SandboxInfo:
        connection = await _Connection.open(self._path)
        try:
            return (await connection.ask(GetInfo(), Told)).info
        finally:
            connection.close()

    async def _session(self, request: OpenSession | AttachSession) -> SandboxSession:
        connection = await _Connection.open(self._path)
        try:
            opened = await connection.ask(request, Opened)
        except BaseException:
            connection.close()
            raise
        return SandboxSession(connection, opened.session)


class SandboxSession:
    """One session over one connection; one request at a time, but for :meth:`interrupt`.

    Everything raises :class:`SandboxDown` when the supervisor has gone and :class:`SessionGone`
    when the session has.
    """

    def __init__(self, connection: _Connection, session_id: str) -> None:
        self.id = session_id
        self._connection = connection

    async def __aenter__(self) -> SandboxSession:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.detach()

    async def stream(self, code: str, seconds: float) -> AsyncIterator[Output | CallEnd]:
        """Run code; its outputs as they come and, last, how it ended.

        Whoever leaves the iterator early must :meth:`detach`: the call is interrupted then.
        """
        await self._connection.send(RunCode(code, seconds))
        while True:
            kind, body = await self._connection.receive()
            if kind == DONE:
                end = _expect(decode_answer(body), CallEnd)
                yield end
                return
            yield _output(kind, body)

    async def run(self, code: str, seconds: float = 30.0) -> CallResult:
        outputs: list[Output] = []
        async for item in self.stream(code, seconds):
            if isinstance(item, CallEnd):
                return CallResult(tuple(outputs), item)
            outputs.append(item)
        raise ProtocolViolation("a call without an end")

    async def interrupt(self) -> None:
        """Stop the call that runs in :meth:`run` or :meth:`stream` of another task."""
        await self._connection.send(Interrupt())

    async def put(self, path: str, data: bytes) -> None:
        """Write a file of the working directory. Raises :class:`FileRefused`."""
        for offset in range(0, max(len(data), 1), PIECE_BYTES):
            piece = data[offset : offset + PIECE_BYTES]
            await self._connection.ask(PutPiece(path, offset), Accepted, piece)

    async def get(self, path: str, most_bytes: int = 64 * MIB) -> bytes:
        """A file of the working directory. Raises :class:`FileRefused`."""
        parts: list[bytes] = []
        held = 0
        while True:
            await self._connection.send(GetPiece(path, held))
            piece = b""
            kind, body = await self._connection.receive()
            if kind == BYTES:
                piece = body
                kind, body = await self._connection.receive()
            size = _expect(decode_answer(body), FilePiece).size
            held += len(piece)
            parts.append(piece)
            if size > most_bytes or held > most_bytes:
                raise FileRefused(f"the file has more than {most_bytes} bytes")
            if held >= size or not piece:
                return b"".join(parts)

    async def files(self) -> tuple[FileEntry, ...]:
        """The files of the working directory; not all, when there are very many."""
        return (await self._connection.ask(ListFiles(), FileList)).files

    async def close(self) -> None:
        """End the session, with its files."""
        try:
            await self._connection.ask(CloseSession(), Accepted)
        finally:
            self.detach()

    def detach(self) -> None:
        """Leave the session to whoever attaches next; a call that runs is interrupted."""
        self._connection.close()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, path: str) -> _Connection:
        try:
            return cls(*await asyncio.open_unix_connection(path))
        except OSError as error:
            raise SandboxDown(f"the sandbox's supervisor does not answer: {error}") from error

    async def send(self, request: Request, data: bytes = b"") -> None:
        try:
            self._writer.write(frame(REQUEST, encode(request) + b"\n" + data))
            await self._writer.drain()
        except OSError as error:
            raise SandboxDown("the sandbox's supervisor has ended") from error

    async def receive(self) -> tuple[int, bytes]:
        try:
            return await read_frame(self._reader, ANSWER_BOUNDS)
        except (EOFError, OSError) as error:
            raise SandboxDown("the sandbox's supervisor has ended") from error

    async def ask(self, request: Request, kind: type[A], data: bytes = b"") -> A:
        await self.send(request, data)
        _, body = await self.receive()
        return _expect(decode_answer(body), kind)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()


def _expect(answer: Answer, kind: type[A]) -> A:
    if isinstance(answer, Refused):
        raise ERRORS[answer.code](answer.message)
    if not isinstance(answer, kind):
        raise ProtocolViolation(f"an answer of another kind: {type(answer).__name__}")
    return answer


def _output(kind: int, body: bytes) -> Output:
    if kind == IMAGE:
        return Picture(body)
    text = body.decode("utf-8", "replace")
    if kind == RESULT:
        return ValueText(text)
    return StreamText("stdout" if kind == STDOUT else "stderr", text)
