"""Where a session's files lie: a tmpfs with a quota, or a folder of the host without one."""

from __future__ import annotations

import os
import signal

from . import mounts
from .limits import Limits
from .namespaces import INSIDE_UID
from .root import SESSIONS

__all__ = ["Storage"]


class Storage:
    """One folder per session. Files outlive the session's process and go with the session."""

    def __init__(self, has_root: bool, state_folder: str) -> None:
        self._has_root = has_root
        self._folder = SESSIONS if has_root else state_folder
        self._next_uid = _first_uid() if os.geteuid() == 0 else None

    def open(self, name: str, limits: Limits) -> tuple[str, int | None]:
        """The folder, made when it is not there, and who owns it (None: we ourselves)."""
        folder = f"{self._folder}/{name}"
        if not os.path.isdir(folder):
            self._make(folder, limits)
        owner = os.stat(f"{folder}/data").st_uid
        return folder, owner if self._next_uid is not None else None

    def drop(self, name: str) -> None:
        folder = f"{self._folder}/{name}"
        if self._has_root:
            mounts.unmount(folder)
            os.rmdir(folder)
        else:
            remove_tree(folder)

    def _make(self, folder: str, limits: Limits) -> None:
        os.makedirs(folder, 0o711)
        uid = None
        if self._next_uid is not None:
            uid, self._next_uid = self._next_uid, self._next_uid + 1
        if self._has_root:
            owner = INSIDE_UID if uid is None else uid
            quota = f"size={limits.disk_bytes},nr_inodes={limits.inodes},mode=711"
            if uid is not None:
                quota += f",uid={owner},gid={owner}"
            mounts.mount_tmpfs(folder, quota)
        for part in ("data", "tmp"):
            os.mkdir(f"{folder}/{part}", 0o700)
            if uid is not None:
                os.chown(f"{folder}/{part}", uid, uid)
        if not self._has_root:
            os.chmod(folder, 0o711)


def remove_tree(folder: str) -> int:
    """Begin to remove a folder in a process of its own: what a session has made may be deep and
    large. Gives its number; raises ``OSError``."""
    command = ["rm", "-rf", "--one-file-system", "--", folder]
    return os.posix_spawn("/bin/rm", command, {}, setsigdef=[signal.SIGCHLD])


def _first_uid() -> int | None:
    """Users of sessions, far above any account; in a container with fewer, near its top."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        ranges = [[int(word) for word in line.split()] for line in file]
    top = max(start + length for start, _, length in ranges)
    if top > 2_000_000_000:
        return 1_500_000_000
    return max(60_000, top - 4000) if top > 64_000 else None
