"""The Response object (SURFACE §3), in the two halves it is made of.

:class:`ResponseState` is what changes during a response's life, :class:`ResponseSettings` what the
request fixed. The settings are encoded once per response and joined to the state as bytes: a
request's tools can be large, and they stand in three events, in the stored row and in every GET.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from .options import PromptReference

__all__ = [
    "TERMINAL_STATUSES",
    "IncompleteDetails",
    "IncompleteReason",
    "InputTokensDetails",
    "OutputTokensDetails",
    "ReasoningEcho",
    "ResponseError",
    "ResponseSettings",
    "ResponseState",
    "ResponseStatus",
    "Usage",
    "join_response",
]

ResponseStatus = Literal["queued", "in_progress", "completed", "failed", "incomplete", "cancelled"]
TERMINAL_STATUSES: frozenset[ResponseStatus] = frozenset(
    ("completed", "failed", "incomplete", "cancelled")
)
IncompleteReason = Literal["max_output_tokens", "content_filter", "max_messages"]


class InputTokensDetails(Struct, frozen=True):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(Struct, frozen=True):
    reasoning_tokens: int = 0


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens. ``total_tokens`` is always the sum of the other two."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int

    def __add__(self, other: Usage | None) -> Usage:
        """Of two rounds of one response."""
        if other is None:
            return self
        mine, theirs = self.input_tokens_details, other.input_tokens_details
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            input_tokens_details=InputTokensDetails(
                mine.cached_tokens + theirs.cached_tokens,
                mine.cache_write_tokens + theirs.cache_write_tokens,
            ),
            output_tokens=self.output_tokens + other.output_tokens,
            output_tokens_details=OutputTokensDetails(
                self.output_tokens_details.reasoning_tokens
                + other.output_tokens_details.reasoning_tokens
            ),
            total_tokens=self.total_tokens + other.total_tokens,
        )


class ResponseError(Struct, frozen=True):
    code: str
    message: str


class IncompleteDetails(Struct, frozen=True):
    reason: IncompleteReason


class ReasoningEcho(Struct, frozen=True):
    """Both keys are always there when the object is (SURFACE §3)."""

    effort: str | None
    summary: str | None


class ResponseState(Struct, frozen=True, kw_only=True):
    """The half that changes. Times are whole seconds since 1970."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: ResponseStatus
    error: ResponseError | Raw | None = None
    incomplete_details: IncompleteDetails | None = None
    output: tuple[Raw, ...] = ()
    usage: Usage | Raw | None = None
    service_tier: str = "default"


class ResponseSettings(Struct, frozen=True, kw_only=True):
    """The half that the request fixed: every key of SURFACE §3 with the right nullability."""

    background: bool
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    model: str
    parallel_tool_calls: bool
    previous_response_id: str | None
    prompt: PromptReference | UnsetType = UNSET
    prompt_cache_key: str | None
    reasoning: ReasoningEcho | None
    safety_identifier: str | None
    store: bool
    temperature: float
    text: Raw
    tool_choice: Raw
    tools: tuple[Raw, ...]
    top_logprobs: int
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    truncation: Literal["auto", "disabled"]
    user: str | None
    metadata: dict[str, str]


_encode = msgspec.json.Encoder().encode


def join_response(state: ResponseState, settings: bytes) -> Raw:
    """The whole Response object as JSON; ``settings`` is an encoded :class:`ResponseSettings`."""
    return Raw(b"%b,%b" % (_encode(state)[:-1], settings[1:]))
