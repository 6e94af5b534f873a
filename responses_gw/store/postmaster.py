"""What a PostgreSQL server's own files say about it, and whether that is still true.

Theory of operation. A server writes its process id and its state to ``postmaster.pid`` and removes
the file when it stops. After ``kill -9`` or a crash of the machine the file stays, and its process
id may mean nothing, a zombie that nobody reaps (an init that does not, in a container) or a process
of somebody else. PostgreSQL takes the last two for a running server and refuses to start. A
server's working directory is its data directory: that tells them apart.
"""

from __future__ import annotations

import contextlib
import enum
import os
from pathlib import Path

__all__ = ["Postmaster", "ServerState"]

PID_LINE, STATE_LINE = 0, 7
NO_PROCESS = 4_194_305  # one more than Linux can give


class ServerState(enum.Enum):
    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class Postmaster:
    """The server of the cluster in ``data``, if it runs."""

    def __init__(self, data: Path, socket: Path) -> None:
        self._data = data
        self._pid_file = data / "postmaster.pid"
        self._socket_lock = socket.with_name(f"{socket.name}.lock")

    @property
    def pid(self) -> int | None:
        return self._living_pid(self._lines())

    def state(self) -> ServerState:
        lines = self._lines()
        if self._living_pid(lines) is None:
            return ServerState.ABSENT
        word = lines[STATE_LINE].strip() if len(lines) > STATE_LINE else "starting"
        try:
            return ServerState(word)
        except ValueError:  # "standby" and what else is to come
            return ServerState.STARTING

    def clear_remains(self) -> bool:
        """Let a dead server's files not be taken for a living one's; whether there were any.

        Call it only when the server is ABSENT. The file itself stays: PostgreSQL finds the dead
        server's shared memory by it, and refuses to start while a child of the dead one is still
        at work in the cluster.
        """
        lines = self._lines()
        if lines:
            lines[PID_LINE] = str(NO_PROCESS)
            with open(self._pid_file, "r+", encoding="utf-8") as file:  # keeps owner and mode
                file.write("\n".join(lines) + "\n")
                file.truncate()
        with contextlib.suppress(FileNotFoundError):
            self._socket_lock.unlink()
        return bool(lines)

    def _lines(self) -> list[str]:
        try:
            return self._pid_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _living_pid(self, lines: list[str]) -> int | None:
        text = lines[PID_LINE].strip() if lines else ""
        pid = int(text) if text.isdigit() else 0
        if pid <= 0 or not _is_alive(pid):
            return None
        return pid if _works_in(pid, self._data) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # gone at this moment, or a system without /proc
        return not Path("/proc/self").exists()
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")  # zombie, dead


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", folder)
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    except PermissionError:  # another user's process, so not our server
        return False
