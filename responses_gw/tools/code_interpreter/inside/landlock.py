"""Landlock: which files this process may open, from now on and for good.

Source: Linux, Documentation/userspace-api/landlock.rst. It needs no privilege. It does not cover
metadata (stat, chmod, times), which the root (``root.py``) and the filter (``seccomp.py``) do.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

from .kernel import prctl, syscall

__all__ = ["abi", "restrict"]

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, PATH_BENEATH = 1, 1
PR_SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_CHAR, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
FILE_RIGHTS_NOW = (1 << 16) - 1
NETWORK_RIGHTS, SCOPES = 3, 3  # bind and connect TCP; abstract Unix sockets and signals


def abi() -> int:
    """The version that this kernel offers; 0 when it has none or has it switched off."""
    try:
        return syscall("landlock", CREATE_RULESET, 0, 0, VERSION_FLAG)
    except OSError:
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str], devices: Iterable[str]) -> None:
    """Only these paths can be opened from now on; the thread must be the only one.

    Raises ``OSError`` when the kernel cannot enforce it.
    """
    ruleset, rights = _create(abi())
    try:
        unwanted = EXECUTE | MAKE_CHAR | MAKE_BLOCK | MAKE_SOCK | MAKE_FIFO | IOCTL_DEV
        for path in readable:
            _allow(ruleset, path, rights & (READ_FILE | READ_DIR))
        for path in writable:
            _allow(ruleset, path, rights & ~unwanted)
        for path in devices:
            _allow(ruleset, path, rights & (READ_FILE | WRITE_FILE))
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        syscall("landlock_restrict_self", RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _create(version: int) -> tuple[int, int]:
    """A ruleset and the rights to files that it handles.

    There are kernels that claim a version and lack a part of it (RHEL 9): less is tried then.
    """
    if version < 1:
        raise OSError(errno.ENOSYS, "Landlock is not available")
    files = FILE_RIGHTS.get(version, FILE_RIGHTS_NOW)
    network = NETWORK_RIGHTS if version >= 4 else 0
    scopes = SCOPES if version >= 6 else 0
    for attributes in ((files, network, scopes), (files, network, 0), (files, 0, 0)):
        size = 24 if attributes[2] else 16 if attributes[1] else 8
        buffer = ctypes.create_string_buffer(struct.pack("QQQ", *attributes)[:size], size)
        try:
            return syscall("landlock_create_ruleset", CREATE_RULESET, buffer, size, 0), files
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.E2BIG):
                raise
    raise OSError(errno.EINVAL, "the kernel takes none of our Landlock rulesets")


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not os.path.isdir(path):
            rights &= OF_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, beneath), 12)
        syscall("landlock_add_rule", ADD_RULE, ruleset, PATH_BENEATH, rule, 0)
    finally:
        os.close(beneath)
