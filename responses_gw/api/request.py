"""The body of ``POST /v1/responses`` (SURFACE §2).

The Structs give types and bounds; ``decode.py`` turns bytes into them and their faults into
OpenAI's errors; ``validate.py`` holds the rules that span fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import replace

from .items import ConfigurationUpdate, InputItem
from .options import PromptReference, ReasoningConfig, TextConfig
from .tools import Tool, ToolChoice

__all__ = [
    "CreateResponse",
    "Include",
    "RequestBody",
    "StreamOptions",
    "UpstreamExtras",
]

Include = Literal[
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "message.input_image.image_url",
]
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"]


class StreamOptions(Struct, frozen=True):
    include_obfuscation: bool | None = None


class UpstreamExtras(Struct, kw_only=True):
    """Sampling fields that are not OpenAI's Responses fields but that model servers understand.

    Their values are not looked at: they go up as top-level fields as they came (VLLM_CHAT, "Request
    extras"). The first group is OpenAI's own chat vocabulary, the rest vLLM's.
    """

    logit_bias: Raw | UnsetType = UNSET
    seed: Raw | UnsetType = UNSET
    stop: Raw | UnsetType = UNSET

    add_generation_prompt: Raw | UnsetType = UNSET
    add_special_tokens: Raw | UnsetType = UNSET
    allowed_token_ids: Raw | UnsetType = UNSET
    bad_words: Raw | UnsetType = UNSET
    cache_salt: Raw | UnsetType = UNSET
    chat_template: Raw | UnsetType = UNSET
    chat_template_kwargs: Raw | UnsetType = UNSET
    continue_final_message: Raw | UnsetType = UNSET
    documents: Raw | UnsetType = UNSET
    ec_transfer_params: Raw | UnsetType = UNSET
    ignore_eos: Raw | UnsetType = UNSET
    include_reasoning: Raw | UnsetType = UNSET
    include_stop_str_in_output: Raw | UnsetType = UNSET
    kv_transfer_params: Raw | UnsetType = UNSET
    length_penalty: Raw | UnsetType = UNSET
    media_io_kwargs: Raw | UnsetType = UNSET
    min_p: Raw | UnsetType = UNSET
    min_tokens: Raw | UnsetType = UNSET
    mm_processor_kwargs: Raw | UnsetType = UNSET
    priority: Raw | UnsetType = UNSET
    repetition_detection: Raw | UnsetType = UNSET
    repetition_penalty: Raw | UnsetType = UNSET
    session_id: Raw | UnsetType = UNSET
    skip_special_tokens: Raw | UnsetType = UNSET
    spaces_between_special_tokens: Raw | UnsetType = UNSET
    stop_token_ids: Raw | UnsetType = UNSET
    stream_interval: Raw | UnsetType = UNSET
    structured_outputs: Raw | UnsetType = UNSET
    thinking_token_budget: Raw | UnsetType = UNSET
    top_k: Raw | UnsetType = UNSET
    truncate_prompt_tokens: Raw | UnsetType = UNSET
    truncation_side: Raw | UnsetType = UNSET
    vllm_xargs: Raw | UnsetType = UNSET


class RequestBody(UpstreamExtras, kw_only=True):
    """The body as it stands on the wire: items, tools and ``tool_choice`` not yet looked into."""

    model: str | None = None
    input: str | list[Raw] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    tools: list[Raw] | None = None
    tool_choice: Raw | UnsetType = UNSET
    parallel_tool_calls: bool | None = None
    max_tool_calls: Annotated[int, Meta(ge=1)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    include: list[Include] | None = None
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    truncation: Literal["auto", "disabled"] | None = None
    metadata: dict[str, Raw] | None = None
    service_tier: ServiceTier | None = None
    safety_identifier: Annotated[str, Meta(max_length=128)] | None = None
    prompt_cache_key: Annotated[str, Meta(max_length=64)] | None = None
    user: str | None = None
    conversation: Raw | UnsetType = UNSET
    prompt: PromptReference | None = None


class CreateResponse(Struct, frozen=True, kw_only=True):
    """A request that is known to be right: what the rest of the service works with.

    ``items`` and ``raw_items`` run side by side: the decoded item for the prompt, the client's
    bytes for the store. ``tools`` and ``raw_tools`` likewise, for the model and for the echo.
    """

    body: RequestBody
    model: str
    items: tuple[InputItem, ...]
    raw_items: tuple[Raw, ...]
    tools: tuple[Tool, ...]
    raw_tools: tuple[Raw, ...]
    tool_choice: ToolChoice
    metadata: dict[str, str]

    @property
    def includes(self) -> frozenset[Include]:
        return frozenset(self.body.include or ())

    @property
    def wants_logprobs(self) -> bool:
        return "message.output_text.logprobs" in self.includes

    @property
    def reasoning(self) -> ReasoningConfig:
        """As the newest of the request's settings and its configuration updates say."""
        updates = [item.reasoning for item in self.items if isinstance(item, ConfigurationUpdate)]
        return _merged(ReasoningConfig(), (self.body.reasoning, *updates))

    @property
    def text(self) -> TextConfig:
        """Likewise."""
        updates = [item.text for item in self.items if isinstance(item, ConfigurationUpdate)]
        return _merged(TextConfig(), (self.body.text, *updates))

    @property
    def store(self) -> bool:
        return self.body.store is not False

    @property
    def stream(self) -> bool:
        return self.body.stream is True


Config = TypeVar("Config", ReasoningConfig, TextConfig)


def _merged(base: Config, updates: Iterable[Config | None]) -> Config:
    """What a later one leaves open stays as it was."""
    for update in updates:
        if update is not None:
            told = msgspec.structs.asdict(update)
            base = replace(
                base, **{name: value for name, value in told.items() if value is not None}
            )
    return base
