"""A tiny MCP server over stdio with one tool, ``shout``; Codex starts it."""

from __future__ import annotations

import json
import sys

TOOL = {
    "name": "shout",
    "description": "Says a text loudly.",
    "inputSchema": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
        "additionalProperties": False,
    },
}


def result(method: str, params: dict[str, object]) -> object:
    """The result of a call, None for a method that this server does not know."""
    match method:
        case "initialize":
            return {
                "protocolVersion": params.get("protocolVersion", "2025-06-18"),
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "mini", "version": "1"},
            }
        case "ping":
            return {}
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            given = params.get("arguments")
            assert isinstance(given, dict), f"arguments of shout: {given!r}"
            return {"content": [{"type": "text", "text": str(given["text"]).upper()}]}
    return None


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue  # a notification
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        found = result(message["method"], message.get("params") or {})
        if found is None:
            answer["error"] = {"code": -32601, "message": "Method not found"}
        else:
            answer["result"] = found
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
