"""The real service as a process of its own, and what a test wants to know about it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parent.parent.parent
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ServiceFailed(AssertionError):
    """The service did not do what its life cycle promises; the message ends with its log."""


class Service:
    """`hypercorn APP` on a free port of 127.0.0.1; a context manager that stops it.

    `env` is added to the environment, from which every RESPONSES_GW_* key is taken out first. The
    log goes to `log`. The process and its workers form one process group.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        log: Path,
        *,
        app: str = "responses_gw.app:app",
        ready_path: str = "/readyz",
        port: int | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = log
        self._ready_path = ready_path
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("RESPONSES_GW_")}
        command = [sys.executable, "-m", "hypercorn", app, "--bind", f"127.0.0.1:{self.port}"]
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [*command, *arguments],
                cwd=ROOT,
                env={**inherited, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self.wait_ready()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            print(f"--- log of the service ---\n{self.log_tail()}")
        self.stop()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything that the service has written so far."""
        return self.log_path.read_text(errors="replace")

    def log_tail(self, characters: int = 6000) -> str:
        return self.log[-characters:]

    def wait_ready(self, timeout: float = 30.0) -> Self:
        """Wait for 200 on the ready path. Raises `ServiceFailed` after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._status() != 200:
            if not self.running:
                raise ServiceFailed(self._with_log(f"exited with {self._process.returncode}"))
            if time.monotonic() > deadline:
                status = self._status()
                self.kill()
                raise ServiceFailed(self._with_log(f"not ready after {timeout} s ({status})"))
            time.sleep(0.03)
        return self

    def kill(self) -> None:
        """SIGKILL to the master and its workers; returns when they are gone."""
        self._signal_group(signal.SIGKILL)
        self._process.wait(10)
        self._await_group_gone(10)

    def terminate(self) -> None:
        """SIGTERM to the master, without waiting."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, timeout: float = 15.0) -> int:
        """SIGTERM, and SIGKILL to whoever is left after `timeout` seconds; the exit code."""
        self.terminate()
        try:
            self._process.wait(timeout)
            self._await_group_gone(2)
        except (subprocess.TimeoutExpired, ServiceFailed):
            self.kill()
        return self._process.returncode

    def pids(self) -> list[int]:
        """The living processes of the service's group (an embedded PostgreSQL has its own)."""
        return [pid for pid in _all_pids() if _group_of(pid) == self.pid]

    def rss_bytes(self) -> int:
        """Resident memory of all processes of the service."""
        return sum(_rss(pid) for pid in self.pids())

    def _status(self) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", self._ready_path, headers={"connection": "close"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):  # not listening yet
            return None
        finally:
            connection.close()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _await_group_gone(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while left := self.pids():
            if time.monotonic() > deadline:
                raise ServiceFailed(self._with_log(f"processes left over: {left}"))
            time.sleep(0.02)

    def _with_log(self, what: str) -> str:
        return f"service {what}\n--- log ---\n{self.log_tail()}"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _group_of(pid: int) -> int | None:
    """The process group, None for a process that is gone or a zombie."""
    try:
        state, _, group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(group)


def _rss(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0
