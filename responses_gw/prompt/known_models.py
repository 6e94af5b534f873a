"""What the gateway knows of common models: how their chat templates differ from the safe default.

The first row that matches a model's name counts; an operator's ``[[models]]`` tables go before it,
key by key. A row is here only for what a family's own template, or vLLM's parser for it, really
demands; what the default does for all of them is said once, here:

- One leading system message. Qwen 3.5 raises for a later one, Gemma and Mistral count it as a break
  of the alternation, gpt-oss makes its developer message of the first one alone; GLM, Kimi, Llama 3
  and DeepSeek would take it.
- Developer texts are system texts: no template but Harmony's knows the role (Qwen and Llama drop
  such a message or print its role).
- Reasoning goes along within the turn that runs. All reasoning templates (Qwen 3, GLM, Kimi,
  DeepSeek, Harmony) leave out older thoughts by themselves.
- Pictures of tool outputs follow in a user message: few templates take more than text elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from msgspec import Struct

from ..api.options import ReasoningEffort
from .profile import EffortMap

__all__ = ["KNOWN_MODELS", "KnownModel", "known_changes"]

_THINKING_EFFORTS: tuple[ReasoningEffort, ...]
_THINKING_EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")


class KnownModel(Struct, frozen=True):
    """``matches`` are globs on the name in lower case; ``changes`` are keys of ModelProfile."""

    matches: tuple[str, ...]
    changes: Mapping[str, object]


def _switched_by(variable: str) -> EffortMap:
    """For templates that can think or not. Finer degrees are not sent: a template that has them
    may raise for a word that it does not know.
    """
    on: EffortMap = {effort: {variable: True} for effort in _THINKING_EFFORTS}
    return {"none": {variable: False}, **on}


KNOWN_MODELS = (
    # Harmony knows three efforts, and vLLM fails for others. It cannot do without thinking. Its
    # commentary comes as content, as the final answer does (see EventStyle.phases).
    KnownModel(
        ("*gpt-oss*",),
        {
            "effort": {"none": "low", "minimal": "low", "xhigh": "high", "max": "high"},
            "message_phases": True,
        },
    ),
    # Its distillations carry the names of Qwen and Llama, but the template is DeepSeek's: so first.
    # V3.1 and later think when `thinking` is set; R1 always thinks and looks at nothing.
    KnownModel(("*deepseek-r1*",), {}),
    KnownModel(("*deepseek*",), {"effort": _switched_by("thinking")}),
    # K2.5 and later switch with `thinking`; K2 and K2-Thinking look at nothing. The ids of calls
    # stand in its prompt (functions.NAME:N), so they go up as they came.
    KnownModel(("*kimi*",), {"effort": _switched_by("thinking")}),
    # GLM 4.5 and later.
    KnownModel(("*glm*", "*chatglm*"), {"effort": _switched_by("enable_thinking")}),
    # Qwen 3.8 thinks in three ways, xhigh by default, and raises for a word that is none of them.
    KnownModel(
        ("*qwen3.8*", "*qwen-3.8*"),
        {
            "effort": {
                "none": {"enable_thinking": False},
                "minimal": "low",
                "high": "xhigh",
                "max": "xhigh",
            }
        },
    ),
    # Qwen 3 and later; older ones and the Instruct and Coder models look at nothing.
    KnownModel(("*qwen*", "*qwq*"), {"effort": _switched_by("enable_thinking")}),
    # Users and assistant must take turns, and a call's id must have nine letters or digits: the
    # templates raise. (vLLM's own Mistral tokenizer shortens ids itself and leaves these alone.)
    KnownModel(
        ("*mi[sx]tral*", "*ministral*", "*magistral*", "*devstral*", "*codestral*", "*pixtral*"),
        {"merge_user_messages": True, "tool_call_ids": "nine_characters"},
    ),
    # Gemma 4 knows system messages, tools and thinking.
    KnownModel(("*gemma-4*", "*gemma4*"), {"effort": _switched_by("enable_thinking")}),
    # Gemma 3: users and assistant must take turns, and there are no tool messages; the template
    # itself puts a system message at the head of the first user message.
    KnownModel(("*gemma-3*", "*gemma3*"), {"merge_user_messages": True, "tool_results": "user"}),
    # Gemma 1 and 2 raise for a system message, too.
    KnownModel(
        ("*gemma*",),
        {"merge_user_messages": True, "tool_results": "user", "leading_system": "user"},
    ),
    # Llama 3.1 to 3.3 raise for a message with two calls ("only supports single tool-calls at
    # once"). Llama 4 is the default.
    KnownModel(("*llama-3*", "*llama3*"), {"calls_per_message": "one"}),
    # Llama 2: users and assistant must take turns, and there are no tool messages.
    KnownModel(
        ("*llama-2*", "*llama2*", "*codellama*"),
        {"merge_user_messages": True, "tool_results": "user"},
    ),
)


def known_changes(name: str) -> Mapping[str, object]:
    """What differs from the default profile for the model of this name, in lower case."""
    for known in KNOWN_MODELS:
        if any(fnmatchcase(name, pattern) for pattern in known.matches):
            return known.changes
    return {}
