"""Namespaces: what of the system a process can see (man 7 namespaces, user_namespaces)."""

from __future__ import annotations

import contextlib
import os

from .kernel import check, libc

__all__ = ["INSIDE_UID", "SESSION", "ZYGOTE", "unshare", "unshare_with_user"]

NEWNS, NEWUTS, NEWIPC = 0x20000, 0x4000000, 0x8000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
ZYGOTE = NEWNS | NEWUTS | NEWIPC | NEWNET
SESSION = ZYGOTE | NEWPID
INSIDE_UID = 1000
"""Who an ordinary user is inside its user namespace."""


def unshare(flags: int) -> None:
    check(int(libc.unshare(flags)), f"unshare({flags:#x})")


def unshare_with_user(flags: int, proc: int, outside_uid: int, outside_gid: int) -> None:
    """New namespaces for an ordinary user, who gets them only below a new user namespace."""
    unshare(flags | NEWUSER)
    with contextlib.suppress(FileNotFoundError):
        _write(proc, "self/setgroups", "deny")
    _write(proc, "self/uid_map", f"{INSIDE_UID} {outside_uid} 1")
    _write(proc, "self/gid_map", f"{INSIDE_UID} {outside_gid} 1")


def _write(proc: int, name: str, text: str) -> None:
    file = os.open(name, os.O_WRONLY, dir_fd=proc)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)
