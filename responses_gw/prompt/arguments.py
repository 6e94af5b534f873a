"""Tool arguments of past calls, as a model server takes them.

vLLM parses them before it renders the prompt, and templates walk them as an object; a call that the
model once wrote wrongly would make every later turn of the conversation fail.
"""

from __future__ import annotations

import msgspec

__all__ = ["sane_arguments"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def sane_arguments(arguments: str) -> str:
    """``arguments`` if they are a JSON object, else an object that shows what was written."""
    if not arguments.strip():
        return "{}"
    try:
        _decode(arguments)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return _encode({"invalid_json": arguments}).decode()
    return arguments
