"""Which layers this host gives the sandbox, and whether they are enough.

Three of them are walls, each of which alone keeps the code from the host's files and processes or
from the system calls that reach them: namespaces, Landlock and the filter of system calls. The
others bound what happens inside the walls. Each wall is tried in a forked child: where AppArmor
restricts user namespaces (Ubuntu 24.04), ``unshare`` succeeds and cripples the process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass

from . import landlock, root, seccomp
from .kernel import SetupError
from .namespaces import INSIDE_UID, SESSION, unshare, unshare_with_user

__all__ = ["WALLS", "Layer", "find_layers", "require_walls"]

WALLS = ("namespaces", "landlock", "seccomp")
MESSAGE_BYTES = 400
PROBE_SECONDS = 20


@dataclass(frozen=True)
class Layer:
    name: str
    is_wall: bool
    is_active: bool
    detail: str
    """What it does here or, when it is not active, why not."""


def find_layers(wanted: Collection[str], proc: int, has_cgroup: bool) -> tuple[Layer, ...]:
    """``wanted``: the walls that may be used; ``proc``: a descriptor of /proc."""
    return (
        _wall("namespaces", wanted, "own mounts, processes, network, IPC", lambda: _enter(proc)),
        _wall("landlock", wanted, f"ABI {landlock.abi()}", _restrict),
        _wall("seccomp", wanted, "allow-list of system calls", _filter),
        Layer("no_new_privs", False, True, "programs gain nothing by being started"),
        Layer("capabilities", False, True, "all dropped"),
        Layer("rlimits", False, True, "memory, files, threads, time"),
        Layer("cgroup", False, has_cgroup, "memory and tasks" if has_cgroup else "none delegated"),
    )


def require_walls(layers: Collection[Layer], accept_one: bool) -> frozenset[str]:
    """The walls that stand. Raises :class:`SetupError` when they are not two, saying why."""
    walls = [layer for layer in layers if layer.is_wall]
    standing = frozenset(layer.name for layer in walls if layer.is_active)
    if len(standing) < (1 if accept_one else 2):
        missing = "; ".join(f"{w.name}: {w.detail}" for w in walls if not w.is_active)
        raise SetupError(
            f"only {len(standing)} of the sandbox's walls can be had here, and two are needed "
            f"({missing})"
        )
    return standing


def _wall(name: str, wanted: Collection[str], detail: str, attempt: Callable[[], object]) -> Layer:
    if name not in wanted:
        return Layer(name, True, False, "switched off by the configuration")
    problem = _try(attempt)
    return Layer(name, True, not problem, problem or detail)


def _try(attempt: Callable[[], object]) -> str:
    """Why it fails in a child process; empty when it does not."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(PROBE_SECONDS)
        try:
            attempt()
            message = "ok"
        except BaseException as error:  # noqa: BLE001 - it is the answer
            message = str(error) or type(error).__name__
        os.write(writer, message.encode()[:MESSAGE_BYTES])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return "" if answer == "ok" else answer or "the attempt ended the process"


def _enter(proc: int) -> None:
    root.enter(proc)
    if os.geteuid() == 0:
        unshare(SESSION)
    else:
        unshare_with_user(SESSION, proc, INSIDE_UID, INSIDE_UID)


def _restrict() -> None:
    if landlock.abi() < 1:
        raise SetupError("the kernel has no Landlock, or it is not switched on")
    landlock.restrict(["/usr"], [], [])
    try:
        os.close(os.open("/etc", os.O_RDONLY))
    except PermissionError:
        return
    raise SetupError("the kernel accepts a Landlock ruleset and does not enforce it")


def _filter() -> None:
    seccomp.install(seccomp.program(own_files_only=False, own_pid=os.getpid()))
    try:
        os.setpgid(0, 0)
    except PermissionError:
        return
    raise SetupError("the kernel accepts a filter and does not enforce it")
