"""The text of a file as a part of a message."""

from __future__ import annotations

import re

from ..api.content import InputText

__all__ = ["file_part"]

MAX_NAME_CHARACTERS = 200
_LEAST_FENCE = 3
_UNFIT = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\"`]+")
_TICKS = re.compile("`+")


def file_part(name: str, text: str, *, pages: int | None = None) -> InputText:
    """Names the file and fences its content with more backticks than stand together in it, so that
    no content ends its own fence. The same file always gives the same bytes.
    """
    shown = _UNFIT.sub(" ", name)[:MAX_NAME_CHARACTERS].strip() or "file"
    size = "" if pages is None else f" ({pages} page{'s' if pages > 1 else ''})"
    fence = "`" * max(_LEAST_FENCE, 1 + max(map(len, _TICKS.findall(text)), default=0))
    end = "" if text.endswith("\n") else "\n"
    return InputText(f'Content of the file "{shown}"{size}:\n{fence}\n{text}{end}{fence}')
