"""PDFs into text, in processes that can be killed.

Theory of operation. A PDF is a program that somebody else wrote: parsing it can take hours or all
memory. So it is read in a child process (``pdf_worker.py``) that has a limit on its memory and none
of our secrets, and that is killed when its time is up. A child is started when it is first needed
and used again; one that was broken off in the middle is not. At most ``pdf_workers`` run at a time,
and whoever waits too long for one is told to come back.

The same bytes give the same text as long as pypdf is the same; what a stored response has shown to
its model is stored with it, so a chain does not depend even on that.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from ..settings import FileSettings

__all__ = ["PdfBusy", "PdfError", "PdfReaders", "PdfText"]

WORKER = Path(__file__).with_name("pdf_worker.py")
WAIT_SECONDS = 30.0
JOBS_OF_A_WORKER = 100
"""Then it is replaced: what a file has made it keep goes with it."""

Status = Literal[
    "ok",
    "broken",
    "encrypted",
    "no_text",
    "too_complex",
    "too_long",
    "too_many_pages",
    "too_slow",
    "unreadable",
]
_encode = msgspec.json.Encoder().encode


class PdfText(Struct, frozen=True):
    pages: int
    text: str


class PdfError(Exception):
    """The PDF cannot be shown to a model; the message is for the client."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


class PdfBusy(Exception):
    """Others' PDFs take all there is."""


class _Answer(Struct, frozen=True):
    status: Literal[
        "ok", "encrypted", "no_text", "too_complex", "too_long", "too_many_pages", "unreadable"
    ]
    pages: int
    size: int


_decode_answer = msgspec.json.Decoder(_Answer).decode


class _Worker:
    """A child process and how many PDFs it has read."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._jobs = 0

    @classmethod
    async def start(cls, memory_bytes: int) -> _Worker:
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(WORKER), str(memory_bytes)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
            )
        )

    @property
    def is_new(self) -> bool:
        """It has not read more than one PDF."""
        return self._jobs <= 1

    @property
    def is_fit(self) -> bool:
        return self._process.returncode is None and self._jobs < JOBS_OF_A_WORKER

    async def read(self, data: bytes, settings: FileSettings) -> tuple[_Answer, bytes]:
        """Raises ``OSError``, ``EOFError`` or ``ValueError`` when the process broke."""
        to, back = self._process.stdin, self._process.stdout
        assert to is not None and back is not None, "both are pipes"
        self._jobs += 1
        head = {
            "size": len(data),
            "max_pages": settings.max_pages,
            "max_characters": settings.max_characters,
            "seconds": settings.pdf_seconds,
        }
        to.write(_encode(head) + b"\n")
        to.write(data)
        await to.drain()
        answer = _decode_answer(await back.readline())
        if not 0 <= answer.size <= 4 * settings.max_characters:
            raise ValueError("a worker answers more than it may")
        return answer, await back.readexactly(answer.size)

    async def end(self) -> None:
        """Kill it and see it gone."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


class PdfReaders:
    """The child processes of one process, and the texts that it has read lately."""

    def __init__(self, settings: FileSettings) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(settings.pdf_workers)
        self._idle: list[_Worker] = []
        self._read: OrderedDict[bytes, PdfText] = OrderedDict()
        self._read_bytes = 0

    async def text_of(self, data: bytes) -> PdfText:
        """Raises :class:`PdfError`, and :class:`PdfBusy` when there was no process free."""
        key = hashlib.sha256(data).digest()
        if (known := self._read.get(key)) is not None:
            self._read.move_to_end(key)
            return known
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._free.acquire()
        except TimeoutError as error:
            raise PdfBusy from error
        try:
            read = await self._extract(data)
        finally:
            self._free.release()
        self._remember(key, read)
        return read

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().end()

    async def _extract(self, data: bytes) -> PdfText:
        worker = await self._worker()
        try:
            return await self._read_with(worker, data)
        except PdfError as error:
            if error.status != "broken" or worker.is_new:
                raise
        # what broke may have been the process, which had lived for a while, and not the PDF
        return await self._read_with(await self._start(), data)

    async def _read_with(self, worker: _Worker, data: bytes) -> PdfText:
        try:
            async with asyncio.timeout(self._settings.pdf_seconds):
                answer, text = await worker.read(data, self._settings)
        except TimeoutError as error:
            await worker.end()
            raise self._error("too_slow") from error
        except (OSError, EOFError, ValueError) as error:
            await worker.end()
            raise self._error("broken") from error
        except BaseException:  # nobody waits for the answer any more
            await asyncio.shield(worker.end())
            raise
        if answer.status == "too_complex" or not worker.is_fit:
            await worker.end()
        else:
            self._idle.append(worker)
        if answer.status != "ok":
            raise self._error(answer.status)
        return PdfText(answer.pages, text.decode())

    async def _worker(self) -> _Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_fit:
                return worker
            await worker.end()
        return await self._start()

    async def _start(self) -> _Worker:
        return await _Worker.start(self._settings.pdf_memory_bytes)

    def _remember(self, key: bytes, read: PdfText) -> None:
        if len(read.text) * 2 > self._settings.pdf_cache_bytes:
            return
        if key not in self._read:
            self._read[key] = read
            self._read_bytes += len(read.text) * 2
        while self._read_bytes > self._settings.pdf_cache_bytes:
            _, oldest = self._read.popitem(last=False)
            self._read_bytes -= len(oldest.text) * 2

    def _error(self, status: Status) -> PdfError:
        messages: dict[Status, str] = {
            "broken": "The PDF is too complex to be read.",
            "encrypted": "The PDF is encrypted: save it without its protection.",
            "no_text": "The PDF has no text in it, only pictures: send its pages as images.",
            "too_complex": "The PDF is too complex to be read.",
            "too_long": f"The PDF has more than {self._settings.max_characters} characters.",
            "too_many_pages": f"The PDF has more than {self._settings.max_pages} pages.",
            "too_slow": f"The PDF took more than {self._settings.pdf_seconds:g} seconds to read.",
            "unreadable": "The file is not a valid PDF.",
        }
        return PdfError(status, messages[status])
