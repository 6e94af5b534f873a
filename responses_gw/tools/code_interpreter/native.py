"""The backend ``native``: sealed processes that a zygote forks (``inside/zygote.py``)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from .cgroup import find_cgroup
from .errors import SandboxDown
from .raw_output import RawOutput
from .values import Limits, SandboxConfig, SandboxLayer

__all__ = ["NativeBackend", "interpreter_command"]

INSIDE = Path(__file__).with_name("inside")
MESSAGE_BYTES = 65_536
END_SECONDS = 5.0
STREAM_BYTES = 1 << 20
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "2",  # more would take the threads' address space
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
}


def interpreter_command(config: SandboxConfig) -> list[str]:
    """The sandbox's Python, by path: without our environment, our packages and the user's."""
    if config.python is not None:
        return [config.python, "-I", "-B", "-X", "utf8", str(INSIDE)]
    base = str(getattr(sys, "_base_executable", sys.executable))
    return [base, "-I", "-S", "-B", "-X", "utf8", str(INSIDE)]


class SealedProcess:
    """A session's process, held by its pidfd: its number may be another's by then."""

    def __init__(self, pidfd: int, channel: socket.socket, output: int) -> None:
        self._pidfd = pidfd
        self._channel = channel
        self.raw = RawOutput(output)
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_unix_connection(
            sock=self._channel, limit=STREAM_BYTES
        )

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def interrupt(self) -> None:
        self._signal(signal.SIGINT)

    async def kill(self) -> str:
        self._signal(signal.SIGKILL)
        self.writer.close()
        self.raw.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                code = await asyncio.shield(self.code)
        except TimeoutError:
            return "it has not ended yet"
        except SandboxDown:
            return "the zygote has ended"
        finally:
            with contextlib.suppress(OSError):
                os.close(self._pidfd)
            self._pidfd = -1
        return signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit status {code}"

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)


class NativeBackend:
    def __init__(self, config: SandboxConfig) -> None:
        self.layers: tuple[SandboxLayer, ...] = ()
        self.loaded: tuple[str, ...] = ()
        self._config = config
        self._cgroup = find_cgroup()
        self._waiting: dict[str, asyncio.Future[tuple[int, list[int]]]] = {}
        self._processes: dict[int, SealedProcess] = {}
        self._control: socket.socket | None = None

    async def start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        run_folder = os.open(self._config.run_folder, os.O_RDONLY | os.O_DIRECTORY)
        given = [theirs.fileno(), run_folder]
        if self._cgroup is not None:
            given.append(self._cgroup.folder)
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._zygote = await asyncio.create_subprocess_exec(
            *(*interpreter_command(self._config), "zygote", self._argument(given)),
            pass_fds=given,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        theirs.close()
        os.close(run_folder)
        ours.setblocking(False)
        self._control = ours
        loop.add_reader(ours, self._take_messages)
        try:
            async with asyncio.timeout(self._config.start_seconds):
                await self._ready
        except TimeoutError as error:
            raise SandboxDown("the sandbox's interpreter has not become ready in time") from error

    async def spawn(self, name: str, limits: Limits) -> SealedProcess:
        channel, theirs = socket.socketpair()
        output, their_output = os.pipe()
        given = [theirs.fileno(), their_output]
        try:
            if self._cgroup is not None:
                given.append(self._cgroup.make(name, limits))
            message = {"op": "spawn", "name": name, "limits": msgspec.to_builtins(limits)}
            pid, received = await self._ask(name, message, given)
        except BaseException:
            channel.close()
            os.close(output)
            raise
        finally:
            theirs.close()
            for descriptor in given[1:]:
                os.close(descriptor)
        process = SealedProcess(received[0], channel, output)
        self._processes[pid] = process
        await process.open()
        return process

    async def drop(self, name: str) -> None:
        await self._ask(name, {"op": "drop", "name": name}, [])
        if self._cgroup is not None:
            self._cgroup.remove(name)

    async def ended(self) -> None:
        await self._zygote.wait()

    async def stop(self) -> None:
        if self._control is None:
            return
        self._lose("the sandbox is stopping")
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._zygote.wait()
        except TimeoutError:
            self._zygote.kill()
            await self._zygote.wait()

    def _argument(self, given: list[int]) -> str:
        config = self._config
        return json.dumps(
            {
                "control": given[0],
                "run_folder": given[1],
                "cgroup": given[2] if len(given) > 2 else None,
                "state_folder": f"{config.run_folder}/state",
                "walls": config.walls,
                "accept_one_wall": config.accept_one_wall,
                "preload": config.preload,
                "processors": config.processors,
            }
        )

    async def _ask(
        self, name: str, message: dict[str, object], descriptors: list[int]
    ) -> tuple[int, list[int]]:
        if self._control is None:
            raise SandboxDown("the sandbox's zygote has ended")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[int, list[int]]] = loop.create_future()
        self._waiting[name] = answer
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], descriptors)
            async with asyncio.timeout(self._config.start_seconds):
                return await answer
        except (OSError, TimeoutError) as error:
            raise SandboxDown("the sandbox's zygote does not answer") from error
        finally:
            self._waiting.pop(name, None)

    def _take_messages(self) -> None:
        while self._control is not None:
            try:
                text, received, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 4)
            except BlockingIOError:
                return
            except OSError:
                text = b""
            if not text:
                self._lose("the sandbox's zygote has ended")
                return
            self._take(json.loads(text), received)

    def _take(self, message: dict[str, object], received: list[int]) -> None:
        if message["op"] == "ready":
            self.layers = msgspec.convert(message["layers"], tuple[SandboxLayer, ...])
            self.loaded = msgspec.convert(message["loaded"], tuple[str, ...])
            self._ready.set_result(None)
        elif message["op"] == "refused":
            self._ready.set_exception(SandboxDown(str(message["reason"])))
        elif message["op"] == "exited":
            process = self._processes.pop(msgspec.convert(message["pid"], int), None)
            if process is not None and not process.code.done():
                process.code.set_result(msgspec.convert(message["code"], int))
        else:
            answer = self._waiting.get(str(message["name"]))
            if answer is None or answer.done():  # nobody waits any more
                for descriptor in received:
                    os.close(descriptor)
            elif message["op"] == "failed":
                answer.set_exception(SandboxDown(str(message["error"])))
            else:
                answer.set_result((msgspec.convert(message.get("pid", 0), int), received))

    def _lose(self, why: str) -> None:
        """The zygote is told to end by this, or has ended."""
        if self._control is None:
            return
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._control = None
        waiting: list[asyncio.Future[object]] = [self._ready, *self._waiting.values()]  # type: ignore[list-item]
        for future in waiting:
            if not future.done():
                future.set_exception(SandboxDown(why))
        for process in self._processes.values():
            if not process.code.done():
                process.code.set_exception(SandboxDown(why))
                process.code.exception()  # not everyone asks
