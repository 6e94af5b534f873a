"""Draws docs/architecture.md from the code's own tables; ``--check`` fails if it is stale."""

from __future__ import annotations

import sys
from pathlib import Path

from responses_gw.machine.states import ITEM_TABLE, RESPONSE_TABLE

PAGE = Path(__file__).parent / "architecture.md"
ROOMS = {
    "http": ("engine",),
    "engine": ("tools", "upstream", "store"),
    "tools": ("prompt",),
    "upstream": ("machine",),
    "store": ("api",),
    "prompt": ("api",),
    "machine": ("api",),
}
PURPOSE = {
    "http": "routes, bodies, SSE, errors",
    "engine": "one response's life",
    "tools": "what the gateway runs itself",
    "upstream": "one streaming call",
    "store": "the only room with SQL",
    "prompt": "items → chat messages",
    "machine": "bytes → events, no I/O",
    "api": "the vocabulary",
}
HEAD = """\
# Architecture

This page is drawn by `python docs/draw.py` from the code's own tables; a test keeps it fresh.

## The rooms of `responses_gw/`

Imports go down only. `api`, `machine` and `prompt` never await anything.

"""


def page() -> str:
    """The whole page, as Markdown with Mermaid diagrams."""
    return HEAD + rooms() + responses() + items() + steps()


def rooms() -> str:
    lines = [f'  {name}["{name}<br/>{text}"]' for name, text in PURPOSE.items()]
    lines += [f"  {room} --> {below}" for room, lower in ROOMS.items() for below in lower]
    return _mermaid("flowchart TD", lines)


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
