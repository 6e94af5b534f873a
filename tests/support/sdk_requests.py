"""Whole requests of the openai SDK's own parameter types, as a Hypothesis strategy.

Half of them are *tame*: what an SDK's types cannot say (an output answers a call, a file comes in
one way, a tool that is chosen is there) is put right, so that they get as far as a model. The
others keep to the types alone.
"""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st
from openai.types.responses import response_create_params as sdk
from openai.types.responses.custom_tool_param import CustomToolParam
from openai.types.responses.function_tool_param import FunctionToolParam
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from openai.types.responses.tool_param import ToolParam
from typing_extensions import is_typeddict

from .sdk_types import WILD_TEXTS, Draw, Drawer, Json, fields_of

__all__ = ["PREVIOUS_RESPONSE", "PROMPT", "STORED_ITEM", "broken_requests", "sdk_requests"]

PREVIOUS_RESPONSE = "resp_previous"
STORED_ITEM = "msg_stored"
"""They stand for ids that a test can put in."""

PROMPT = """
id = "weather"
version = "1"
instructions = "Be {{mood}}."
[[input]]
role = "user"
content = "Weather in {{city}}?"
[variables.mood]
default = "brief"
[variables.city]
default = "Bern"
"""
"""The prompt template that tame requests name."""

ANSWERS = {
    "function_call_output": "function_call",
    "custom_tool_call_output": "custom_tool_call",
    "tool_search_output": "tool_search_call",
    "local_shell_call_output": "local_shell_call",
    "shell_call_output": "shell_call",
    "apply_patch_call_output": "apply_patch_call",
    "computer_call_output": "computer_call",
}
ROOT = ("background", "conversation", "input", "previous_response_id", "prompt", "stream",
        "tool_choice", "tools")  # fmt: skip
MAX_ITEMS = 6
MAX_TOOLS = 4
KINDS = (sdk.ResponseCreateParamsNonStreaming, sdk.ResponseCreateParamsStreaming)


def _hint(name: str) -> Any:
    (found,) = [field.hint for field in fields_of(KINDS[0]) if field.name == name]
    return found


def _members(union: Any) -> dict[str, Any]:
    """The members of a union of TypedDicts, by the value of their ``type``; some share one."""
    found: dict[str, Any] = {}
    for member in get_args(union):
        assert is_typeddict(member), f"no TypedDict: {member!r}"
        for field in fields_of(member):
            if field.name == "type":
                found[get_args(field.hint)[0] if get_args(field.hint) else "message"] = member
    return found


_ITEMS = _members(ResponseInputItemParam)


@st.composite
def sdk_requests(draw: Draw, tame: bool | None = None) -> Json:
    """The body of one request; ``tame`` None is both kinds. The texts may hold lone surrogates,
    which ``json.dumps`` escapes."""
    is_tame = draw(st.booleans()) if tame is None else tame
    return _Request(Drawer(draw, is_wild=not is_tame), is_tame).body()


@st.composite
def broken_requests(draw: Draw) -> Json:
    """A request in which one value, wherever it stands, is replaced by one of any kind."""
    body = draw(sdk_requests())
    place: Any = body
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or not draw(st.integers(0, 3)):
            break
        place = inner
    place[key] = draw(
        st.sampled_from([None, True, 0, -1, 2.5, 2**70, "", "x", [], [[]], {}, {"type": "x"}])
        | st.sampled_from(WILD_TEXTS)
    )
    return body


