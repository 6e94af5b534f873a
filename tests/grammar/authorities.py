"""Two other authorities: the openai SDK and the published schema of Open Responses."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from .rules import GrammarError, Json

OPEN_RESPONSES = (
    Path(__file__).parent.parent / "recordings" / "openresponses-openapi-2026-04-24.json"
)


def check_sdk(events: list[Json]) -> None:
    """Hold the events against the openai SDK: its types, strictly, and its stream accumulator.

    Knows only the openai dialect. Raises GrammarError with what the SDK says.
    """
    models = importlib.import_module("openai._models")
    sdk = importlib.import_module("openai.lib.streaming.responses._responses")
    omit = importlib.import_module("openai").omit
    pydantic = importlib.import_module("pydantic")
    state = sdk.ResponseStreamState(input_tools=omit, text_format=omit)
    adapters = _sdk_adapters()
    union = importlib.import_module("openai.types.responses").ResponseStreamEvent
    for index, event in enumerate(events):
        adapter = adapters.get(str(event.get("type")))
        if adapter is None:
            raise GrammarError("sdk.type", "the SDK does not know this type", index, event)
        try:
            adapter.validate_python(_as_typed(event))
        except pydantic.ValidationError as error:
            if problems := _problems(error.errors(include_url=False)):
                raise GrammarError("sdk.type", problems, index, event) from error
        try:
            state.handle_event(models.construct_type(type_=union, value=event))
        except (RuntimeError, AssertionError, AttributeError, LookupError, TypeError) as error:
            raise GrammarError("sdk.stream", repr(error), index, event) from error


def _as_typed(event: Json) -> Json:
    """A web search opens without its action, as OpenAI sends it; the SDK's type wants one."""
    item = event.get("item", {})
    opens = event["type"] == "response.output_item.added" and item.get("type") == "web_search_call"
    return {**event, "item": {"action": {"type": "search"}, **item}} if opens else event


def _problems(found: list[Json]) -> str:
    """What the SDK's types say, without what they say about other kinds of item or part."""
    # OpenAI sends error codes (context_length_exceeded, …) that its SDK's list does not have
    unlisted = (("response", "error", "code"), "literal_error")
    problems = [problem for problem in found if (problem["loc"], problem["type"]) != unlisted]
    other = {
        problem["loc"][:-1]
        for problem in problems
        if problem["loc"][-1] == "type" and problem["type"] == "literal_error"
    }
    mine = [
        problem
        for problem in problems
        if not any(problem["loc"][:length] in other for length in range(len(problem["loc"])))
    ]
    return "; ".join(f"{problem['loc']}: {problem['msg']}" for problem in mine or problems)


@functools.cache
def _sdk_adapters() -> dict[str, Any]:
    """A strict validator for each type of event, by its name."""
    adapter = importlib.import_module("pydantic").TypeAdapter
    union, *_ = get_args(importlib.import_module("openai.types.responses").ResponseStreamEvent)
    names = {get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(union)}
    return {name: adapter(model) for name, model in names.items()}


def check_open_responses(found: Json) -> bool:
    """Hold a Response object or an event against the schema of Open Responses 2026-04-24.

    Returns False when the schema does not know this type of event, item, part or tool. Raises
    GrammarError when it knows it and refuses it.
    """
    name = "ResponseResource" if found.get("object") == "response" else _schema_of(found)
    if name is None or not _all_known(found):
        return False
    errors = importlib.import_module("fastjsonschema")
    try:
        _schema_check(name)(_without_schema_echo(found))
    except errors.JsonSchemaException as error:
        raise GrammarError("open_responses.schema", f"{name}: {error}", None, found) from error
    return True


@functools.cache
def _open_responses() -> Json:
    schemas: Json = json.loads(OPEN_RESPONSES.read_text(encoding="utf-8"))["components"]["schemas"]
    return schemas


def _schema_of(event: Json) -> str | None:
    for name, schema in _open_responses().items():
        event_type = schema.get("properties", {}).get("type", {})
        if name.endswith("StreamingEvent") and event.get("type") in event_type["enum"]:
            return name
    return None


def _all_known(found: Json) -> bool:
    response = found if found.get("object") == "response" else found.get("response", {})
    items = [*(response.get("output") or []), *([found["item"]] if "item" in found else [])]
    known = ("message", "reasoning", "function_call", "function_call_output", "compaction")
    tools = [tool.get("type") for tool in response.get("tools", [])]
    kinds = [found["annotation"]["type"]] if "annotation" in found else []
    return (
        all(item.get("type") in known for item in items)
        and all(tool == "function" for tool in tools)
        and all(kind == "url_citation" for kind in kinds)
    )


def _without_schema_echo(found: Json) -> Json:
    """The same without a json_schema echo: the published schema demands null there (a slip)."""
    if "response" in found:
        return {**found, "response": _without_schema_echo(found["response"])}
    if found.get("object") == "response" and found["text"]["format"]["type"] == "json_schema":
        return {**found, "text": {**found["text"], "format": {"type": "text"}}}
    return found


@functools.cache
def _schema_check(name: str) -> Callable[[Json], object]:
    root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": _open_responses()}}
    compile_schema = importlib.import_module("fastjsonschema").compile
    compiled: Callable[[Json], object] = compile_schema(root, use_default=False)
    return compiled
