"""What a worker may send in one call. It keeps to it by itself, unless its code has broken out."""

from __future__ import annotations

from .errors import ProtocolViolation
from .values import Limits, Picture, StreamText, ValueText
from .wire import IMAGE, LONGEST_NOTICE, RESULT, STDERR, STDOUT

__all__ = ["CallBounds", "cut_in_the_middle"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
Output = StreamText | ValueText | Picture


class CallBounds:
    """Counts the outputs of one call and refuses what is over the limits."""

    def __init__(self, limits: Limits) -> None:
        self._of_stream = dict.fromkeys((STDOUT, STDERR), limits.stream_characters + LONGEST_NOTICE)
        self._of_streams = limits.output_characters + 2 * LONGEST_NOTICE
        self._images = limits.images
        self._results = 1

    def take(self, kind: int, body: bytes) -> Output:
        """The output in a frame. Raises :class:`ProtocolViolation`."""
        if kind == IMAGE:
            self._images -= 1
            if self._images < 0 or not body.startswith(PNG_SIGNATURE):
                raise ProtocolViolation("an image too many, or one that is no PNG")
            return Picture(body)
        text = body.decode("utf-8", "replace")
        if kind == RESULT:
            self._results -= 1
            if self._results < 0:
                raise ProtocolViolation("a second value of one call")
            return ValueText(text)
        if kind not in self._of_stream:
            raise ProtocolViolation(f"a frame of kind {kind} during a call")
        self._of_stream[kind] -= len(text)
        self._of_streams -= len(text)
        if min(self._of_stream[kind], self._of_streams) < 0:
            raise ProtocolViolation("more output than a call may have")
        return StreamText("stdout" if kind == STDOUT else "stderr", text)


def cut_in_the_middle(text: str, characters: int, name: str) -> str:
    if len(text) <= characters:
        return text
    half = characters // 2
    notice = f"\n[... {len(text) - 2 * half} characters of {name} left out ...]\n"
    return text[:half] + notice + text[-half:]
