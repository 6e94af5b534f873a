"""A model as Codex wants it described: ``GET /v1/models?client_version=…`` (CLIENTS §3).

Codex asks for it when its provider has a command for the key, and takes the same object as a file
(``model_catalog_json``). What it needs was tried with 0.169 and 0.125: a list that lacks a field or
has a value that it does not know is thrown away as a whole. Older versions also need
``supports_reasoning_summaries`` and ``supports_parallel_tool_calls``.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

__all__ = ["CodexModel", "CodexModels", "codex_model"]

Modality = Literal["text", "image"]
INSTRUCTIONS = """\
You are a coding agent that works in the user's workspace through the Codex CLI.

- Look before you act: read the files that matter and keep to the style you find there.
- Go on until the task is done, then check the result: run the tests, the build or the program.
- Change only what the task needs. Never undo changes that you did not make unless you are asked to.
- Change files with the tools you are given; search with `rg` if it is there.
- Say briefly what you are about to do before you call tools, and at the end what you have done, \
what you could not do and how it was checked. Name files by their path.
- When instructions for the workspace are given (AGENTS.md), they hold; the user's word comes first.
"""


class EffortLevel(Struct, frozen=True):
    effort: Literal["low", "medium", "high"]
    description: str


class TruncationPolicy(Struct, frozen=True):
    """How much of a tool's output Codex keeps."""

    mode: Literal["tokens", "bytes"] = "tokens"
    limit: int = 10_000


EFFORT_LEVELS = (
    EffortLevel("low", "Thinks little and answers fast"),
    EffortLevel("medium", "Thinks as much as most tasks need"),
    EffortLevel("high", "Thinks long about hard tasks"),
)


class CodexModel(Struct, frozen=True):
    """``context_window`` is in tokens; a smaller ``priority`` stands further up in the list.

    Without a default effort none is sent, so that the model's own holds. Tools are declared
    directly (no search, no code mode), which any model with function calls can use. A model server
    does not tell whether a model sees images, and one that does not would fail from then on.
    """

    slug: str
    display_name: str
    priority: int
    context_window: int | None
    max_context_window: int | None
    input_modalities: tuple[Modality, ...] = ("text",)
    description: str | None = None
    base_instructions: str = INSTRUCTIONS
    default_reasoning_level: None = None
    supported_reasoning_levels: tuple[EffortLevel, ...] = EFFORT_LEVELS
    supports_reasoning_summary_parameter: bool = True
    supports_reasoning_summaries: bool = True
    default_reasoning_summary: Literal["auto"] = "auto"
    shell_type: Literal["unified_exec"] = "unified_exec"
    apply_patch_tool_type: Literal["freeform"] = "freeform"
    web_search_tool_type: Literal["text"] = "text"
    supports_parallel_tool_calls: bool = True
    supports_search_tool: bool = False
    use_responses_lite: bool = False
    experimental_supported_tools: tuple[str, ...] = ()
    support_verbosity: bool = False
    default_verbosity: None = None
    truncation_policy: TruncationPolicy = TruncationPolicy()
    effective_context_window_percent: int = 95
    visibility: Literal["list"] = "list"
    supported_in_api: bool = True
    include_skills_usage_instructions: bool = True
    include_plugin_usage_instructions: bool = False
    include_apps_usage_instructions: bool = False
    availability_nux: None = None
    upgrade: None = None


class CodexModels(Struct, frozen=True):
    models: tuple[CodexModel, ...]


def codex_model(id: str, place: int, context_window: int | None) -> CodexModel:
    """The model ``id``, which is number ``place`` of the model server's list."""
    return CodexModel(
        slug=id,
        display_name=id,
        priority=place,
        context_window=context_window,
        max_context_window=context_window,
    )
