"""Draws docs/architecture.md from the code's own tables; ``--check`` fails if it is stale."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from responses_gw.machine.states import ITEM_TABLE, RESPONSE_TABLE

PAGE = Path(__file__).parent / "architecture.md"
PACKAGE = Path(__file__).parent.parent / "responses_gw"
ROOMS = (
    "http",
    "engine",
    "tools",
    "files",
    "upstream",
    "store",
    "egress",
    "prompt",
    "machine",
    "api",
)
HEAD = """\
# Architecture

This page is drawn by `.venv/bin/python docs/draw.py` from the code: its imports, docstrings and
state tables. A test keeps it fresh.

## The rooms of `responses_gw/`

Imports go down only. `api`, `machine` and `prompt` never await anything.

"""


def page() -> str:
    """The whole page, as Markdown with Mermaid diagrams."""
    return HEAD + rooms() + responses() + items() + steps()


def rooms() -> str:
    """Every room that is there, in words of its own, and the imports between them."""
    here = [room for room in ROOMS if (PACKAGE / room).is_dir()]
    lines = [f'  {room}["<b>{room}</b><br/>{_purpose(room)}"]' for room in here]
    for room in here:
        used = _imports(room)
        lines += [f"  {room} --> {other}" for other in here if other in used and other != room]
    return _mermaid("flowchart TD", lines)


def _purpose(room: str) -> str:
    """The first sentence of the room's docstring, up to its first colon."""
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))) or ""
    return re.split(r"[.:]", text.replace("\n", " "), maxsplit=1)[0]


def _imports(room: str) -> set[str]:
    """The first names of the modules outside the room that it imports from the package."""
    return {
        (node.module or "").split(".")[0]
        for path in (PACKAGE / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level > 1
    }


def responses() -> str:
    lines = [
        f"  {now.name} --> {then.name}: {step.name}" for (now, step), then in RESPONSE_TABLE.items()
    ]
    return "## A response\n\n" + _mermaid("stateDiagram-v2", lines)


def items() -> str:
    lines = [f"  {now.name} --> {then.name}" for (now, then), steps in ITEM_TABLE.items() if steps]
    text = "## The open item\n\nA delta of another kind closes what is open and opens its own.\n\n"
    return text + _mermaid("stateDiagram-v2", lines)


def steps() -> str:
    rows = ["| from | to | events |", "|---|---|---|"]
    for (now, then), taken in ITEM_TABLE.items():
        if taken:
            events = "; ".join(step.value for step in taken)
            rows.append(f"| {now.name} | {then.name} | {events} |")
    return "## What every move emits\n\n" + "\n".join(rows) + "\n"


def _mermaid(kind: str, lines: list[str]) -> str:
    return "\n".join(["```mermaid", kind, *lines, "```", "", ""])


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(
            0 if PAGE.read_text(encoding="utf-8") == page() else "docs/architecture.md is stale"
        )
    PAGE.write_text(page(), encoding="utf-8")
