"""A Responses request into the body of a chat completion request.

``model`` and ``messages`` stand first, so that two turns of a chain share their first bytes. What
vLLM rejects is never sent: no empty ``tools``, no ``tool_choice`` without tools (VLLM_CHAT,
"Rejected with 400").
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import msgspec
from msgspec import Raw

from ..api.options import JsonObjectFormat, JsonSchemaFormat, ReasoningEffort, TextConfig
from ..api.request import CreateResponse, RequestBody, UpstreamExtras
from .profile import ModelProfile
from .toolset import ChatTools

__all__ = ["chat_request", "needs_final_round"]

_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_OPENAI_EXTRAS = ("logit_bias", "seed", "stop")
_VLLM_EXTRAS = UpstreamExtras.__struct_fields__
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_SALT = re.compile(r"[^@/\\\x00]{1,128}")
"""What vLLM takes for a ``cache_salt``."""
_LEAST_TOP_P = 1e-6
"""vLLM takes no 0; this is as good as greedy."""


def chat_request(
    request: CreateResponse, messages: bytes, tools: ChatTools, profile: ModelProfile
) -> bytes:
    """The JSON to send upstream; ``messages`` is what ``Transcript.messages`` gave."""
    body = request.body
    chat: dict[str, object] = {
        "model": request.model,
        "messages": Raw(messages),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    chat |= tools.fields
    chat |= {name: value for name in _SAMPLING if (value := getattr(body, name)) is not None}
    if body.top_p == 0 and profile.dialect == "vllm":
        chat["top_p"] = _LEAST_TOP_P
    if body.max_output_tokens is not None:
        chat["max_completion_tokens"] = body.max_output_tokens
    effort, template = _effort(request.reasoning.effort, profile)
    if effort is not None:
        chat["reasoning_effort"] = effort
    chat |= _logprobs(request)
    if _can_be_held_to_a_format(tools) and (format := _response_format(request.text)) is not None:
        chat["response_format"] = format
    if template:
        chat["chat_template_kwargs"] = template
    if profile.dialect == "vllm" and profile.cache_salt == "prompt_cache_key":
        chat |= {"cache_salt": _salt(body.prompt_cache_key)} if body.prompt_cache_key else {}
    return _encode(chat | _extras(body, profile, template))


def needs_final_round(request: CreateResponse, tools: ChatTools) -> bool:
    """Whether the format that was asked for has to wait for a round without tools."""
    return (
        _response_format(request.text) is not None
        and not _can_be_held_to_a_format(tools)
        and tools.fields["tool_choice"] == "auto"
    )


def _effort(
    asked: ReasoningEffort | None, profile: ModelProfile
) -> tuple[str | None, Mapping[str, object]]:
    """The ``reasoning_effort`` that goes up, if any, and the arguments of the chat template. A
    server that takes no such arguments gets the effort as it was asked for.
    """
    if asked is None:
        return None, {}
    match profile.effort.get(asked, asked):
        case str(effort):
            return effort, {}
        case bool():
            return None, {}
        case template:
            return (None, template) if profile.dialect == "vllm" else (asked, {})


def _salt(key: str) -> str:
    return key if _SALT.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()


def _extras(
    body: RequestBody, profile: ModelProfile, template: Mapping[str, object]
) -> dict[str, object]:
    """What the client sends for the model server goes before what is ours."""
    names = _VLLM_EXTRAS if profile.dialect == "vllm" else _OPENAI_EXTRAS
    values = ((name, getattr(body, name)) for name in names)
    extras: dict[str, object] = {
        name: value for name, value in values if isinstance(value, Raw) and bytes(value) != b"null"
    }
    given = extras.get("chat_template_kwargs")
    if template and isinstance(given, Raw) and bytes(given)[:1] == b"{":
        extras["chat_template_kwargs"] = {**template, **_decode_object(given)}
    return extras


def _logprobs(request: CreateResponse) -> dict[str, object]:
    """Asked for only when the client will see them: they make every chunk several times larger."""
    if not request.wants_logprobs:
        return {}
    return {"logprobs": True, "top_logprobs": request.body.top_logprobs or 0}


def _can_be_held_to_a_format(tools: ChatTools) -> bool:
    """A model server that holds the model to a format leaves it no way to call a function, unless
    all functions are strict, too (VLLM_CHAT, "Tool constraint rules")."""
    return not tools.fields or tools.is_strict or tools.fields["tool_choice"] == "none"


def _response_format(config: TextConfig) -> dict[str, object] | None:
    chosen = config.format
    match chosen:
        case JsonObjectFormat():
            return {"type": "json_object"}
        case JsonSchemaFormat():
            schema: dict[str, object] = {"name": chosen.name, "schema": chosen.schema}
            if chosen.description is not None:
                schema["description"] = chosen.description
            if chosen.strict is not None:
                schema["strict"] = chosen.strict
            return {"type": "json_schema", "json_schema": schema}
        case _:
            return None
