"""Processes under measurement: started on a core of their own, asked for CPU time and memory."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[-1]  # the same one on a machine with a single core
PINNED = len(_CORES) > 1
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class BenchFailed(RuntimeError):
    """A server or a load did not do what the measurement needs; the message says which and why."""


def pin(pid: int, core: int) -> None:
    """Keep a process on one core; no effect where there is only one, or when it has gone."""
    if PINNED:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, {core})


class Tree:
    """A process and all its descendants."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def pids(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and (parent := _parent(int(name))) is not None:
                children.setdefault(parent, []).append(int(name))
        found = [self.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def cpu_us(self) -> float:
        """User and system time used so far, in µs (children that have ended: in 10 ms ticks)."""
        return sum(_cpu_ns(pid) for pid in self.pids()) / 1000

    def rss(self) -> int:
        """Resident bytes; pages shared between the processes count once for each."""
        return sum(_rss(pid) for pid in self.pids())


class Server(Tree):
    """A child process that answers 200 on a path when it is ready; it runs until `stop()`."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        core: int,
        port: int,
        ready_path: str = "/readyz",
    ) -> None:
        self.port, self.log, self._ready_path = port, log, ready_path
        self._command, self._core = list(command), core
        # The operator's own settings must not change what is measured.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("RESPONSES_GW_")}
        self._env = {**inherited, **env}
        self._process = self._start()
        super().__init__(self._process.pid)

    def restart(self) -> None:
        """A new process in place of the old one, ready."""
        self.stop()
        self._process = self._start()
        self.pid = self._process.pid
        self.wait_ready()

    def wait_ready(self, timeout: float = 60) -> Self:
        """Raises `BenchFailed` with the end of the log, and stops, when it is not ready in time."""
        deadline = time.monotonic() + timeout
        while self._get_status() != 200:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                tail = self.log.read_text(errors="replace")[-3000:]
                raise BenchFailed(f"{' '.join(self._command)} is not ready\n{tail}")
            time.sleep(0.05)
        for pid in self.pids():
            pin(pid, self._core)
        return self

    def stop(self, timeout: float = 15) -> None:
        """SIGTERM, and SIGKILL for what is left after `timeout` seconds."""
        group = self._process.pid
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        self._process.wait(timeout)

    def _start(self) -> subprocess.Popen[bytes]:
        with open(self.log, "ab") as output:
            process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        pin(process.pid, self._core)
        return process

    def _get_status(self) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", self._ready_path, headers={"connection": "close"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):  # not listening yet
            return None
        finally:
            connection.close()


def hypercorn(app: str, env: Mapping[str, str], log: Path) -> Server:
    """`app` under hypercorn on the core of the servers, ready."""
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", app, "--bind", f"127.0.0.1:{port}"]
    command += ["--keep-alive", "75", "--backlog", "4096"]
    return Server(command, env, log, SERVER_CORE, port).wait_ready()


def fake_upstream(log: Path) -> Server:
    """`bench.upstream` on the core of the load, ready."""
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", str(port)]
    return Server(command, {}, log, LOAD_CORE, port, "/stats").wait_ready()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def postmaster(root: Path) -> Tree:
    """The PostgreSQL server whose data lie below `root`. Raises `BenchFailed` when none runs."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            words = _read(f"/proc/{name}/cmdline").split("\0")
            if Path(words[0]).name == "postgres" and any(str(root) in word for word in words):
                return Tree(int(name))
    raise BenchFailed(f"no PostgreSQL runs below {root}")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on, empty for a process that is gone."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _cpu_ns(pid: int) -> int:
    """Own time, exact where the kernel tells it, and that of reaped children in ticks."""
    fields = _stat(pid)
    if not fields:
        return 0
    own = (int(fields[11]) + int(fields[12])) * _TICK_NS
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        tasks = os.listdir(f"/proc/{pid}/task")
        exact = [_read(f"/proc/{pid}/task/{task}/schedstat").split() for task in tasks]
        if all(exact):
            own = sum(int(one[0]) for one in exact)
    return own + (int(fields[13]) + int(fields[14])) * _TICK_NS


def _rss(pid: int) -> int:
    pages = _read(f"/proc/{pid}/statm").split()
    return int(pages[1]) * _PAGE if pages else 0
