"""Ids that carry their time: a prefix and the 32 hex digits of a UUIDv7 (RFC 9562 §5.7).

Time first keeps database indexes local and lets the big tables be partitioned by id (DESIGN §6).
"""

from __future__ import annotations

import os
import time
from typing import Literal

__all__ = ["MAX_ID_LENGTH", "IdPrefix", "is_storable_id", "new_id", "storable"]

MAX_ID_LENGTH = 256
IdPrefix = Literal[
    "resp", "msg", "rs", "item", "cmp", "fc", "fco", "ctc", "ctco", "tsc", "tso", "at", "lsh",
    "lsho", "sh", "sho", "apc", "apco", "cu", "cuo", "fs", "ws", "ci", "ig", "mcpl", "mcpr", "mcpa",
    "mcp", "cm", "cmo", "call", "req",
]  # fmt: skip


def new_id(prefix: IdPrefix) -> str:
    """A fresh id such as ``resp_0193…``: milliseconds since 1970, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000 & 0xFFFF_FFFF_FFFF
    noise = int.from_bytes(os.urandom(10), "big")
    versioned = 0x7000 | (noise >> 68)
    variant = 0x8000_0000_0000_0000 | (noise & 0x3FFF_FFFF_FFFF_FFFF)
    return f"{prefix}_{milliseconds:012x}{versioned:04x}{variant:016x}"


def is_storable_id(id: str) -> bool:
    """Whether an id that a client made can be a key."""
    return 0 < len(id) <= MAX_ID_LENGTH and storable(id) == id


def storable(text: str) -> str:
    """A client's word as a key or label: PostgreSQL's text takes neither NUL nor half a surrogate
    pair, and its indexes no long values."""
    text = text[:MAX_ID_LENGTH].replace("\x00", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
