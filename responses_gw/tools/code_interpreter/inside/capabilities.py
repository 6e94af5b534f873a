"""Capabilities: root's powers one by one (man 7 capabilities); a session has none."""

from __future__ import annotations

import contextlib
import ctypes
import struct

from .kernel import IS_X86, prctl, syscall

__all__ = ["drop_all", "drop_bounding_set"]

PR_CAPBSET_DROP, PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL = 24, 47, 4
CAPSET = 126 if IS_X86 else 91
VERSION_3 = 0x20080522
MORE_THAN_THERE_ARE = 64


def drop_bounding_set() -> None:
    """What no program started from here could gain; only a process with CAP_SETPCAP can drop it."""
    with contextlib.suppress(OSError):  # past the last one, or not ours to drop
        for capability in range(MORE_THAN_THERE_ARE):
            prctl(PR_CAPBSET_DROP, capability)


def drop_all() -> None:
    with contextlib.suppress(OSError):  # kernels before 4.3 have no ambient set
        prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL)
    head = ctypes.create_string_buffer(struct.pack("=Ii", VERSION_3, 0), 8)
    none = ctypes.create_string_buffer(bytes(24), 24)
    syscall("capset", CAPSET, head, none)
