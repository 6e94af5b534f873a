"""``/mnt/data`` and ``/tmp`` where there is no mount namespace to make them.

This is a convenience, no wall: Python's own functions find the session's folders under the names
that models know. Landlock is what keeps other paths shut.
"""

from __future__ import annotations

import builtins
import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

__all__ = ["emulate"]

ONE_PATH = (
    *("listdir", "stat", "lstat", "scandir", "mkdir", "remove", "unlink"),
    *("chdir", "rmdir", "open", "access"),
)
TWO_PATHS = ("rename", "replace", "link", "symlink")


def emulate(folders: Mapping[str, str], untouched: Iterable[str]) -> None:
    """``folders``: what each name stands for; ``untouched``: paths below them that are real."""
    keep = (*folders.values(), *untouched)

    def real(path: Any) -> Any:
        if isinstance(path, str) and not path.startswith(keep):
            for name, folder in folders.items():
                if path == name or path.startswith(name + "/"):
                    return folder + path[len(name) :]
        return path

    def translate(module: ModuleType, name: str, paths: int) -> Callable[..., Any]:
        original = getattr(module, name)

        # shutil asks these sets what a function can do
        can = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks)

        def translated(*arguments: Any, **named: Any) -> Any:
            moved = [real(argument) for argument in arguments[:paths]]
            return original(*moved, *arguments[paths:], **named)

        for able in can:
            if original in able:
                able.add(translated)
        return translated

    for name in ONE_PATH:
        setattr(os, name, translate(os, name, 1))
    for name in TWO_PATHS:
        setattr(os, name, translate(os, name, 2))
    builtins.open = io.open = translate(io, "open", 1)
    if "pathlib" in sys.modules:  # which looks at os by itself, but has kept io.open
        sys.modules["pathlib"].io = io  # type: ignore[attr-defined]
