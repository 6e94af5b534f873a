"""The backend ``launcher``: any command that speaks the frames over its standard streams.

The wall is the command's: gVisor's ``runsc``, a microVM, a container engine. What runs behind it is
``python -I FOLDER/inside worker LIMITS DATA``, or anything else that answers like it. Each session
has a process of the command and a folder. An interrupt is a SIGINT to the command, which the usual
ones pass on; where one does not, the time limit kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal

import msgspec

from .errors import SandboxDown
from .inside.kernel import prctl
from .native import ENVIRONMENT
from .raw_output import RawOutput
from .values import Limits, SandboxConfig, SandboxLayer

__all__ = ["LauncherBackend"]

STREAM_BYTES = 1 << 20


PR_SET_PDEATHSIG = 1


def _die_with_us() -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class LaunchedProcess:
    def __init__(self, process: asyncio.subprocess.Process, output: int) -> None:
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        self._process = process
        self.reader = process.stdout
        self.writer = process.stdin
        self.raw = RawOutput(output)

    def pause(self) -> None:
        """Not all commands can stand still: what is behind them goes on."""

    def resume(self) -> None:
        """As :meth:`pause`."""

    def interrupt(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    async def kill(self) -> str:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = await self._process.wait()
        self.writer.close()
        self.raw.close()
        return f"the command ended with status {code}"


class LauncherBackend:
    def __init__(self, config: SandboxConfig) -> None:
        self._config = config
        self._folder = f"{config.run_folder}/state"
        self._stopped = asyncio.Event()
        self.layers: tuple[SandboxLayer, ...] = (
            SandboxLayer("launcher", True, True, " ".join(config.launcher)),
        )
        self.loaded: tuple[str, ...] = ()

    async def start(self) -> None:
        if not self._config.launcher:
            raise SandboxDown("the backend launcher needs a command")
        if shutil.which(self._config.launcher[0]) is None:
            raise SandboxDown(f"there is no command {self._config.launcher[0]}")

    async def spawn(self, name: str, limits: Limits) -> LaunchedProcess:
        folder = f"{self._folder}/{name}"
        os.makedirs(folder, mode=0o700, exist_ok=True)
        filled = {"{data}": folder, "{limits}": msgspec.json.encode(limits).decode()}
        command = [
            filled.get(word, word.replace("{data}", folder)) for word in self._config.launcher
        ]
        output, their_output = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=their_output,
                limit=STREAM_BYTES,
                env=ENVIRONMENT,
                start_new_session=True,
                preexec_fn=_die_with_us,
            )
        except OSError as error:
            os.close(output)
            raise SandboxDown(f"the launcher cannot be started: {error}") from error
        finally:
            os.close(their_output)
        return LaunchedProcess(process, output)

    async def drop(self, name: str) -> None:
        folder = f"{self._folder}/{name}"
        remove = await asyncio.create_subprocess_exec(
            "rm", "-rf", "--one-file-system", "--", folder
        )
        await remove.wait()

    async def ended(self) -> None:
        await self._stopped.wait()

    async def stop(self) -> None:
        self._stopped.set()
