"""The demo model's answer in vLLM's shapes: the frames of a stream, or one object."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from typing import Literal

import msgspec

from .script import Answer, ChatRequest, NamedTool

MODEL = "demo"
FINGERPRINT = "vllm-demo"

_PIECE = re.compile(r"\s*\w+|\s*[^\w\s]+|\s+")
Kind = Literal["reasoning", "content", "name", "arguments"]
Json = dict[str, object]


class Token(msgspec.Struct, frozen=True):
    """One step of generation: a piece of text, or the name that opens tool call `call`."""

    kind: Kind
    text: str
    call: int = 0


class Generation(msgspec.Struct, frozen=True):
    """An answer as tokens, cut at the request's limit, with the names its chunks carry."""

    id: str
    created: int
    tokens: tuple[Token, ...]
    finish: str
    usage: Json


def generate(id: str, wanted: ChatRequest, said: Answer, limit: int) -> Generation:
    """`said` as at most `limit` tokens; a cut answer finishes with "length"."""
    every = tuple(_tokens(said))
    tokens = every[:limit]
    finish = "length" if len(every) > limit else _finish(wanted, said)
    return Generation(id, int(time.time()), tokens, finish, _usage(wanted, tokens))


def _tokens(said: Answer) -> Iterator[Token]:
    yield from (Token("reasoning", piece) for piece in _PIECE.findall(said.reasoning))
    yield from (Token("content", piece) for piece in _PIECE.findall(said.content))
    for index, call in enumerate(said.calls):
        yield Token("name", call.name, index)
        yield from (Token("arguments", piece, index) for piece in _PIECE.findall(call.arguments))


def _finish(wanted: ChatRequest, said: Answer) -> str:
    named = isinstance(wanted.tool_choice, NamedTool)  # vLLM ends a named call with "stop"
    return "tool_calls" if said.calls and not named else "stop"


def _usage(wanted: ChatRequest, tokens: tuple[Token, ...]) -> Json:
    sizes = [4 + len(_PIECE.findall(message.text)) for message in wanted.messages]
    last = max((i for i, one in enumerate(wanted.messages) if one.role == "assistant"), default=-1)
    prompt = sum(sizes) + sum(len(_PIECE.findall(t.function.name)) + 8 for t in wanted.tools or ())
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + len(tokens),
        "completion_tokens": len(tokens),
        # A prefix cache would know what the last turn ended with, in blocks of 16 tokens.
        "prompt_tokens_details": {"cached_tokens": sum(sizes[: last + 1]) // 16 * 16},
        "completion_tokens_details": {
            "reasoning_tokens": sum(t.kind == "reasoning" for t in tokens)
        },
    }


def _call_id(made: Generation, index: int) -> str:
    return "chatcmpl-tool-" + hashlib.sha256(f"{made.id} {index}".encode()).hexdigest()[:16]


def chunks(wanted: ChatRequest, made: Generation) -> Iterator[bytes]:
    """The frames of the stream, `[DONE]` included."""
    head: Json = {
        "id": made.id,
        "object": "chat.completion.chunk",
        "created": made.created,
        "model": MODEL,
    }
    role: Json = {"role": "assistant", "content": ""}
    first: Json = {"index": 0, "delta": role, "logprobs": None, "finish_reason": None}
    yield _frame(head | {"choices": [first], "prompt_token_ids": None, "prompt_text": None})
    deltas = [_delta(made, token) for token in made.tokens]
    last = deltas.pop() if made.finish == "length" else {}  # a cut answer ends on its last token
    for delta in deltas:
        yield _frame(head | {"choices": [_choice("delta", delta, None)]})
    ends_usage = wanted.stream_options is not None and wanted.stream_options.include_usage
    mark: Json = {} if ends_usage else {"system_fingerprint": FINGERPRINT}
    yield _frame(head | {"choices": [_choice("delta", last, made.finish)]} | mark)
    if ends_usage:
        yield _frame(head | {"choices": [], "usage": made.usage, "system_fingerprint": FINGERPRINT})
    yield b"data: [DONE]\n\n"


def _delta(made: Generation, token: Token) -> Json:
    if token.kind in ("reasoning", "content"):
        return {token.kind: token.text}
    call: Json = {"index": token.call, "function": {token.kind: token.text}}
    if token.kind == "name":
        call = {"id": _call_id(made, token.call), "type": "function"} | call
    return {"content": None, "tool_calls": [call]}


def _choice(key: str, value: Json, finish: str | None) -> Json:
    end: Json = {"stop_reason": None} if finish else {}
    return (
        {"index": 0, key: value, "logprobs": None, "finish_reason": finish}
        | end
        | {"token_ids": None}
    )


def completion(wanted: ChatRequest, made: Generation) -> Json:
    """The object that answers a request without a stream."""

    def joined(kind: Kind, call: int = 0) -> str:
        return "".join(t.text for t in made.tokens if t.kind == kind and t.call == call)

    named = wanted.tool_choice == "required" or isinstance(wanted.tool_choice, NamedTool)
    calls: list[Json] = [
        {
            "id": _call_id(made, token.call),
            "type": "function",
            "function": {"name": token.text, "arguments": joined("arguments", token.call)},
        }
        for token in made.tokens
        if token.kind == "name"
    ]
    content = joined("content") or ("" if named else None)
    message: Json = {"role": "assistant", "content": content, "refusal": None, "annotations": None}
    message |= {"audio": None, "function_call": None}
    message |= ({"tool_calls": calls} if calls else {}) | {"reasoning": joined("reasoning") or None}
    return {
        "id": made.id,
        "object": "chat.completion",
        "created": made.created,
        "model": MODEL,
        "choices": [_choice("message", message, made.finish) | {"routed_experts": None}],
        "service_tier": None,
        "system_fingerprint": FINGERPRINT,
        "usage": made.usage,
        "prompt_logprobs": None,
        "prompt_token_ids": None,
        "prompt_text": None,
        "kv_transfer_params": None,
        "ec_transfer_params": None,
        "metrics": None,
    }


def _frame(chunk: Json) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
