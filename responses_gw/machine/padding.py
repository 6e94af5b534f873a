"""Padding for deltas, so that the size of a frame does not tell its text (ORDERING §0.10)."""

from __future__ import annotations

import secrets
import string

from msgspec import UNSET, UnsetType

__all__ = ["no_padding", "padding"]

_SIZE = 16
_ALPHABET = string.ascii_letters + string.digits
# what it says does not matter, only that it is no use to a compressor's observer
_NOISE = "".join(secrets.choice(_ALPHABET) for _ in range(1024 + _SIZE))


def padding(delta: str, sequence_number: int) -> str:
    """Letters and digits that fill ``delta`` up to a multiple of 16 characters."""
    at = sequence_number * 31 & 1023
    return _NOISE[at : at + -len(delta) % _SIZE]


def no_padding(delta: str, sequence_number: int) -> UnsetType:
    return UNSET
