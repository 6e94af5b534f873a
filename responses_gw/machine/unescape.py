"""The text inside a JSON object that is still being written.

Theory of operation. A custom tool takes free text, but models call functions, whose arguments are
JSON: ``{"input": "…"}``. The client is to see the text as it comes. So the JSON string is unescaped
while it streams, over any cut, and nothing is read twice. What is left of a read is at most one
unfinished escape.

A model may write something else. If the arguments do not begin as an object whose first value is a
string, they are taken for the text itself.
"""

from __future__ import annotations

import re

__all__ = ["InputReader"]

_HEAD = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*"')
_PARTIAL_HEAD = re.compile(r'\s*(?:\{\s*(?:\}\s*|"(?:[^"\\]|\\.)*(?:\\?|"\s*:?\s*))?)?')
_STOP = re.compile(r'["\\]')
_ESCAPES = {
    '"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
}  # fmt: skip
MAX_HEAD_CHARACTERS = 1000


class InputReader:
    """Feed it fragments of arguments; it returns the text that they complete."""

    __slots__ = ("_high", "_rest", "_state")

    def __init__(self) -> None:
        self._state = "head"  # → "text" → "done", or "plain"
        self._rest = ""
        self._high = ""  # the first half of a surrogate pair

    def feed(self, fragment: str) -> str:
        data = self._rest + fragment
        self._rest = ""
        if self._state == "head":
            if match := _HEAD.match(data):
                self._state, data = "text", data[match.end() :]
            elif _PARTIAL_HEAD.fullmatch(data) and len(data) < MAX_HEAD_CHARACTERS:
                self._rest = data
                return ""
            else:
                self._state = "plain"
        if self._state == "plain":
            return data
        return self._unescaped(data) if self._state == "text" else ""

    def finish(self) -> str:
        """The arguments are over: the text that was still waiting."""
        if self._state == "head":  # "{}", or nothing that we know how to read
            rest, self._rest = self._rest, ""
            return rest if rest.strip("{} \t\r\n") else ""
        half, self._high, self._rest = self._high, "", ""
        return "\ufffd" if half else ""

    def _unescaped(self, data: str) -> str:
        out: list[str] = []
        at = 0
        while at < len(data):
            stop = _STOP.search(data, at)
            end = stop.start() if stop else len(data)
            if end > at:
                self._flush_half(out)
                out.append(data[at:end])
            if stop is None:
                break
            if data[end] == '"':
                self._flush_half(out)
                self._state = "done"
                break
            size = 6 if data[end + 1 : end + 2] == "u" else 2
            if end + size > len(data):
                self._rest = data[end:]
                break
            self._escape(data[end + 1 : end + size], out)
            at = end + size
        return "".join(out)

    def _escape(self, escape: str, out: list[str]) -> None:
        if escape[0] != "u":
            self._flush_half(out)
            out.append(_ESCAPES.get(escape, escape))
            return
        try:
            unit = int(escape[1:], 16)
        except ValueError:
            self._flush_half(out)
            out.append("\ufffd")
            return
        if 0xDC00 <= unit < 0xE000 and self._high:
            pair = (ord(self._high) - 0xD800 << 10) + (unit - 0xDC00) + 0x10000
            self._high = ""
            out.append(chr(pair))
            return
        self._flush_half(out)
        if 0xD800 <= unit < 0xDC00:
            self._high = chr(unit)
        else:
            out.append("\ufffd" if 0xDC00 <= unit < 0xE000 else chr(unit))

    def _flush_half(self, out: list[str]) -> None:
        if self._high:
            self._high = ""
            out.append("\ufffd")
