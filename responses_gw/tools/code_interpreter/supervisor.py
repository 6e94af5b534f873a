"""The supervisor: one process per host that owns the sandbox, apart from all gateway processes.

Started as ``python -m responses_gw.tools.code_interpreter.supervisor CONFIG-AS-JSON``. It says
"ready" on its output when its socket is there; or it ends with a message that says why it cannot.
It ends on SIGTERM, on SIGINT, when its input closes and when its zygote ends. However it ends,
the zygote cleans up behind it (``inside/zygote.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import msgspec

from .backend import Backend
from .errors import SandboxDown
from .launcher import LauncherBackend
from .native import NativeBackend
from .server import SandboxServer
from .sessions import Sessions
from .values import SandboxConfig

__all__ = ["main", "supervise"]


async def supervise(config: SandboxConfig) -> None:
    """Serve until told to end. Raises :class:`SandboxDown` when that is not possible."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    with _locked(config.run_folder):
        backend: Backend = NativeBackend(config)
        if config.backend == "launcher":
            backend = LauncherBackend(config)
        try:
            await _serve(backend, config, told)
        finally:
            await backend.stop()


async def _serve(backend: Backend, config: SandboxConfig, told: asyncio.Event) -> None:
    await backend.start()
    sessions = Sessions(backend, config)
    server = SandboxServer(sessions, config)
    await sessions.start()
    await server.start()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    with contextlib.suppress(PermissionError):  # /dev/null, which never closes
        loop.add_reader(0, _until_closed, told)
    lost = asyncio.create_task(backend.ended())
    asked = asyncio.create_task(told.wait())
    await asyncio.wait({lost, asked}, return_when=asyncio.FIRST_COMPLETED)
    is_lost = not asked.done()
    for task in (lost, asked):
        task.cancel()
    loop.remove_reader(0)
    await server.stop()
    await sessions.stop()
    if is_lost:
        raise SandboxDown("the sandbox's zygote has ended")


def _until_closed(told: asyncio.Event) -> None:
    try:
        if not os.read(0, 4096):
            told.set()
    except OSError:
        told.set()


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """The folder is ours: made, closed to others, and used by one supervisor at a time."""
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o711)  # the way through it, for sessions that run as users of their own
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise SandboxDown(f"another supervisor uses {folder}") from error
    try:
        _remove_state(folder)  # what two killed at once have left
        os.mkdir(f"{folder}/state", 0o711)
        yield
    finally:
        _remove_state(folder)
        os.close(lock)


def _remove_state(folder: str) -> None:
    """Not by Python: a session may have made it deeper than Python follows."""
    subprocess.run(["rm", "-rf", "--one-file-system", "--", f"{folder}/state"], check=False)


def main(arguments: list[str]) -> int:
    config = msgspec.json.decode(arguments[0], type=SandboxConfig)
    try:
        asyncio.run(supervise(config))
    except SandboxDown as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
