"""The part of a chat completion chunk that we read (VLLM_CHAT, "Streaming chunk").

Fields that are not named here are skipped by the decoder without being built. All of them may be
missing or null: servers differ.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

__all__ = ["BadChunk", "Chunk", "ChunkUsage", "ToolCallFragment", "decode_chunk", "error_of"]


class BadChunk(Exception):
    """A frame that is no chat completion chunk. Its text is not for clients."""


class FunctionFragment(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class ToolCallFragment(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: FunctionFragment | None = None


class ChunkDelta(Struct):
    """``reasoning`` and ``reasoning_content`` are two names of one text: never both summed."""

    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallFragment] | None = None

    @property
    def is_text(self) -> bool:
        """Text and nothing else."""
        return bool(self.content) and not (
            self.reasoning or self.reasoning_content or self.refusal or self.tool_calls
        )


class ChunkLogprobs(Struct, gc=False):
    """One entry for each token; in the shape that a Responses client gets, too."""

    content: list[Raw] | None = None


class Choice(Struct):
    index: int | None = 0
    delta: ChunkDelta | None = None
    logprobs: ChunkLogprobs | None = None
    finish_reason: str | None = None


class PromptTokensDetails(Struct, gc=False):
    cached_tokens: int | None = None
    created_cache_tokens: int | None = None


class CompletionTokensDetails(Struct, gc=False):
    reasoning_tokens: int | None = None


class ChunkUsage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


class Chunk(Struct):
    choices: list[Choice] | None = None
    usage: ChunkUsage | None = None
    error: Raw | msgspec.UnsetType = msgspec.UNSET


class ChunkError(Struct):
    """The body of an error frame, and of an HTTP error, in the shapes servers use."""

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: int | str | None = None


_decode = msgspec.json.Decoder(Chunk).decode
_decode_error = msgspec.json.Decoder(ChunkError).decode


def decode_chunk(data: bytes) -> Chunk:
    """Raises :class:`BadChunk`."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadChunk(str(error)) from error


def error_of(raw: Raw | bytes) -> ChunkError:
    """The error in a frame or a body; one in a shape that nobody knows has no fields."""
    try:
        return _decode_error(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ChunkError()
