"""The root of the sandbox: an interpreter, its libraries, four devices and nothing else.

The fork server moves into it once; each session copies the mount namespace and hangs its own
working directory and its own ``/tmp`` into its copy.
"""

from __future__ import annotations

import os
import sys

from . import mounts
from .namespaces import INSIDE_UID, ZYGOTE, unshare, unshare_with_user

__all__ = ["DATA", "DEVICES", "SESSIONS", "enter", "readable_paths"]

DATA = "/mnt/data"
SESSIONS = "/sessions"
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
SYSTEM = (
    *("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/etc/localtime", "/etc/mime.types", "/usr/share/mime"),
    *("/usr/share/fonts", "/usr/share/fontconfig", "/etc/fonts"),
    *("/etc/matplotlibrc", "/usr/share/matplotlib"),
    "/etc/alternatives",  # Debian's libblas is found through its links
)
HARMLESS_FOLDERS = ("/mnt", "/media", "/srv", "/opt", "/run", "/tmp")
PASSWD = f"sandbox:x:{INSIDE_UID}:{INSIDE_UID}::{DATA}:/sbin/nologin\n"
GROUP = f"sandbox:x:{INSIDE_UID}:\n"


def readable_paths() -> list[str]:
    """The files and folders that an interpreter reads, none below another, links resolved."""
    wanted = [sys.prefix, sys.exec_prefix, *filter(os.path.isdir, sys.path), *SYSTEM]
    if sys.base_prefix == sys.prefix == "/usr":
        wanted = wanted[2:]  # not the whole of /usr: its lib is enough
    else:
        wanted.append(os.path.join(sys.base_prefix, "lib"))
    real = {os.path.realpath(path) for path in wanted if os.path.exists(path)} - {"/"}
    below = {path for path in real for top in real if path.startswith(top + "/")}
    return sorted(real - below)


def _links() -> dict[str, str]:
    """Links of the old root that names of files go through (/lib -> usr/lib, a linked venv)."""
    found = {path: os.readlink(path) for path in ("/lib", "/lib64") if os.path.islink(path)}
    for path in (sys.prefix, sys.base_prefix):
        current = ""
        for part in path.strip("/").split("/"):
            current = f"{current}/{part}"
            if os.path.islink(current):
                found[current] = os.readlink(current)
                break
    return found


def enter(proc: int) -> None:
    """Move this process into its own namespaces and root. Raises ``OSError`` where it may not."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        unshare(ZYGOTE)
    else:
        unshare_with_user(ZYGOTE, proc, uid, gid)
    mounts.make_private()
    sources = readable_paths()
    base = next(
        folder
        for folder in HARMLESS_FOLDERS
        if os.path.isdir(folder) and not any(f"{s}/".startswith(f"{folder}/") for s in sources)
    )
    mounts.mount_tmpfs(base, "size=4m,nr_inodes=4k,mode=755", programs=True)
    _fill(base, sources)
    mounts.mount_tmpfs(base + SESSIONS, "size=4m,nr_inodes=10k,mode=755")
    mounts.pivot(base, base + "/.old")
    os.chdir("/")
    mounts.unmount("/.old")
    os.rmdir("/.old")
    mounts.seal_top()


def _fill(base: str, sources: list[str]) -> None:
    for folder in ("/proc", "/dev", "/etc", "/tmp", DATA, SESSIONS, "/.old"):
        os.makedirs(base + folder, mode=0o755, exist_ok=True)
    for source in sources:
        if os.path.isdir(source):
            os.makedirs(base + source, mode=0o755, exist_ok=True)
        else:
            _write(base + source, "")
        mounts.bind(source, base + source)
    for name, target in _links().items():
        if not os.path.lexists(base + name):
            os.makedirs(base + os.path.dirname(name), mode=0o755, exist_ok=True)
            os.symlink(target, base + name)
    for device in DEVICES:
        _write(base + device, "")
        mounts.bind(device, base + device, writable=True, device=True)
    _write(f"{base}/etc/passwd", PASSWD)
    _write(f"{base}/etc/group", GROUP)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
