"""The filter of system calls (seccomp-BPF): an allow-list.

Theory of operation. The kernel runs a small program over the number and the arguments of each
system call (Linux, Documentation/userspace-api/seccomp_filter.rst). Ours allows what an interpreter
needs that computes, uses its own files and starts threads; everything else is answered with "not
permitted", so that new calls of newer kernels are closed from the start. Calls through another
architecture's table (x32, int 0x80) end the process: their numbers mean other things.

A filter sees arguments but not what pointers point to. So ``clone3`` and ``openat2``, whose
arguments are structures, are answered with "no such call", after which the C library uses ``clone``
and ``openat``.

The program: "the register holds the call's number" holds at the start of every rule. A rule that
matches ends with an answer, so what it loads over the number does no harm.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from .kernel import IS_X86, prctl
from .syscalls import ALLOWED, number_of

__all__ = ["FilterProgram", "install", "program"]

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
KILL_PROCESS, ANSWER, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
LOAD, IF_EQUAL, IF_AT_LEAST, IF_ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
AUDIT_ARCH = {True: 0xC000003E, False: 0xC00000B7}
X32_BIT = 0x40000000

O_TRUNC, O_ACCMODE = 0o1000, 3
CLONE_THREAD = 0x00010000
CLONE_NAMESPACES = 0x7E020080  # any CLONE_NEW*
AF_UNIX, SOCK_STREAM, SOCK_TYPE = 1, 1, 0xF
PR_SET_NAME, PR_GET_NAME = 15, 16
FIONBIO, FIONREAD, FIOCLEX, FIONCLEX = 0x5421, 0x541B, 0x5451, 0x5450
FIRST_ODD_FCNTL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ = 8, 1030, 1032

Step = tuple[int, int, int, int]
"""One instruction: its code, its constant, how far to jump when true, when false."""


def refuse(number: int) -> Step:
    return (RETURN, ANSWER | number, 0, 0)


def low(argument: int) -> Step:
    return (LOAD, ARGUMENTS + 8 * argument, 0, 0)


def high(argument: int) -> Step:
    return (LOAD, ARGUMENTS + 8 * argument + 4, 0, 0)


ACCEPT: Step = (RETURN, ALLOW, 0, 0)


class FilterProgram:
    """A program for the kernel's filter, rule by rule."""

    def __init__(self) -> None:
        self._steps: list[bytes] = []

    def __len__(self) -> int:
        return len(self._steps)

    def __bytes__(self) -> bytes:
        return b"".join(self._steps)

    def add(self, *steps: Step) -> None:
        for code, constant, if_true, if_false in steps:
            packed = struct.pack("=HBBI", code, if_true, if_false, constant & 0xFFFFFFFF)
            self._steps.append(packed)

    def rule(self, name: str, *steps: Step) -> None:
        """For the call ``name`` the steps, all ways through which end with an answer."""
        number = number_of(name, IS_X86)
        if number is not None:
            self.add((IF_EQUAL, number, 0, len(steps)), *steps)


def program(own_files_only: bool, own_pid: int) -> FilterProgram:
    """The filter of the process ``own_pid``, as it sees its own number.

    ``own_files_only``: no file of the host has a name there, so that its metadata are out of reach;
    otherwise changes of metadata are refused, which Landlock does not cover.
    """
    made = FilterProgram()
    _check_architecture(made)
    for name in ALLOWED:
        made.rule(name, ACCEPT)
    _files(made, own_files_only)
    _processes(made, own_pid)
    _descriptors(made)
    made.add(refuse(errno.EPERM))
    return made


def _check_architecture(made: FilterProgram) -> None:
    kill: Step = (RETURN, KILL_PROCESS, 0, 0)
    made.add((LOAD, ARCHITECTURE, 0, 0), (IF_EQUAL, AUDIT_ARCH[IS_X86], 1, 0), kill)
    made.add((LOAD, NUMBER, 0, 0))
    if IS_X86:
        made.add((IF_AT_LEAST, X32_BIT, 0, 1), kill)


