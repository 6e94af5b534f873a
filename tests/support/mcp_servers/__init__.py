"""MCP servers as processes of their own, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

__all__ = ["MODERN", "OLD", "HttpMcpServer"]

MODERN = Path(__file__).parent / "modern.py"
OLD = Path(__file__).parent / "old.py"
START_SECONDS = 20.0


class HttpMcpServer:
    """`modern.py` on a port of 127.0.0.1; a context manager. It can be killed and started again."""

    def __init__(
        self, port: int, kind: Literal["http", "sse"] = "http", env: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/{'sse' if kind == 'sse' else 'mcp'}"
        self._command = [sys.executable, str(MODERN), kind, str(port)]
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, env=self._env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._process.poll() is None, "the MCP server did not start"
            assert time.monotonic() < deadline, "the MCP server does not listen"
            time.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)
