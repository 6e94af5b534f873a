"""What a call gave, as the model and the client read it: text, or MCP's content blocks as JSON.

Text blocks (and resources that are text) become their text, one line after the other. As soon as
one block is something else, the whole is the JSON array of the blocks: a picture next to its text.
All of it is bounded: a text that is too long loses its middle, never half a character, a block that
is too large is replaced by a text that says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ...api.items.hosted import McpError, McpToolExecutionError
from ...api.tools import HostedResult

__all__ = ["Block", "cut", "failed", "result_of"]

Block = Mapping[str, object]
"""A content block as it came over the wire: ``{"type": "text", "text": "…"}``."""

LEAST_TEXT_BYTES = 256
NOTICE_BYTES = 64
_encode = msgspec.json.Encoder().encode


def result_of(
    blocks: Sequence[Block], structured: object | UnsetType, *, is_error: bool, max_bytes: int
) -> HostedResult:
    """``structured`` is shown only where there are no blocks. ``max_bytes`` bounds the output."""
    if not blocks and structured is not UNSET and structured is not None:
        blocks = [_text(_encode(structured).decode())]
    simple = [_plain(block) for block in blocks]
    if is_error:
        fitted = _fitted(simple, max_bytes)
        error = McpToolExecutionError([Raw(_encode(block)) for block in fitted])
        return failed(error)
    if all(block["type"] == "text" for block in simple):
        text = "\n".join(str(block["text"]) for block in simple)
        return HostedResult(output=cut(text, max_bytes))
    return HostedResult(output=_encode(_fitted(simple, max_bytes)).decode())


def failed(error: McpError) -> HostedResult:
    return HostedResult(error=Raw(_encode(error)))


def cut(text: str, max_bytes: int) -> str:
    """The text in at most ``max_bytes`` of UTF-8; what is left out of its middle is counted."""
    data = text.encode(errors="replace")
    if len(data) <= max_bytes:
        return data.decode()
    kept = max(max_bytes - NOTICE_BYTES, 0)
    head = data[: kept - kept // 2].decode(errors="ignore")
    tail = data[len(data) - kept // 2 :].decode(errors="ignore")
    left_out = len(data) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[… {left_out} bytes left out …]\n{tail}"


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _plain(block: Block) -> Block:
    """A block without what is meant for MCP's own clients; a resource that is text as text."""
    if block.get("type") == "text":
        return _text(str(block.get("text", "")))
    resource = block.get("resource")
    if isinstance(resource, Mapping) and isinstance(resource.get("text"), str):
        return _text(str(resource["text"]))
    return {name: value for name, value in block.items() if name not in ("_meta", "annotations")}


def _fitted(blocks: Sequence[Block], max_bytes: int) -> list[Block]:
    """Blocks whose JSON is about ``max_bytes`` at most: first what is no text, as long as there is
    room, then the texts with what is left. What has not even room to say so is left out.
    """
    room = max_bytes
    most = max(max_bytes // LEAST_TEXT_BYTES, 1)
    fitted: list[Block] = list(blocks[:most])
    if len(blocks) > most:
        fitted[-1] = _text(f"[{len(blocks) - most + 1} blocks left out: there are too many]")
    for index, block in enumerate(fitted):
        if block["type"] == "text":
            continue
        size = len(_encode(block))
        if size <= room:
            room -= size
        else:
            kind = block.get("mimeType") or "unknown type"
            left_out = f"[{block['type']} ({kind}) of {size} bytes left out: it is too large]"
            fitted[index] = _text(left_out)
    texts = [index for index, block in enumerate(fitted) if block["type"] == "text"]
    for done, index in enumerate(texts):
        share = max(room // (len(texts) - done), LEAST_TEXT_BYTES)
        fitted[index] = _shortened(str(fitted[index]["text"]), share)
        room = max(room - len(_encode(fitted[index])), 0)
    return fitted


def _shortened(text: str, max_bytes: int) -> Block:
    """A text block whose JSON is at most ``max_bytes``: escapes count, up to six for one byte."""
    block, budget = _text(text), max_bytes
    while (size := len(_encode(block))) > max_bytes and budget > NOTICE_BYTES:
        budget = max(min(budget - 1, budget * max_bytes // size - 32), NOTICE_BYTES)
        block = _text(cut(text, budget))
    return block
