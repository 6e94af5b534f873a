"""The zygote: an interpreter with everything loaded, which forks a sealed process per session.

Theory of operation. It is started by the supervisor with an empty environment and no descriptors
but a control socket, so there is nothing in its memory to steal, and runs none of the model's code
itself. Where the host allows, it moves into a root of its own (``root.py``) before it loads the
packages. Then it waits on the socket: ``spawn`` forks a process that seals itself (``session.py``)
and hands its pidfd to the supervisor, ``drop`` removes a session's files. What it holds in memory
every later session inherits, so it learns nothing but names that say nothing.

It is also the janitor. When the socket closes, however the supervisor has ended, it kills the
sessions, which besides die with it (PR_SET_PDEATHSIG), and removes cgroups and files; its mounts go
with the last process that sees them.

``fork`` twice per session: a pid namespace takes the *children* of the process that makes it. The
session may ask for a death signal only when the process between has gone and the zygote has become
its parent, else that one's end kills it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import stat
import sys
import threading
import time
from dataclasses import asdict, dataclass

from . import root
from .kernel import SUPPORTED, SetupError, prctl
from .layers import find_layers, require_walls
from .limits import Limits
from .namespaces import INSIDE_UID, SESSION, unshare, unshare_with_user
from .session import Place, run_session
from .storage import Storage, remove_tree

__all__ = ["main"]

PR_SET_CHILD_SUBREAPER = 36
MESSAGE_BYTES = 65_536
MOST_DESCRIPTORS = 4
FIRST_TO_DIE = b"1000"
NICENESS = 10
CLEANUP_SECONDS = 3.0
ALWAYS_LOADED = (
    *("asyncio", "collections", "concurrent.futures.thread", "csv", "datetime", "decimal"),
    *("fractions", "itertools", "math", "multiprocessing", "pathlib", "random", "re", "shutil"),
    *("sqlite3", "statistics", "tempfile", "uuid", "zipfile"),
)
ENVIRONMENT = {
    "HOME": root.DATA,
    "LANG": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
    "USER": "sandbox",
}


@dataclass(frozen=True)
class ZygoteConfig:
    """What the supervisor tells it, as JSON in its one argument."""

    control: int
    run_folder: int
    """A descriptor of the folder that holds the socket and, without an own root, ``state``."""
    cgroup: int | None
    state_folder: str
    walls: tuple[str, ...]
    accept_one_wall: bool
    preload: tuple[str, ...]
    processors: tuple[int, ...]


class Zygote:
    def __init__(self, config: ZygoteConfig) -> None:
        self._config = config
        self._control = socket.socket(fileno=config.control)
        self._children: dict[int, str] = {}
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)

    def start(self) -> None:
        """Go behind the walls, load the packages, and tell the supervisor.

        Raises :class:`SetupError`.
        """
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        config = self._config
        if os.uname().machine not in SUPPORTED:
            raise SetupError(f"no table of system calls for {os.uname().machine}")
        if config.processors:  # inherited, and closed to the sessions by the filter
            os.sched_setaffinity(0, config.processors)
        layers = find_layers(config.walls, self._proc, config.cgroup is not None)
        self._walls = require_walls(layers, config.accept_one_wall)
        has_root = "namespaces" in self._walls
        self._below_tmp = tuple(path for path in root.readable_paths() if path.startswith("/tmp/"))
        self._storage = Storage(has_root, config.state_folder)
        if not has_root and os.geteuid() == 0:
            _require_readable()
        if has_root:
            root.enter(self._proc)
        os.environ.clear()
        os.environ.update(ENVIRONMENT)
        loaded = _load(config.preload, root.SESSIONS if has_root else config.state_folder)
        gc.collect()
        gc.freeze()
        if threading.active_count() != 1:
            raise SetupError("a preloaded package has left a thread running, which no fork keeps")
        self._base_bytes = self._address_space()
        self._send({"op": "ready", "layers": [asdict(layer) for layer in layers], "loaded": loaded})

    def serve(self) -> None:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(reader, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if reader in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(reader, MESSAGE_BYTES)
                self._reap()
            if self._control.fileno() in ready and not self._take():
                return

    def clean_up(self) -> None:
        """Leave nothing behind."""
        for child in list(self._children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        _wait_for_children()
        if self._config.cgroup is not None:
            for name in os.listdir(self._config.cgroup):
                if name.startswith("session-"):
                    with contextlib.suppress(OSError):
                        os.rmdir(name, dir_fd=self._config.cgroup)
        with contextlib.suppress(FileNotFoundError):
            os.unlink("socket", dir_fd=self._config.run_folder)
        if "namespaces" not in self._walls and os.path.isdir(self._config.state_folder):
            remove_tree(self._config.state_folder)
            _wait_for_children()
        else:  # it is empty, and its name leads nowhere in our root
            with contextlib.suppress(OSError):
                os.rmdir("state", dir_fd=self._config.run_folder)

    def _take(self) -> bool:
        """Do what one message asks for; False when the supervisor has gone."""
        try:
            text, descriptors, _, _ = socket.recv_fds(
                self._control, MESSAGE_BYTES, MOST_DESCRIPTORS
            )
        except OSError:
            return False
        if not text:
            return False
        message = json.loads(text)
        name = message["name"]
        try:
            if message["op"] == "spawn":
                child = self._spawn(name, Limits(**message["limits"]), descriptors)
                pidfd = os.pidfd_open(child)
                self._send({"op": "done", "name": name, "pid": child}, [pidfd])
                os.close(pidfd)
            else:
                self._storage.drop(name)
                self._send({"op": "done", "name": name})
        except (OSError, SetupError) as error:
            self._send({"op": "failed", "name": name, "error": str(error)})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _send(
        self, message: dict[str, object], descriptors: tuple[int, ...] | list[int] = ()
    ) -> None:
        with contextlib.suppress(OSError):  # its end is seen where messages are read
            socket.send_fds(self._control, [json.dumps(message).encode()], list(descriptors))

    def _reap(self) -> None:
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            if (name := self._children.pop(child, None)) is not None:
                code = os.waitstatus_to_exitcode(status)
                self._send({"op": "exited", "name": name, "pid": child, "code": code})

    def _spawn(self, name: str, limits: Limits, descriptors: list[int]) -> int:
        folder, uid = self._storage.open(name, limits)
        has_root = "namespaces" in self._walls
        tasks = limits.threads
        if not has_root and uid is None:
            tasks += _tasks_of_our_user()
        place = Place(folder, uid, tasks, self._base_bytes, self._below_tmp)
        told, tell = os.pipe()
        gone, say_gone = os.pipe()
        between = os.fork()
        if between == 0:
            try:
                os.close(told)
                os.close(say_gone)
                self._become_session(place, limits, descriptors, tell, gone)
            except BaseException as error:  # noqa: BLE001 - the supervisor is told
                with contextlib.suppress(OSError):
                    os.write(descriptors[1], f"the sandbox's set-up failed: {error}\n".encode())
            finally:
                os._exit(99)
        os.close(tell)
        os.close(gone)
        with os.fdopen(told, "rb") as pipe:
            answer = pipe.read(32)
        child = int(answer or b"0")
        if has_root:
            os.waitpid(between, 0)
        with contextlib.suppress(BrokenPipeError):
            os.write(say_gone, b"1")
        os.close(say_gone)
        if not child:
            raise SetupError("the session's process was not made")
        self._children[child] = name
        return child

    def _become_session(
        self, place: Place, limits: Limits, descriptors: list[int], tell: int, gone: int
    ) -> None:
        """In the child: become the session's process, and never come back."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._children.clear()
        if len(descriptors) > 2:
            self._write("cgroup.procs", b"0", descriptors[2])
        with contextlib.suppress(OSError):
            self._write("self/oom_score_adj", FIRST_TO_DIE, self._proc)
        os.nice(NICENESS)
        if "namespaces" in self._walls:
            if os.geteuid() == 0:
                unshare(SESSION)
            else:
                unshare_with_user(SESSION, self._proc, INSIDE_UID, INSIDE_UID)
            if (child := os.fork()) != 0:
                os.write(tell, b"%d" % child)
                os._exit(0)
        else:
            os.write(tell, b"%d" % os.getpid())
        os.close(tell)
        if os.read(gone, 1) != b"1":
            os._exit(98)
        run_session(place, limits, self._walls, descriptors[0], descriptors[1])

    @staticmethod
    def _write(name: str, text: bytes, folder: int) -> None:
        file = os.open(name, os.O_WRONLY, dir_fd=folder)
        try:
            os.write(file, text)
        finally:
            os.close(file)

    def _address_space(self) -> int:
        file = os.open("self/statm", os.O_RDONLY, dir_fd=self._proc)
        try:
            pages = int(os.read(file, 100).split()[0])
        finally:
            os.close(file)
        return pages * os.sysconf("SC_PAGE_SIZE")


