"""Frames on the asyncio side: with a worker (``inside/frames.py``) and on the supervisor's socket.

Both sides of the supervisor have the same form: ``>I`` length of the body, one byte of kind, the
body. A request is a line of JSON and, after it, bytes; an answer is any number of outputs and one
``DONE`` with JSON. Every kind has a bound, and what is over it ends the connection: with a worker
because it has broken out of its loop, with a client because it is not ours.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from .errors import ProtocolViolation
from .inside.frames import BYTES, DONE, IMAGE, REQUEST, RESULT, STDERR, STDOUT
from .values import CallError, CallStatus, FileEntry, Limits, SandboxInfo

__all__ = [
    "BYTES",
    "DONE",
    "IMAGE",
    "LONGEST_NOTICE",
    "PIECE_BYTES",
    "REQUEST",
    "REQUEST_BOUNDS",
    "RESULT",
    "STDERR",
    "STDOUT",
    "Accepted",
    "Answer",
    "AttachSession",
    "CallEnd",
    "CloseSession",
    "FileList",
    "FilePiece",
    "GetInfo",
    "GetPiece",
    "Interrupt",
    "ListFiles",
    "OpenSession",
    "Opened",
    "PutPiece",
    "RefusalCode",
    "Refused",
    "Request",
    "RunCode",
    "Told",
    "WorkerDone",
    "decode_answer",
    "decode_request",
    "decode_worker_done",
    "encode",
    "frame",
    "read_frame",
    "worker_bounds",
]

HEAD = struct.Struct(">IB")
PIECE_BYTES = 1 << 20
CODE_BYTES = 1 << 20
DONE_BYTES = 1 << 18
REQUEST_BOUNDS = {REQUEST: CODE_BYTES + PIECE_BYTES}
MOST_BYTES_OF_CHARACTER = 4
STREAM_FRAME_BYTES = 16_384 * MOST_BYTES_OF_CHARACTER
LONGEST_NOTICE = 100

encode = msgspec.json.Encoder().encode


class OpenSession(Struct, frozen=True, tag_field="op", tag="open"):
    memory_bytes: int | None = None


class AttachSession(Struct, frozen=True, tag_field="op", tag="attach"):
    session: str


class RunCode(Struct, frozen=True, tag_field="op", tag="run"):
    code: str
    seconds: float


class Interrupt(Struct, frozen=True, tag_field="op", tag="interrupt"):
    pass


class PutPiece(Struct, frozen=True, tag_field="op", tag="put"):
    path: str
    offset: int


class GetPiece(Struct, frozen=True, tag_field="op", tag="get"):
    path: str
    offset: int


class ListFiles(Struct, frozen=True, tag_field="op", tag="list"):
    pass


class CloseSession(Struct, frozen=True, tag_field="op", tag="close"):
    pass


class GetInfo(Struct, frozen=True, tag_field="op", tag="info"):
    pass


Request = (
    OpenSession
    | AttachSession
    | RunCode
    | Interrupt
    | PutPiece
    | GetPiece
    | ListFiles
    | CloseSession
    | GetInfo
)


RefusalCode = Literal["busy", "gone", "file", "down"]


class Refused(Struct, frozen=True, tag_field="is", tag="refused"):
    code: RefusalCode
    message: str


class Accepted(Struct, frozen=True, tag_field="is", tag="accepted"):
    pass


class Opened(Struct, frozen=True, tag_field="is", tag="opened"):
    session: str


class FilePiece(Struct, frozen=True, tag_field="is", tag="piece"):
    size: int
    """Of the whole file."""


class FileList(Struct, frozen=True, tag_field="is", tag="files"):
    files: tuple[FileEntry, ...]


class Told(Struct, frozen=True, tag_field="is", tag="info"):
    info: SandboxInfo


class CallEnd(Struct, frozen=True, tag_field="is", tag="end"):
    """How a call has ended."""

    status: CallStatus
    error: CallError | None = None
    files: tuple[FileEntry, ...] = ()
    """Of the working directory, new or changed."""
    images_left_out: int = 0
    state_lost: bool = False
    """The session goes on with a new interpreter: its variables are gone, its files are there."""
    seconds: float = 0.0


Answer = Refused | Accepted | Opened | FilePiece | FileList | Told | CallEnd


class WorkerFailure(Struct, frozen=True):
    name: str
    message: str
    traceback: str


class WorkerDone(Struct, frozen=True):
    """The end of an answer of a worker, as it claims."""

    nonce: str
    status: Literal["ok", "error", "interrupted"] = "ok"
    error: WorkerFailure | None = None
    files: tuple[FileEntry, ...] = ()
    images_left_out: int = 0
    size: int = 0


_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_answers: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
_worker_dones = msgspec.json.Decoder(WorkerDone)


def decode_request(body: bytes) -> tuple[Request, bytes]:
    """A request and the bytes that follow its line; raises :class:`ProtocolViolation`."""
    head, _, data = body.partition(b"\n")
    try:
        return _requests.decode(head), data
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ProtocolViolation(f"not a request: {error}") from error


def decode_answer(body: bytes) -> Answer:
    try:
        return _answers.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ProtocolViolation(f"not an answer: {error}") from error


def decode_worker_done(body: bytes) -> WorkerDone:
    try:
        return _worker_dones.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ProtocolViolation(f"not the end of a call: {error}") from error


def worker_bounds(limits: Limits) -> Mapping[int, int]:
    """The longest body of each kind that a worker may send."""
    result = (limits.result_characters + LONGEST_NOTICE) * MOST_BYTES_OF_CHARACTER
    return {
        DONE: DONE_BYTES,
        STDOUT: STREAM_FRAME_BYTES,
        STDERR: STREAM_FRAME_BYTES,
        RESULT: result,
        IMAGE: limits.image_bytes,
        BYTES: PIECE_BYTES,
    }


def frame(kind: int, body: bytes) -> bytes:
    return HEAD.pack(len(body), kind) + body


async def read_frame(reader: asyncio.StreamReader, bounds: Mapping[int, int]) -> tuple[int, bytes]:
    """The next frame. Raises :class:`ProtocolViolation`, and ``asyncio.IncompleteReadError`` or
    ``ConnectionError`` when the other side has gone."""
    length, kind = HEAD.unpack(await reader.readexactly(HEAD.size))
    if kind not in bounds or length > bounds[kind]:
        raise ProtocolViolation(f"a frame of kind {kind} with {length} bytes")
    return kind, await reader.readexactly(length)