class _Request:
    def __init__(self, drawer: Drawer, is_tame: bool) -> None:
        self._drawer = drawer
        self._is_tame = is_tame

    def body(self) -> Json:
        one, chance = self._drawer.one, self._drawer.chance
        body = self._drawer.object(one(KINDS), most=8, without=ROOT)
        body["model"] = body.get("model", "tiny")
        body["stream"] = chance()
        body["tools"] = self._tools()
        body["tool_choice"] = self._drawer.value(_hint("tool_choice"), "tool_choice")
        body["input"] = self._input()
        if one((False, False, False, True)):
            body["previous_response_id"] = PREVIOUS_RESPONSE
        if one((False, False, False, False, True)):
            body["prompt"] = {"id": "weather", "variables": {"city": "Bern"}}
        if self._is_tame:
            self._tame(body)
            return body
        rare = ("background", "conversation", "prompt", "previous_response_id")
        for name in (name for name in rare if one((*[False] * 15, True))):
            body[name] = self._drawer.value(_hint(name), name)
        for name in ("tools", "tool_choice", "input"):
            if one((*[False] * 7, True)):
                del body[name]
        return body

    def _tools(self) -> list[Json]:
        kinds = get_args(ToolParam)
        number = self._drawer.one(range(MAX_TOOLS + 1))
        return [self._drawer.value(self._drawer.one(kinds), "tools") for _ in range(number)]

    def _input(self) -> str | list[Json]:
        number = self._drawer.one(range(MAX_ITEMS + 1))
        if not number:
            return "What is the weather like?"
        kinds = get_args(ResponseInputItemParam)
        items = [self._drawer.object(self._drawer.one(kinds)) for _ in range(number)]
        for item in items:
            if set(item) <= {"type", "id"} and item.get("type") in (None, "item_reference"):
                item["id"] = STORED_ITEM if self._is_tame or self._drawer.chance() else item["id"]
        if self._drawer.chance() or self._is_tame:
            items.insert(0, {"role": "user", "content": "q"})
        return items if not self._is_tame else self._answering(items)

    def _answering(self, items: list[Json]) -> list[Json]:
        """Every output answers one of the calls before it, or a call is put before it; every
        approval has its request.
        """
        found: list[Json] = []
        calls: list[str] = []
        for number, item in enumerate(items):
            kind = str(item.get("type"))
            if kind == "mcp_approval_response":
                item["approval_request_id"] = f"mcpr_asked_{number}"
                request = {"id": item["approval_request_id"], "server_label": "s", "name": "t"}
                found.append({"type": "mcp_approval_request", "arguments": "{}"} | request)
            if kind in ANSWERS:
                if not calls or self._drawer.chance():
                    call = self._drawer.object(_ITEMS[ANSWERS[kind]])
                    call["call_id"] = self._drawer.one(("call_1", "call_2", "call_3"))
                    found.append(call)
                    calls.append(call["call_id"])
                key = "id" if kind == "local_shell_call_output" else "call_id"
                item[key] = self._drawer.one(sorted(set(calls)))
            elif kind in ANSWERS.values() and item.get("call_id") is not None:
                calls.append(item["call_id"])
            found.append(item)
        return found

    def _tame(self, body: Json) -> None:
        """What the types allow and the API does not."""
        if body["stream"] is not True:
            body.pop("stream_options", None)
        for part in _objects_in(body["input"]):
            _tame_part(part)
        for item in body["input"] if isinstance(body["input"], list) else ():
            _tame_message(item)
        for tool in _objects_in([body["tools"], body["input"]]):
            if tool.get("type") == "namespace" and "tools" in tool:
                tool["tools"] = tool["tools"] or [{"type": "function", "name": "inner"}]
        self._tame_choice(body)

    def _tame_choice(self, body: Json) -> None:
        choice, tools = body["tool_choice"], body["tools"]
        if isinstance(choice, dict) and choice["type"] in ("function", "custom"):
            kind = FunctionToolParam if choice["type"] == "function" else CustomToolParam
            tools.append(self._drawer.object(kind) | {"name": choice["name"]})
            tools[-1].pop("defer_loading", None)
        elif isinstance(choice, dict) and choice["type"] == "allowed_tools":
            tools.append({"type": "function", "name": "always"})
            choice["tools"] = [{"type": "function", "name": "always"}]
        elif choice == "required":
            tools.append({"type": "function", "name": "always"})


def _objects_in(value: Any) -> list[Json]:
    if isinstance(value, dict):
        return [value, *_objects_in(list(value.values()))]
    return [found for one in value for found in _objects_in(one)] if isinstance(value, list) else []


def _tame_part(part: Json) -> None:
    match part.get("type"):
        case "input_image" | "computer_screenshot":
            part.pop("file_id", None)
            part["image_url"] = part.get("image_url") or "https://example.invalid/a.png"
        case "input_file":
            part.pop("file_id", None)
            part.pop("file_url", None)
            part["file_data"] = part.get("file_data") or "aGVsbG8="


def _tame_message(item: Json) -> None:
    """Only a user shows pictures and files."""
    content = item.get("content") if "role" in item else None
    kinds = [str(part.get("type")) for part in content] if isinstance(content, list) else []
    if any(kind.startswith("input_") for kind in kinds):
        item["role"] = "user"
