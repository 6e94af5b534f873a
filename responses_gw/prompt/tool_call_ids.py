"""Ids of calls for templates that take only ids of nine letters and digits (Mistral's)."""

from __future__ import annotations

import hashlib
import re

__all__ = ["nine_characters"]

LENGTH = 9
_FITS = re.compile(r"[A-Za-z0-9]{9}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def nine_characters(call_id: str) -> str:
    """``call_id`` if it fits, else the same nine characters for the same id, every time."""
    if _FITS.fullmatch(call_id):
        return call_id
    digest = hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest[:8], "big")
    characters = []
    for _ in range(LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        characters.append(_DIGITS[digit])
    return "".join(characters)
