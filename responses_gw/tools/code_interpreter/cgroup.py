"""Limits of memory and tasks per session, where systemd gives us a cgroup subtree (Delegate=yes).

Source: Linux, Documentation/admin-guide/cgroup-v2.rst. Only version 2. Processes may not stand in
an inner node, so the supervisor moves itself into a leaf of its own. The group of a session bounds
what the rlimits cannot: the pages of its tmpfs count too.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from .values import MIB, Limits

__all__ = ["CgroupTree", "find_cgroup"]

MOUNT = Path("/sys/fs/cgroup")
WANTED = ("memory", "pids", "cpu")
NEEDED = {"memory", "pids"}
OVERHEAD_BYTES = 128 * MIB
TASKS_OVERHEAD = 4
TWO_PROCESSORS = "200000 100000"


class CgroupTree:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        """A descriptor, for the zygote, which removes what we leave."""

    def make(self, name: str, limits: Limits) -> int:
        """The group of a session; a descriptor of it. Raises ``OSError``."""
        group = self._root / f"session-{name}"
        group.mkdir(exist_ok=True)
        memory = limits.memory_bytes + limits.disk_bytes + OVERHEAD_BYTES
        (group / "memory.max").write_text(str(memory))
        (group / "pids.max").write_text(str(limits.threads + TASKS_OVERHEAD))
        for file, value in (
            ("memory.swap.max", "0"),
            ("memory.oom.group", "1"),
            ("cpu.max", TWO_PROCESSORS),
        ):
            with contextlib.suppress(OSError):  # no swap, or the controller is not delegated
                (group / file).write_text(value)
        return os.open(group, os.O_RDONLY | os.O_DIRECTORY)

    def remove(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._root / f"session-{name}").rmdir()


def find_cgroup() -> CgroupTree | None:
    """Our own subtree, ready for sessions; None where none is delegated."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        ours = next(line[3:] for line in lines if line.startswith("0::"))
        root = MOUNT / ours.strip("/")
        given = (root / "cgroup.controllers").read_text(encoding="utf-8").split()
        if not set(given) >= NEEDED:
            return None
        leaf = root / "supervisor"
        leaf.mkdir(exist_ok=True)
        for process in (root / "cgroup.procs").read_text(encoding="utf-8").split():
            (leaf / "cgroup.procs").write_text(process)
        enabled = " ".join(f"+{name}" for name in WANTED if name in given)
        (root / "cgroup.subtree_control").write_text(enabled)
        return CgroupTree(root)
    except (OSError, StopIteration):
        return None