def _load(packages: tuple[str, ...], scratch: str) -> list[str]:
    """Import them once for all sessions; those that are not there are left out."""
    os.environ["MPLCONFIGDIR"] = scratch
    loaded = []
    for name in (*ALWAYS_LOADED, *packages):
        try:
            importlib.import_module(name)
        except (ImportError, RuntimeError, OSError):  # numpy on an old processor: RuntimeError
            continue
        if name in packages:
            loaded.append(name)
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:  # fonts, the renderer and the PNG writer load when first used
        figure, axes = pyplot.subplots()
        axes.plot([0, 1])
        axes.set_title("x")
        figure.savefig(io.BytesIO(), format="png")
        pyplot.close("all")
    os.environ["MPLCONFIGDIR"] = "/tmp"
    return loaded


def _require_readable() -> None:
    """Sessions of root run as users of their own, who have to get to the interpreter's files."""
    for path in (os.__file__, *filter(os.path.isdir, sys.path)):
        while path != "/":
            mode, path = os.stat(path).st_mode, os.path.dirname(path)
            if not mode & (stat.S_IXOTH if stat.S_ISDIR(mode) else stat.S_IROTH):
                raise SetupError(
                    f"without namespaces, the sandbox's interpreter in {sys.base_prefix} has to be "
                    "readable for all users: choose another one"
                )


def _tasks_of_our_user() -> int:
    """Without a user namespace RLIMIT_NPROC counts every thread of the user on the host."""
    count = 0
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{process}").st_uid == os.geteuid():
                count += len(os.listdir(f"/proc/{process}/task"))
    return count


def _wait_for_children() -> None:
    deadline = time.monotonic() + CLEANUP_SECONDS
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return


def main(arguments: list[str]) -> None:
    fields = json.loads(arguments[0])
    for name in ("walls", "preload", "processors"):
        fields[name] = tuple(fields[name])
    zygote = Zygote(ZygoteConfig(**fields))
    try:
        zygote.start()
    except (OSError, SetupError) as error:
        zygote._send({"op": "refused", "reason": str(error)})
        return
    try:
        zygote.serve()
    finally:
        zygote.clean_up()
