"""vLLM's stream frames, byte for byte as its server writes them."""

from __future__ import annotations

import json
from pathlib import Path

Json = dict[str, object]

RECORDINGS = Path(__file__).parent.parent / "recordings"
DONE = b"data: [DONE]\n\n"
_HEAD: Json = {
    "id": "chatcmpl-bf3c350f7a33987c",
    "object": "chat.completion.chunk",
    "created": 1795171502,
    "model": "tiny",
}
_FINGERPRINT = "vllm-0.32.0-9728fdf0"


def frame(chunk: Json) -> bytes:
    """Any object as one SSE frame."""
    return (
        b"data: " + json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
    )


def delta(fields: Json, finish_reason: str | None = None) -> bytes:
    """A chunk whose first choice has `fields` as its delta."""
    choice: Json = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": finish_reason}
    if finish_reason is not None:
        choice["stop_reason"] = None
    return frame(_HEAD | {"choices": [choice | {"token_ids": None}]})


def role() -> bytes:
    """The chunk that opens every stream."""
    fields: Json = {"role": "assistant", "content": ""}
    choice: Json = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": None}
    return frame(_HEAD | {"choices": [choice], "prompt_token_ids": None, "prompt_text": None})


def text(content: str) -> bytes:
    return delta({"content": content})


def reasoning(content: str) -> bytes:
    return delta({"reasoning": content})


def call(index: int, id: str, name: str) -> bytes:
    """The chunk that opens tool call `index`: a name and no `arguments` key."""
    opened: Json = {"id": id, "type": "function", "index": index, "function": {"name": name}}
    return delta({"content": None, "tool_calls": [opened]})


def arguments(index: int, fragment: str) -> bytes:
    grown: Json = {"index": index, "function": {"arguments": fragment}}
    return delta({"content": None, "tool_calls": [grown]})


def finish(reason: str) -> bytes:
    return delta({}, reason)


def usage(prompt: int = 12, completion: int = 21, thought: int = 7, cached: int = 0) -> bytes:
    """The chunk without choices that ends a stream with `include_usage`."""
    counts: Json = {
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens": completion,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
    if cached:
        counts["prompt_tokens_details"] = {"cached_tokens": cached}
    return frame(_HEAD | {"choices": [], "usage": counts, "system_fingerprint": _FINGERPRINT})


def error_frame(code: int, message: str, kind: str = "BadRequestError") -> bytes:
    """An error under HTTP 200 (vLLM writes this frame with spaces after its separators)."""
    error: Json = {"message": message, "type": kind, "param": None, "code": code}
    return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"


def error_body(
    code: int, message: str, kind: str = "BadRequestError", param: str | None = None
) -> bytes:
    """The body of an HTTP error, for `Status`."""
    error: Json = {"message": message, "type": kind, "param": param, "code": code}
    return json.dumps({"error": error}, separators=(",", ":")).encode()


def answer(content: str, thought: str = "") -> bytes:
    """A whole stream: role, reasoning, content (one delta each), finish, usage, [DONE]."""
    middle = (reasoning(thought) if thought else b"") + text(content)
    return role() + middle + finish("stop") + usage() + DONE


def recording(name: str) -> bytes:
    """A recorded stream of a real server, from tests/recordings."""
    return (RECORDINGS / f"{name}.sse").read_bytes()
