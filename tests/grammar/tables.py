"""What each event, item, part and response carries, and in which steps an item is told.

A spec is ``"name:kind"``; ``?`` after a kind allows null, ``+`` forbids emptiness.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Dialect = Literal["openai", "open_responses"]
KINDS: dict[str, Callable[[Any], bool]] = {
    "any": lambda value: value is not None,
    "bool": lambda value: isinstance(value, bool),
    "dict": lambda value: isinstance(value, dict),
    "dict+": lambda value: isinstance(value, dict) and bool(value),
    "int": lambda value: type(value) is int and value >= 0,
    "list": lambda value: isinstance(value, list),
    "num": lambda value: type(value) in (int, float),
    "str": lambda value: isinstance(value, str),
    "str+": lambda value: isinstance(value, str) and bool(value),
}
Spec = Mapping[str, str]


def spec(text: str) -> Spec:
    return {name: kind for name, _, kind in (word.partition(":") for word in text.split())}


ITEM = "item_id:str+ output_index:int "
CONTENT = ITEM + "content_index:int "
SUMMARY = ITEM + "summary_index:int "
LIFECYCLE = {
    "response.created": ("in_progress", "queued"),
    "response.queued": ("queued",),
    "response.in_progress": ("in_progress",),
    "response.completed": ("completed",),
    "response.incomplete": ("incomplete",),
    "response.failed": ("failed",),
}
TERMINAL = ("response.completed", "response.incomplete", "response.failed")


@dataclass(frozen=True)
class Streamed:
    """A value told by ``<events>.delta`` and repeated by ``<events>.done`` as ``key``."""

    events: str
    key: str

    @property
    def delta(self) -> str:
        return f"{self.events}.delta"

    @property
    def done(self) -> str:
        return f"{self.events}.done"


PARTS = {
    "output_text": Streamed("response.output_text", "text"),
    "refusal": Streamed("response.refusal", "refusal"),
    "summary_text": Streamed("response.reasoning_summary_text", "text"),
}
REASONING_TEXT = {
    "openai": Streamed("response.reasoning_text", "text"),
    "open_responses": Streamed("response.reasoning", "text"),
}
VALUES = {
    "function_call": Streamed("response.function_call_arguments", "arguments"),
    "custom_tool_call": Streamed("response.custom_tool_call_input", "input"),
    "mcp_call": Streamed("response.mcp_call_arguments", "arguments"),
    "code_interpreter_call": Streamed("response.code_interpreter_call_code", "code"),
    "apply_patch_call": Streamed("response.apply_patch_call_operation_diff", "diff"),
}
# A word is a step: alternatives share one, `*` may be missing or repeat, VALUE is VALUES[type].
STEPS = {
    "function_call": "VALUE",
    "custom_tool_call": "VALUE",
    "apply_patch_call": "VALUE*",
    "web_search_call": "in_progress searching completed",
    "file_search_call": "in_progress searching completed",
    "code_interpreter_call": "in_progress VALUE interpreting completed",
    "image_generation_call": "in_progress generating partial_image* completed",
    "mcp_list_tools": "in_progress completed|failed",
    "mcp_call": "in_progress VALUE completed|failed",
}
# Events without an order of their own; the value is the item they belong to.
LOOSE = {
    "response.shell_call_command.added": "shell_call",
    "response.shell_call_command.delta": "shell_call",
    "response.shell_call_command.done": "shell_call",
    "response.shell_call_output_content.delta": "shell_call_output",
    "response.shell_call_output_content.done": "shell_call_output",
    "response.compaction.compacting": "compaction",
}
SHELL = "output_index:int command_index:int "
EVENTS: dict[str, Spec] = {
    **{name: spec("response:dict") for name in LIFECYCLE},
    "error": spec("error:dict+"),
    "response.output_item.added": spec("output_index:int item:dict"),
    "response.output_item.done": spec("output_index:int item:dict"),
    "response.content_part.added": spec(CONTENT + "part:dict"),
    "response.content_part.done": spec(CONTENT + "part:dict"),
    "response.reasoning_summary_part.added": spec(SUMMARY + "part:dict"),
    "response.reasoning_summary_part.done": spec(SUMMARY + "part:dict"),
    "response.output_text.delta": spec(CONTENT + "delta:str+ logprobs:list"),
    "response.output_text.done": spec(CONTENT + "text:str logprobs:list"),
    "response.output_text.annotation.added": spec(
        CONTENT + "annotation_index:int annotation:dict+"
    ),
    "response.refusal.delta": spec(CONTENT + "delta:str+"),
    "response.refusal.done": spec(CONTENT + "refusal:str"),
    "response.reasoning_summary_text.delta": spec(SUMMARY + "delta:str+"),
    "response.reasoning_summary_text.done": spec(SUMMARY + "text:str"),
    **{stream.delta: spec(ITEM + "delta:str+") for stream in VALUES.values()},
    **{stream.done: spec(f"{ITEM}{stream.key}:str") for stream in VALUES.values()},
    "response.image_generation_call.partial_image": spec(
        ITEM + "partial_image_index:int partial_image_b64:str+"
    ),
    "response.shell_call_command.added": spec(SHELL + "command:str"),
    "response.shell_call_command.delta": spec(SHELL + "delta:str+"),
    "response.shell_call_command.done": spec(SHELL + "command:str"),
    "response.shell_call_output_content.delta": spec(ITEM + "command_index:int delta:dict"),
    "response.shell_call_output_content.done": spec(ITEM + "command_index:int output:list"),
    "response.compaction.compacting": spec(ITEM),
}
for _kind, _steps in STEPS.items():
    for _step in re.split(r"[ |]", _steps.replace("*", "")):
        if _step != "VALUE":
            EVENTS.setdefault(f"response.{_kind}.{_step}", spec(ITEM))
for _stream in REASONING_TEXT.values():
    EVENTS[_stream.delta] = spec(CONTENT + "delta:str+")
    EVENTS[_stream.done] = spec(CONTENT + "text:str")

ITEMS: dict[str, Spec] = {
    "message": spec("role:str content:list status:str"),
    "reasoning": spec("summary:list"),
    "function_call": spec("call_id:str+ name:str+ arguments:str status:str"),
    "function_call_output": spec("output:any status:str"),
    "custom_tool_call": spec("call_id:str+ name:str+ input:str"),
    "custom_tool_call_output": spec("call_id:str+ output:any status:str"),
    "web_search_call": spec("status:str"),
    "file_search_call": spec("queries:list status:str"),
    "code_interpreter_call": spec("container_id:str+ status:str"),
    "image_generation_call": spec("status:str"),
    "mcp_list_tools": spec("server_label:str+ tools:list"),
    "mcp_call": spec("server_label:str+ name:str+ arguments:str"),
    "mcp_approval_request": spec("server_label:str+ name:str+ arguments:str"),
    "mcp_approval_response": spec("approval_request_id:str+ approve:bool"),
    "computer_call": spec("call_id:str+ pending_safety_checks:list status:str"),
    "computer_call_output": spec("call_id:str+ output:dict status:str"),
    "local_shell_call": spec("call_id:str+ action:dict status:str"),
    "local_shell_call_output": spec("output:str"),
    "shell_call": spec("call_id:str+ action:dict status:str"),
    "shell_call_output": spec("call_id:str+ output:list status:str"),
    "apply_patch_call": spec("call_id:str+ operation:dict status:str"),
    "apply_patch_call_output": spec("call_id:str+ status:str"),
    "tool_search_call": spec("arguments:any execution:str status:str"),
    "tool_search_output": spec("execution:str status:str tools:list"),
    "additional_tools": spec("role:str tools:list"),
    "compaction": spec("encrypted_content:str"),
    "program": spec("call_id:str+ code:str fingerprint:str"),
    "program_output": spec("call_id:str+ result:str status:str"),
}
CLOSED_ITEMS: dict[str, Spec] = {"web_search_call": spec("action:dict")}
# May be absent, but not null (Open Responses) or of another kind.
OPTIONAL = spec("status:str phase:str encrypted_content:str content:list namespace:str")
FINAL_STATUS = {"completed", "incomplete"}
FAILING = {"file_search_call", "web_search_call", "code_interpreter_call", "image_generation_call"}
FAILING |= {"mcp_call", "mcp_list_tools", "apply_patch_call_output", "computer_call_output"}
# These appear whole, so they need not open in_progress.
WHOLE = {name for name in ITEMS if name.endswith("_output")}
WHOLE |= {"mcp_approval_request", "mcp_approval_response", "additional_tools", "compaction"}
LASTING = ("id", "type", "role", "call_id", "name", "namespace", "server_label")
PART_FIELDS: dict[str, Spec] = {
    "output_text": spec("text:str annotations:list"),
    "refusal": spec("refusal:str"),
    "reasoning_text": spec("text:str"),
    "summary_text": spec("text:str"),
}
PARTS_OF = {"message": ("output_text", "refusal"), "reasoning": ("reasoning_text",)}

RESPONSE = spec(
    "id:str+ object:str created_at:int completed_at:int? status:str background:bool error:dict?"
    " incomplete_details:dict? instructions:any? max_output_tokens:int? max_tool_calls:int?"
    " model:str+ output:list parallel_tool_calls:bool previous_response_id:str?"
    " reasoning:dict? store:bool temperature:num top_p:num presence_penalty:num"
    " frequency_penalty:num top_logprobs:int text:dict+ tool_choice:any tools:list"
    " truncation:str usage:dict? safety_identifier:str? prompt_cache_key:str? metadata:dict"
    " service_tier:str+"
)
CHANGING = {"status", "completed_at", "error", "incomplete_details", "output", "usage"}
CHANGING |= {"service_tier", "billing", "tool_usage", "moderation"}
STATUSES = {"queued", "in_progress", "completed", "incomplete", "failed", "cancelled"}
REASONS = {"max_output_tokens", "content_filter", "max_messages", "steered"}


def step_of(item: str, event: str) -> int | None:
    """Which step of this kind of item the event is, None when it is none of its steps."""
    stream = VALUES.get(item)
    for number, step in enumerate(STEPS.get(item, "").split()):
        names = [f"response.{item}.{name}" for name in step.rstrip("*").split("|")]
        if step.startswith("VALUE") and stream is not None:
            names = [stream.delta, stream.done]
        if event in names:
            return number
    return None
