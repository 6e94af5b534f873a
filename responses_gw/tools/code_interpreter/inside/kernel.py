"""Calls of the kernel that Python's library has no function for."""

from __future__ import annotations

import ctypes
import os
import platform

__all__ = ["IS_X86", "SetupError", "check", "libc", "prctl", "syscall"]

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
IS_X86 = platform.machine() == "x86_64"
SUPPORTED = ("x86_64", "aarch64")


class SetupError(Exception):
    """The sandbox cannot be set up here. The message says why."""


def check(result: int, what: str) -> int:
    """``result``, or ``OSError`` with what was tried when it says that the call failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(what: str, number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char]) -> int:
    """A system call by its number; raises ``OSError``, naming ``what``."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return check(int(libc.syscall(ctypes.c_long(number), *words)), what)


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    words = [ctypes.c_ulong(word) for word in (first, second, 0, 0)]
    return check(int(libc.prctl(ctypes.c_int(option), *words)), f"prctl({option})")
