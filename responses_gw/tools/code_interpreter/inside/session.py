"""A session from the fork to its worker: every layer goes up before any of the model's code runs.

The order matters. Mounts need the namespaces and root's power; dropping users and capabilities
needs the last of it; Landlock and the filter come at the end, because nothing more can be set up
behind them. Whatever fails ends the process: there is no session with less than what was promised.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass

from . import capabilities, landlock, mounts, paths, rlimits, root, seccomp
from .frames import Channel
from .kernel import prctl
from .limits import Limits
from .worker import Worker

__all__ = ["Place", "run_session", "set_environment"]

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
CHANNEL, OUTPUT = 3, 1
ABOVE_ALL_OURS = 200
MOST_DESCRIPTORS = 65_536


@dataclass(frozen=True)
class Place:
    """Where a session lives and as whom."""

    folder: str
    """Holds ``data`` and ``tmp``."""
    uid: int | None
    """None: it stays the user that the fork server is."""
    tasks: int
    """RLIMIT_NPROC: of all processes of that user where it has no user namespace of its own."""
    base_bytes: int
    below_tmp: tuple[str, ...]
    """Readable folders below /tmp, which the session's own /tmp must not hide."""


def run_session(
    place: Place, limits: Limits, walls: frozenset[str], channel: int, output: int
) -> None:
    """Seal this freshly forked process and answer requests until the channel closes."""
    os.setsid()
    has_root = "namespaces" in walls
    if has_root:
        data, temporary = _mount_own_folders(place)
    else:
        data, temporary = f"{place.folder}/data", f"{place.folder}/tmp"
    os.chdir(data)
    set_environment(data, temporary)
    _arrange_descriptors(channel, output)
    rlimits.set_limits(limits, place.base_bytes, place.tasks)
    _drop_privileges(place.uid)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not has_root:
        paths.emulate({root.DATA: data, "/tmp": temporary}, place.below_tmp)
    if "landlock" in walls:
        readable = ["/"] if has_root else [*root.readable_paths(), *root.DEVICES[2:]]
        landlock.restrict(readable, [data, temporary], root.DEVICES[:2])
    if "seccomp" in walls:
        seccomp.install(seccomp.program(has_root, os.getpid()))
    Worker(Channel(CHANNEL, CHANNEL), limits, data).serve()


def set_environment(data: str, temporary: str) -> None:
    os.environ.update(HOME=data, TMPDIR=temporary, MPLCONFIGDIR=temporary)
    sys.path.append(data)  # last: an uploaded module hides none of the library's


def _mount_own_folders(place: Place) -> tuple[str, str]:
    mounts.bind_as_it_is(f"{place.folder}/data", root.DATA)
    hidden = [(path, mounts.grab(path)) for path in place.below_tmp]
    mounts.bind_as_it_is(f"{place.folder}/tmp", "/tmp")
    for path, tree in hidden:
        os.makedirs(path, exist_ok=True)
        mounts.put(tree, path)
    mounts.mount_tmpfs(root.SESSIONS, "size=4k,nr_inodes=2,mode=000", writable=False)
    return root.DATA, "/tmp"


def _arrange_descriptors(channel: int, output: int) -> None:
    """0 reads nothing, 1 and 2 are the pipe for what does not go through ``sys.stdout``, 3 is the
    channel; nothing else stays open."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    for offset, descriptor in enumerate((nothing, output, output, channel)):
        os.dup2(descriptor, ABOVE_ALL_OURS + offset)
    for target in range(4):
        os.dup2(ABOVE_ALL_OURS + target, target)
    os.closerange(4, MOST_DESCRIPTORS)


def _drop_privileges(uid: int | None) -> None:
    capabilities.drop_bounding_set()
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    capabilities.drop_all()
    prctl(PR_SET_DUMPABLE, 0)
    # after the change of user, which clears it
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.umask(0o077)
