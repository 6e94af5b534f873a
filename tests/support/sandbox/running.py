"""Real supervisors for the tests: as root or as an ordinary user, with some walls or others."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from responses_gw.tools.code_interpreter import SandboxClient, SandboxConfig

User = Literal["root", "ordinary"]
Walls = Literal["namespaces", "landlock"]
MODES: tuple[tuple[User, Walls], ...] = (
    ("ordinary", "namespaces"),
    ("ordinary", "landlock"),
    ("root", "namespaces"),
    ("root", "landlock"),
)
WALLS = {
    "namespaces": ("namespaces", "landlock", "seccomp"),
    "landlock": ("landlock", "seccomp"),
}
SECRET = "sk-of-the-" + "gateway"
PROCESS = Path(__file__).with_name("user_process.py")
INSIDE = Path(sys.modules[SandboxConfig.__module__].__file__ or "").with_name("inside")
ROOT = Path(__file__).parents[3]


class Sandbox:
    """A supervisor that runs, and the way to it."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.client = SandboxClient(f"{folder}/socket")

    def descendants(self) -> set[int]:
        """All processes that it has started, and they."""
        parents = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
        found = {self.process.pid}
        for _ in range(6):
            found |= {child for child, parent in parents.items() if parent in found}
        return found - {self.process.pid}


def is_for_all(path: str | os.PathLike[str]) -> bool:
    """Any user can get at it."""
    real = Path(path).resolve()
    needed = {True: stat.S_IXOTH, False: stat.S_IROTH}
    return all(p.stat().st_mode & needed[p.is_dir()] for p in (real, *real.parents))


def readable_python() -> str | None:
    """None: our own base; else the path of one that all users can read."""
    if is_for_all(os.__file__) and is_for_all(getattr(sys, "_base_executable", sys.executable)):
        return None
    if shutil.which("/usr/bin/python3") is None:
        pytest.skip("there is no Python here that an ordinary user can read")
    return "/usr/bin/python3"


@contextmanager
def running_sandbox(
    user: User = "root", walls: Walls = "namespaces", **settings: object
) -> Iterator[Sandbox]:
    """Start one, and see it gone. It is skipped where the user or the wall is not to be had."""
    command = [sys.executable, str(PROCESS)]
    folder = Path(tempfile.mkdtemp(prefix="sandbox-"))
    values = {"run_folder": str(folder), "walls": WALLS[walls], "grace_seconds": 0.4, **settings}
    if user == "root" and os.geteuid() != 0:
        pytest.skip("only root can run a sandbox as root")
    if (user == "ordinary" and os.geteuid() == 0) or walls == "landlock":
        values.setdefault("python", readable_python())
    given: list[str] = []
    if user == "ordinary" and os.geteuid() == 0:
        if not is_for_all(INSIDE / "__main__.py"):
            pytest.skip("an ordinary user cannot read this checkout")
        uid = pwd.getpwnam("nobody").pw_uid
        os.chown(folder, uid, uid)
        given = [str(uid)]
    process = subprocess.Popen(
        [*command, msgspec.json.encode(values).decode(), *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GATEWAY_KEY": SECRET},
    )
    assert process.stdout is not None and process.stdin is not None and process.stderr is not None
    try:
        if process.stdout.readline() != "ready\n":
            process.wait(10)
            reason = process.stderr.read()
            if "namespaces" in reason and walls == "namespaces":
                pytest.skip(f"no namespaces here: {reason}")
            pytest.fail(f"the supervisor has not started: {reason}")
        yield Sandbox(process, folder)
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_gone(processes: set[int], seconds: float = 5.0) -> set[int]:
    """Those that are still there after so long."""
    deadline = time.monotonic() + seconds
    left = processes
    while left and time.monotonic() < deadline:
        left = {pid for pid in left if _is_alive(pid)}
        time.sleep(0.02)
    return left


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
