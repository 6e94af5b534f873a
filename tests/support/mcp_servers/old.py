"""An MCP server of 2025-06-18 on its standard input and output, written by hand and ill-mannered.

Its argument says how: "pages" lists in pages, "endless" without an end, "many" lists 600 tools,
"huge" 3 MB of schemas, "late" answers nothing at all, "deaf" lists but answers no calls, "stubborn"
ignores the end of its input and SIGTERM.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

MANNER = sys.argv[1] if len(sys.argv) > 1 else ""
heard: list[object] = []
tools = ["one"]


def send(**message: object) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tool(name: str, schema: dict[str, object] | None = None) -> dict[str, object]:
    return {"name": name, "inputSchema": {"type": "object", **(schema or {})}}


def listed(cursor: str | None) -> dict[str, object]:
    match MANNER:
        case "pages":
            page = int(cursor or 0)
            more = {"nextCursor": str(page + 1)} if page < 4 else {}
            return {"tools": [tool(f"page_{page}")], **more}
        case "endless":
            return {"tools": [], "nextCursor": "again"}
        case "many":
            return {"tools": [tool(f"tool_{number}") for number in range(600)]}
        case "huge":
            return {"tools": [tool("big", {"description": "x" * 3_000_000})]}
    return {"tools": [tool(name) for name in tools]}


def answer(id: object, method: str, params: dict[str, Any]) -> None:
    match method:
        case "initialize":
            capabilities = {"tools": {"listChanged": True}}
            info = {"name": "old", "version": "1"}
            version = "2025-06-18"
            result = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}
            send(id=id, result=result)
        case "tools/list":
            send(id=id, result=listed(params.get("cursor")))
        case "tools/call":
            call(id, params["name"])
        case _:
            send(id=id, error={"code": -32601, "message": "Method not found"})


def call(id: object, name: str) -> None:
    if MANNER == "deaf" or name == "never":
        return
    if name == "grow":
        tools.append("two")
        send(method="notifications/tools/list_changed")
    if name == "garbage":
        sys.stdout.write("this is no JSON\n")
        sys.stdout.flush()
    if name == "wrong":
        send(id=id, result={"content": "text"})
        return
    text = json.dumps(heard) if name == "heard" else name
    send(id=id, result={"content": [{"type": "text", "text": text}]})


def main() -> None:
    if MANNER == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            heard.append(message)
        elif MANNER != "late" and not (MANNER == "deaf" and message["method"] == "tools/list"):
            answer(message["id"], message["method"], message.get("params") or {})
    while MANNER == "stubborn":
        signal.pause()


if __name__ == "__main__":
    main()
