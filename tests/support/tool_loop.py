"""What the tests of the tool loop share: servers, what the model says, what a client answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from .frames import DONE, arguments, call, finish, role, text, usage
from .mcp_servers import MODERN
from .streams import Answer

__all__ = [
    "CAREFUL",
    "LOCAL",
    "WEATHER",
    "Json",
    "calls",
    "kinds",
    "mcp_calls",
    "output",
    "response_to",
    "says",
    "tools_of",
    "write_settings",
]

Json = dict[str, Any]
LOCAL: Json = {"type": "mcp", "server_label": "local", "require_approval": "never"}
CAREFUL: Json = {"type": "mcp", "server_label": "careful"}
WEATHER: Json = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
_SETTINGS = """
[tools]
max_rounds = 4
max_failures = 3

[mcp]
call_seconds = 5.0

[egress]
allowed_hosts = ["127.0.0.1"]

[[mcp.servers]]
label = "local"
command = "{python}"
args = ["{script}", "stdio"]

[[mcp.servers]]
label = "careful"
command = "{python}"
args = ["{script}", "stdio"]
require_approval = "always"
"""


def write_settings(folder: Path) -> dict[str, str]:
    """A settings file with the servers ``local`` and ``careful``; the environment that names it."""
    path = folder / "gw.toml"
    path.write_text(_SETTINGS.format(python=sys.executable, script=MODERN))
    return {"RESPONSES_GW_CONFIG": str(path)}


def says(content: str, tokens: int = 3) -> tuple[bytes, ...]:
    """A round in which the model ends with a text."""
    return (role(), text(content), finish("stop"), usage(10, tokens, 0), DONE)


def calls(*made: tuple[str, Json], tokens: int = 5) -> tuple[bytes, ...]:
    """A round in which the model calls functions, by their names and arguments."""
    frames = [role()]
    for index, (name, written) in enumerate(made):
        body = json.dumps(written)
        frames += [call(index, f"chatcmpl-tool-{uuid4().hex[:16]}", name)]
        frames += [arguments(index, body[:4]), arguments(index, body[4:])]
    return (*frames, finish("tool_calls"), usage(10, tokens, 0), DONE)


def response_to(request: Json, approve: bool, **more: object) -> Json:
    """The client's answer to an ``mcp_approval_request``."""
    return {
        "type": "mcp_approval_response",
        "approval_request_id": request["id"],
        "approve": approve,
    } | more


def output(answered: Answer) -> list[Json]:
    found: list[Json] = answered.terminal["output"]  # type: ignore[assignment]
    return found


def kinds(answered: Answer) -> list[str]:
    return [item["type"] for item in output(answered)]


def mcp_calls(answered: Answer) -> list[Json]:
    return [item for item in output(answered) if item["type"] == "mcp_call"]


def tools_of(request: Json) -> list[str]:
    """The names of the functions in a chat request."""
    return [tool["function"]["name"] for tool in request.get("tools", ())]
