"""Figures as PNG: matplotlib's, shown and unshown, PIL's, and whatever draws itself."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

from .frames import IMAGE, Channel

__all__ = ["Figures"]


class Figures:
    def __init__(
        self, channel: Channel, images: int, image_bytes: int, flush: Callable[[], None]
    ) -> None:
        self._channel = channel
        self._images = images
        self._image_bytes = image_bytes
        self._flush = flush
        self.reset()

    def reset(self) -> None:
        self._sent = 0
        self.dropped = 0

    def hook(self) -> None:
        """Let the libraries that are loaded show here what they would open a window for."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.show = lambda *_, **__: self.show_open()  # type: ignore[attr-defined]
            figure = sys.modules["matplotlib.figure"].Figure
            figure.show = lambda this, *_, **__: self._save(this, format="png", bbox_inches="tight")
        image = sys.modules.get("PIL.Image")
        if image is not None:
            image.Image.show = lambda this, *_, **__: self.show_image(this)

    def show_open(self) -> None:
        """All of matplotlib's figures, which are closed then, also when one cannot be drawn."""
        pyplot: Any = sys.modules.get("matplotlib.pyplot")
        if pyplot is None:
            return
        try:
            for number in pyplot.get_fignums():
                if self._has_room():
                    self._save(pyplot.figure(number), format="png", bbox_inches="tight")
        finally:
            pyplot.close("all")

    def show_image(self, image: Any) -> None:
        if self._has_room():
            self._save_image(image)

    def show_value(self, value: object) -> None:
        """The picture of a value that has one (IPython's protocol)."""
        draw = getattr(type(value), "_repr_png_", None)
        drawn = draw(value) if callable(draw) else None
        if isinstance(drawn, bytes):
            self._send(drawn)

    def _has_room(self) -> bool:
        if self._sent < self._images:
            return True
        self.dropped += 1
        return False

    def _save(self, figure: Any, **how: str) -> None:
        if self._has_room():
            held = io.BytesIO()
            figure.savefig(held, **how)
            self._send(held.getvalue())

    def _save_image(self, image: Any) -> None:
        held = io.BytesIO()
        image.save(held, "PNG")
        self._send(held.getvalue())

    def _send(self, png: bytes) -> None:
        if self._has_room():
            if len(png) > self._image_bytes:
                self.dropped += 1
                return
            self._flush()
            self._sent += 1
            self._channel.send(IMAGE, png)
