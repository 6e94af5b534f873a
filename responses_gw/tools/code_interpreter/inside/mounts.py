"""Mounts (man 2 mount, mount_setattr, pivot_root, open_tree, move_mount)."""

from __future__ import annotations

import ctypes
import struct

from .kernel import IS_X86, check, libc, syscall

__all__ = [
    "bind",
    "bind_as_it_is",
    "grab",
    "make_private",
    "mount_tmpfs",
    "pivot",
    "put",
    "seal_top",
    "unmount",
]

READ_ONLY, NO_SUID, NO_DEV, NO_EXEC = 1, 2, 4, 8  # the same bits in mount and in mount_setattr
BIND, RECURSIVE, PRIVATE, DETACH = 4096, 16384, 1 << 18, 2
AT_RECURSIVE, AT_FDCWD, CLONE_TREE, CLOSE_ON_EXEC, EMPTY_PATH = 0x8000, -100, 1, 0o2000000, 4
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
PIVOT_ROOT = 155 if IS_X86 else 41


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    names = [None if name is None else name.encode() for name in (source, target, kind)]
    made = libc.mount(*names, ctypes.c_ulong(flags), data.encode() or None)
    check(int(made), f"mount of {source or kind or 'nothing'} on {target}")


def mount_tmpfs(target: str, data: str, *, writable: bool = True, programs: bool = False) -> None:
    flags = NO_SUID | NO_DEV | (0 if writable else READ_ONLY) | (0 if programs else NO_EXEC)
    _mount("tmpfs", target, "tmpfs", flags, data)


def make_private() -> None:
    """What is mounted from now on stays in this namespace."""
    _mount(None, "/", None, RECURSIVE | PRIVATE)


def bind(source: str, target: str, *, writable: bool = False, device: bool = False) -> None:
    _mount(source, target, None, BIND | RECURSIVE)
    _set(target, (0 if writable else READ_ONLY) | NO_SUID | (0 if device else NO_DEV))


def bind_as_it_is(source: str, target: str) -> None:
    _mount(source, target, None, BIND)


def seal_top() -> None:
    """The root itself becomes read-only, what is mounted below keeps what it has."""
    _set("/", READ_ONLY | NO_SUID, recursive=False)


def _set(path: str, attributes: int, *, recursive: bool = True) -> None:
    buffer = ctypes.create_string_buffer(struct.pack("QQQQ", attributes, 0, 0, 0), 32)
    below = AT_RECURSIVE if recursive else 0
    syscall(f"mount_setattr of {path}", MOUNT_SETATTR, AT_FDCWD, path.encode(), below, buffer, 32)


def unmount(target: str) -> None:
    check(int(libc.umount2(target.encode(), DETACH)), f"umount of {target}")


def pivot(root: str, old: str) -> None:
    syscall("pivot_root", PIVOT_ROOT, root.encode(), old.encode())


def grab(path: str) -> int:
    """A descriptor of a copy of what is mounted at ``path``, to be :func:`put` elsewhere."""
    flags = CLONE_TREE | AT_RECURSIVE | CLOSE_ON_EXEC
    return syscall(f"open_tree of {path}", OPEN_TREE, AT_FDCWD, path.encode(), flags)


def put(tree: int, target: str) -> None:
    what = f"move_mount to {target}"
    syscall(what, MOVE_MOUNT, tree, b"", AT_FDCWD, target.encode(), EMPTY_PATH)
