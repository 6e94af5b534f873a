"""The worker: the loop of one session, in the same process as the code that it runs.

Theory of operation. Nothing here is trusted by the supervisor: the session's code can reach every
object of this process and write to the channel itself. The worker exists to be useful, the walls
around the process (``session.py``) to be safe, and the supervisor keeps its own bounds of whatever
arrives. Every request carries a nonce, and the answer that ends it repeats it, so that a forged
end of an earlier call is never taken for the end of a later one.

The first SIGINT during a call raises ``KeyboardInterrupt`` in its code: a call that takes too long
ends like that, and the session's variables survive.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict

from .execution import Failure, Interpreter, describe_failure, host_paths, shown
from .figures import Figures
from .files import changed_files, list_files, read_piece, write_piece
from .frames import BYTES, DONE, RESULT, Channel
from .limits import Limits
from .streams import OutputBudget, OutputStream

__all__ = ["PIECE_BYTES", "READY", "Worker"]

READY = "ready"
PIECE_BYTES = 1 << 20
CHANGES_TOLD = 100
BALLAST_BYTES = 8 << 20
"""Freed when a call has failed: what tells of a MemoryError needs memory itself."""

Json = dict[str, object]
_dumps, _loads, _exit, _clock = json.dumps, json.loads, os._exit, time.perf_counter
_signal, _SIGINT = signal.signal, signal.SIGINT


class Worker:
    def __init__(self, channel: Channel, limits: Limits, root: str) -> None:
        """``root``: the working directory as this process sees it."""
        self._channel = channel
        self._limits = limits
        self._root = root
        self._hidden = host_paths()
        if root != "/mnt/data":
            self._hidden = {root: "/mnt/data", **self._hidden}
        budget = OutputBudget(limits.output_characters)
        self._budget = budget
        size = limits.stream_characters
        self._stdout = OutputStream(channel, "stdout", 1, size, budget)
        self._stderr = OutputStream(channel, "stderr", 2, size, budget)
        self._figures = Figures(channel, limits.images, limits.image_bytes, self._flush)
        self._interpreter = Interpreter()
        self._is_running_code = False
        self._ballast = [bytearray(BALLAST_BYTES)]

    def serve(self) -> None:
        """Answer requests until the channel closes, then end the process."""
        random.seed()
        numpy = sys.modules.get("numpy")
        if numpy is not None:  # all sessions are forks of one process, with one state
            numpy.random.seed()
        self._figures.hook()
        self._answer(READY)
        while True:
            try:
                _, body = self._channel.receive()
            except EOFError:
                _exit(0)
            head, _, data = body.partition(b"\n")
            request = _loads(head)
            if request["op"] == "run":
                self._run(request["nonce"], request["code"])
            else:
                self._handle_files(request, data)

    def _answer(self, nonce: str, **more: object) -> None:
        self._channel.send(DONE, _dumps({"nonce": nonce, **more}).encode())

    def _handle_files(self, request: Json, data: bytes) -> None:
        nonce = str(request["nonce"])
        try:
            if request["op"] == "list":
                files = [[path, seen[0]] for path, seen in list_files(self._root).items()]
                return self._answer(nonce, status="ok", files=files)
            path, offset = str(request["path"]), int(str(request["offset"]))
            if request["op"] == "put":
                write_piece(self._root, path, offset, data)
                return self._answer(nonce, status="ok")
            piece, size = read_piece(self._root, path, offset, PIECE_BYTES)
            self._channel.send(BYTES, piece)
            self._answer(nonce, status="ok", size=size)
        except (OSError, ValueError) as error:
            failure = asdict(describe_failure(error, self._hidden))
            self._answer(nonce, status="error", error=failure)

    def _run(self, nonce: str, code: str) -> None:
        for part in (self._budget, self._stdout, self._stderr, self._figures):
            part.reset()
        _signal(_SIGINT, self._on_interrupt)
        sys.stdout, sys.stderr = self._stdout, self._stderr
        if not self._ballast:
            self._ballast.append(bytearray(BALLAST_BYTES))
        before, started = list_files(self._root), _clock()
        failure = self._execute(code)
        spent = _clock() - started
        for stream in (self._stdout, self._stderr):
            try:
                stream.finish()
            except (ValueError, MemoryError, AttributeError):
                continue  # the code has closed or broken it
        files = changed_files(before, list_files(self._root))[:CHANGES_TOLD]
        self._answer(
            nonce,
            status=failure.status if failure else "ok",
            error=asdict(failure) if failure else None,
            files=files,
            images_left_out=self._figures.dropped,
            seconds=round(spent, 6),
        )

    def _execute(self, code: str) -> Failure | None:
        try:
            try:
                self._is_running_code = True
                value = self._interpreter.run(code)
                if value is not None:
                    self._figures.show_value(value)
                    text = shown(value, self._limits.result_characters)
                    self._flush()
                    self._channel.send(RESULT, text.encode())
                self._figures.show_open()
            finally:
                self._is_running_code = False
        except BaseException as error:  # noqa: BLE001 - also SystemExit and the time limit's
            self._ballast.clear()
            self._is_running_code = False
            return describe_failure(error, self._hidden)
        return None

    def _on_interrupt(self, *_: object) -> None:
        if self._is_running_code:
            raise KeyboardInterrupt("the call was interrupted")

    def _flush(self) -> None:
        self._stdout.flush()
        self._stderr.flush()
