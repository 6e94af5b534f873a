"""What a Response says of its request."""

from __future__ import annotations

import json

from responses_gw.api.echo import response_settings
from responses_gw.api.validate import decode_create_response

FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "a": "x\n y"}}


def echoed(data: bytes) -> dict[str, object]:
    settings = response_settings(decode_create_response(data))
    assert b"\n" not in settings and b"\r" not in settings, "a line break would cut an SSE event"
    found: dict[str, object] = json.loads(settings)
    return found


def test_an_indented_request_is_echoed_on_one_line() -> None:
    body = {"model": "m", "input": "q", "tools": [FUNCTION]}
    text = json.dumps(body, indent=2)
    for data in (text, text.replace("\n", "\r\n"), json.dumps(body)):
        assert echoed(data.encode())["tools"] == [
            {**FUNCTION, "description": None, "strict": False}
        ]


def test_allowed_tools_are_echoed_with_their_mode() -> None:
    choice = {"type": "allowed_tools", "tools": [{"type": "function", "name": "f"}]}
    data = json.dumps({"model": "m", "input": "q", "tools": [FUNCTION], "tool_choice": choice})
    assert echoed(data.encode())["tool_choice"] == {**choice, "mode": "auto"}
