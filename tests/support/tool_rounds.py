"""Rounds of a model that calls tools, and what a response shows of them."""

from __future__ import annotations

import json
from typing import Any

from .frames import DONE, arguments, call, finish, role, text, usage
from .streams import Answer

__all__ = ["Json", "calls", "kinds", "mcp_calls", "output", "says", "tools_of"]

Json = dict[str, Any]


def says(content: str) -> tuple[bytes, ...]:
    return (role(), text(content), finish("stop"), usage(10, 3, 0), DONE)


def calls(*made: tuple[str, Json]) -> tuple[bytes, ...]:
    """Calls of functions by the name that the model knows, each with its arguments."""
    frames = [role()]
    for index, (name, written) in enumerate(made):
        frames += [call(index, f"chatcmpl-tool-{index}", name)]
        frames += [arguments(index, json.dumps(written))]
    return (*frames, finish("tool_calls"), usage(10, 5, 0), DONE)


def output(answered: Answer) -> list[Json]:
    found: list[Json] = answered.terminal["output"]  # type: ignore[assignment]
    return found


def kinds(answered: Answer) -> list[str]:
    return [item["type"] for item in output(answered)]


def mcp_calls(answered: Answer) -> list[Json]:
    return [item for item in output(answered) if item["type"] == "mcp_call"]


def tools_of(request: Json) -> list[str]:
    return [tool["function"]["name"] for tool in request.get("tools", ())]