def _files(made: FilterProgram, own_files_only: bool) -> None:
    # Landlock before ABI 3 lets a read-only open with O_TRUNC truncate: refused everywhere
    for name, flags in (("openat", 2), ("open", 1)):
        made.rule(
            name,
            *(low(flags), (IF_ANY_BIT, O_TRUNC, 0, 3), (AND, O_ACCMODE, 0, 0)),
            *((IF_EQUAL, 0, 0, 1), refuse(errno.EACCES), ACCEPT),
        )
    made.rule("creat", ACCEPT)
    made.rule("openat2", refuse(errno.ENOSYS))
    # errno 0 says "done": zipfile, tarfile and shutil set modes and times, and go on without
    for name in ("chmod", "fchmod", "fchmodat", "fchmodat2", "utime", "utimes", "utimensat"):
        made.rule(name, ACCEPT if own_files_only else refuse(0))
    made.rule("truncate", ACCEPT if own_files_only else refuse(errno.EACCES))
    for name in ("setxattr", "lsetxattr", "fsetxattr"):
        made.rule(name, refuse(errno.ENOTSUP))


def _processes(made: FilterProgram, own_pid: int) -> None:
    denied = refuse(errno.EPERM)
    made.rule(  # threads only
        "clone",
        *(low(0), (IF_ANY_BIT, CLONE_NAMESPACES, 2, 0), (IF_ANY_BIT, CLONE_THREAD, 0, 1)),
        *(ACCEPT, denied),
    )
    made.rule("clone3", refuse(errno.ENOSYS))
    for name in ("kill", "tgkill"):  # raise, abort and pthread_kill signal the own process
        made.rule(name, low(0), (IF_EQUAL, own_pid, 0, 1), ACCEPT, denied)
    made.rule(  # reading the own limits
        "prlimit64",
        *(low(0), (IF_EQUAL, 0, 0, 4), low(2), (IF_EQUAL, 0, 0, 2), high(2), (IF_EQUAL, 0, 1, 0)),
        *(denied, ACCEPT),
    )
    names = (low(0), (IF_EQUAL, PR_SET_NAME, 2, 0), (IF_EQUAL, PR_GET_NAME, 1, 0))
    made.rule("prctl", *names, denied, ACCEPT)


def _descriptors(made: FilterProgram) -> None:
    denied = refuse(errno.EPERM)
    wanted = (FIONBIO, FIONREAD, FIOCLEX, FIONCLEX)
    tests = [(IF_EQUAL, request, 4 - at, 0) for at, request in enumerate(wanted)]
    made.rule("ioctl", low(1), *tests, refuse(errno.ENOTTY), ACCEPT)
    made.rule(  # no F_SETOWN, F_SETSIG, F_SETPIPE_SZ, leases or notifications
        "fcntl",
        *(low(1), (IF_AT_LEAST, FIRST_ODD_FCNTL, 0, 3)),
        *((IF_EQUAL, F_DUPFD_CLOEXEC, 2, 0), (IF_EQUAL, F_GETPIPE_SZ, 1, 0), denied, ACCEPT),
    )
    made.rule(  # asyncio wakes itself with one
        "socketpair",
        *(low(0), (IF_EQUAL, AF_UNIX, 0, 3), low(1), (AND, SOCK_TYPE, 0, 0)),
        *((IF_EQUAL, SOCK_STREAM, 1, 0), denied, ACCEPT),
    )
    made.rule(  # and writes to it: without an address
        "sendto",
        *(low(4), (IF_EQUAL, 0, 0, 3), high(4), (IF_EQUAL, 0, 0, 1), ACCEPT, denied),
    )


def install(filter_program: FilterProgram) -> None:
    """Put this thread, which must be the only one, behind the filter. Raises ``OSError``."""
    text = bytes(filter_program)
    steps = ctypes.create_string_buffer(text, len(text))
    head = struct.pack("=HxxxxxxQ", len(filter_program), ctypes.addressof(steps))
    held = ctypes.create_string_buffer(head, len(head))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(held))
