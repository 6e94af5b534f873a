"""A model server's error into ours (DESIGN §10, VLLM_CHAT "Errors").

The same table serves an HTTP error before the stream and an error frame inside it. vLLM has no code
strings: what overflowed is told by ``param`` and by the text. Only a bad request's own message is
shown to the client, cut to one line; anything else could tell of the inside of the server.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw, Struct, UnsetType

from ..api.errors import ApiError, ContextOverflow, server_error, unavailable
from .chunk import ChunkError, error_of

__all__ = ["http_error", "stream_error"]

MAX_MESSAGE_CHARACTERS = 500
CHARACTERS_PER_TOKEN = 3
"""A low guess: rather drop a turn too many than fail."""
_PARAMS = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "messages": "input",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
}


class _Body(Struct):
    error: Raw | UnsetType = msgspec.UNSET


def http_error(status: int, body: bytes, retry_after: int | None = None) -> ApiError:
    """An answer that was not 200; ``retry_after`` is in seconds, as the server asked for."""
    try:
        raw = msgspec.json.decode(body, type=_Body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raw = msgspec.UNSET
    return _map(status, error_of(raw) if isinstance(raw, Raw) else ChunkError(), retry_after)


def stream_error(raw: Raw) -> ApiError:
    """An error frame under HTTP 200; its ``code`` is the HTTP status it would have had."""
    error = error_of(raw)
    status = error.code if isinstance(error.code, int) else 500
    return _map(status, error, None)


def _map(status: int, error: ChunkError, retry_after: int | None) -> ApiError:
    if _is_overflow(error):
        return _overflow(error.message or "")
    if status == 404 and error.param == "model":
        return ApiError(
            _first_line(error.message) or "The requested model does not exist.",
            status=404,
            code="model_not_found",
            param="model",
        )
    if status in (400, 413, 422) and error.message is not None:
        return ApiError(_bad_request(error), code="invalid_value", param=_param(error))
    if status == 429:
        return ApiError(
            "The model server has too many requests. Please try again later.",
            status=429,
            type="rate_limit_error",
            code="rate_limit_exceeded",
            retry_after=retry_after or 1,
        )
    if status == 503:
        return unavailable(
            "The model server is overloaded or not ready.", retry_after=retry_after or 2
        )
    if status >= 500:
        return server_error("The model server had an error while processing your request.")
    return server_error("The model server refused the gateway's request.", status=502)


def _is_overflow(error: ChunkError) -> bool:
    text = error.message or ""
    return (
        error.code == "context_length_exceeded"
        or error.param in ("input_tokens", "input_text")
        or "maximum context length" in text
    )


def _overflow(text: str) -> ContextOverflow:
    """vLLM tells both numbers: "maximum context length is N tokens … contains at least M input
    tokens", or, when it did not care to count tokens, "contains M characters"."""
    limit = re.search(r"maximum context length is (\d+)", text)
    needed = re.search(r"contains (?:at least )?(\d+) (input tokens|characters)", text)
    if limit is None or needed is None:
        return ContextOverflow()
    characters = 1 if needed[2] == "input tokens" else CHARACTERS_PER_TOKEN
    return ContextOverflow(limit=int(limit[1]), needed=int(needed[1]) // characters)


def _bad_request(error: ChunkError) -> str:
    """vLLM's own sentences are good; a dump of its validator is not."""
    if error.type == "Bad Request" or "validation error" in (error.message or ""):
        name = _param(error)
        return f"The model server does not accept the value of '{name}'." if name else _REFUSED
    return _first_line(error.message) or _REFUSED


_REFUSED = "The model server does not accept this request."


def _param(error: ChunkError) -> str | None:
    if error.param is None:
        return None
    name = error.param.removeprefix("body.").split(".", 1)[0]
    return _PARAMS.get(name, name)


def _first_line(message: str | None) -> str:
    line = (message or "").strip().split("\n", 1)[0]
    return "" if "://" in line else line[:MAX_MESSAGE_CHARACTERS]
