"""One call: code into a namespace, and what became of it."""

from __future__ import annotations

import ast
import asyncio
import builtins
import linecache
import os
import sys
import sysconfig
import traceback
import types
from dataclasses import dataclass
from typing import Literal

__all__ = ["Failure", "Interpreter", "describe_failure", "host_paths", "shown"]

CO_COROUTINE = 0x80
FRAMES_SHOWN = 15
TRACEBACK_CHARACTERS = 6000
MESSAGE_CHARACTERS = 2000
NO_SHELL = "shell commands are not available in this sandbox"
OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))

# a session's code may replace the public names
_compile, _eval, _repr = compile, eval, repr
_TracebackException, _StackSummary = traceback.TracebackException, traceback.StackSummary


@dataclass(frozen=True)
class Failure:
    status: Literal["error", "interrupted"]
    name: str
    message: str
    traceback: str


class Interpreter:
    """The namespace of a session and its calls so far."""

    def __init__(self) -> None:
        module = types.ModuleType("__main__")
        module.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = module
        self._names = module.__dict__
        self._calls = 0

    def run(self, code: str) -> object:
        """The value of the last expression, or None. Raises whatever the code raises."""
        self._calls += 1
        name = f"<call {self._calls}>"
        code = _without_magic(code)
        lines = [line + "\n" for line in code.split("\n")]
        linecache.cache[name] = (len(code), None, lines, name)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
        tree = _compile(code, name, "exec", flags, True)
        last = tree.body[-1] if tree.body else None
        if not isinstance(last, ast.Expr):
            self._evaluate(tree, name, "exec")
            return None
        tree.body.pop()
        self._evaluate(tree, name, "exec")
        value = self._evaluate(ast.Expression(last.value), name, "eval")
        if value is not None:
            self._names["_"] = value
        return value

    def _evaluate(self, tree: ast.Module | ast.Expression, name: str, mode: str) -> object:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        compiled = _compile(tree, name, mode, flags, True)
        if compiled.co_flags & CO_COROUTINE:
            return asyncio.run(_eval(compiled, self._names))
        return _eval(compiled, self._names)


def _without_magic(code: str) -> str:
    """IPython's lines, which models write by habit, do no harm and say so."""
    if not any(line.startswith(("%", "!")) for line in code.split("\n")):
        return code
    try:
        ast.parse(code)  # the line may stand in a string
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    else:
        return code
    lines = []
    for line in code.split("\n"):
        if line.startswith("%"):
            line = f"pass  # {line}"
        elif line.startswith("!"):
            line = f"print({NO_SHELL!r})"
        lines.append(line)
    return "\n".join(lines)


def describe_failure(error: BaseException, hidden: dict[str, str]) -> Failure:
    """What the model is told; ``hidden`` are paths of the host and what stands for them."""
    try:
        text = _format(error, hidden)
    except BaseException:  # noqa: BLE001 - the code's own exceptions may raise when they are shown
        text = ""
    try:
        message = _without_paths(str(error)[:MESSAGE_CHARACTERS], hidden)
    except BaseException:  # noqa: BLE001
        message = "(the exception cannot be shown)"
    is_interrupt = isinstance(error, KeyboardInterrupt)
    name = type(error).__name__[:200]
    return Failure("interrupted" if is_interrupt else "error", name, message, text)


def _format(error: BaseException, hidden: dict[str, str]) -> str:
    described = _TracebackException(
        type(error), error, error.__traceback__, limit=-FRAMES_SHOWN, compact=True
    )
    parts: list[traceback.TracebackException] = [described]
    seen: set[int] = set()
    while parts:
        part = parts.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        frames = []
        for frame in part.stack:
            if not frame.filename.startswith(OWN_FOLDER):
                frame.line  # noqa: B018 - reads the source, while the name of its file is right
                frame.filename = _without_paths(frame.filename, hidden)
                frames.append(frame)
        part.stack = _StackSummary.from_list(frames)
        parts += [p for p in (part.__cause__, part.__context__) if p is not None]
    text = _without_paths("".join(described.format()), hidden)
    if len(text) > TRACEBACK_CHARACTERS:
        half = TRACEBACK_CHARACTERS // 2
        text = f"{text[:half]}\n...\n{text[-half:]}"
    return text


def host_paths() -> dict[str, str]:
    """Where this interpreter lives, and how it is called in tracebacks; the longest first."""
    found = {}
    for key in ("purelib", "platlib", "stdlib", "platstdlib"):
        path = sysconfig.get_paths().get(key, "")
        if path not in ("", "/"):
            found[path] = "<packages>" if key.endswith("lib") and "std" not in key else "<python>"
    found[sys.prefix] = found[sys.base_prefix] = "<prefix>"
    return {path: found[path] for path in sorted(found, key=len, reverse=True) if path != "/usr"}


def _without_paths(text: str, hidden: dict[str, str]) -> str:
    for path, name in hidden.items():
        text = text.replace(path, name)
    return text


def shown(value: object, characters: int) -> str:
    """``repr`` of the value of a call, cut in the middle."""
    text = _repr(value).encode("utf-8", "backslashreplace").decode()
    if len(text) <= characters:
        return text
    half = characters // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}[... {left_out} characters left out ...]{text[-half:]}"
