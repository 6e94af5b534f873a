"""A Responses request goes up as a chat request that vLLM takes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from responses_gw.api.validate import decode_create_response
from responses_gw.prompt.chat_request import chat_request
from responses_gw.prompt.dialect import Dialect
from responses_gw.prompt.profile import EffortMap, ModelProfile
from responses_gw.prompt.toolset import Toolset

Json = dict[str, Any]
F = {"type": "function", "name": "f", "description": "d", "parameters": {"z": 1, "a": [1.0]}}
G = {"type": "function", "name": "g", "parameters": None, "strict": True}


def chat(
    body: bytes,
    messages: bytes,
    dialect: Dialect = "vllm",
    profile: ModelProfile | None = None,
) -> bytes:
    request = decode_create_response(body)
    toolset = Toolset(request.tools, (), can_constrain=dialect == "vllm")
    tools = toolset.chat_tools(request.tool_choice, request.body.parallel_tool_calls)
    return chat_request(request, messages, tools, profile or ModelProfile(dialect))


def sent(dialect: str = "vllm", **fields: object) -> Json:
    body = json.dumps({"model": "m", "input": "hi", **fields}).encode()
    data = chat(body, b'[{"m":1}]', "vllm" if dialect == "vllm" else "openai")
    assert data.startswith(b'{"model":"m","messages":[{"m":1}],')
    found: Json = json.loads(data)
    return found


def test_a_plain_request_asks_for_a_stream_with_usage_and_nothing_else() -> None:
    assert sent() == {
        "model": "m",
        "messages": [{"m": 1}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


CASES: list[tuple[Json, Json]] = [
    ({"temperature": 0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}),
    (
        {"presence_penalty": 1, "frequency_penalty": -1},
        {"presence_penalty": 1, "frequency_penalty": -1},
    ),
    ({"max_output_tokens": 99}, {"max_completion_tokens": 99}),
    ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
    ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
    (
        {
            "text": {
                "format": {"type": "json_schema", "name": "n", "schema": {"x": 1}, "strict": True}
            }
        },
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"x": 1}, "strict": True},
            }
        },
    ),
    (
        {"tools": [F, G], "parallel_tool_calls": False},
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "description": "d", "parameters": F["parameters"]},
                },
                {"type": "function", "function": {"name": "g", "strict": True}},
            ],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
        },
    ),
    (
        {"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}, "seed": 7, "stop": ["x"]},
        {"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}, "seed": 7, "stop": ["x"]},
    ),
]


@pytest.mark.parametrize(("fields", "expected"), CASES)
def test_a_field_goes_up_as(fields: Json, expected: Json) -> None:
    plain = sent()
    assert {name: value for name, value in sent(**fields).items() if name not in plain} == expected


EFFORT: EffortMap = {
    "none": {"enable_thinking": False, "a": 1},
    "minimal": False,
    "low": "medium",
}


def sent_by(profile: ModelProfile, **fields: object) -> Json:
    """What a request adds to a plain one for a model of this profile."""
    body = json.dumps({"model": "m", "input": "hi", **fields}).encode()
    found: Json = json.loads(chat(body, b'[{"m":1}]', profile=profile))
    return {name: value for name, value in found.items() if name not in sent()}


@pytest.mark.parametrize(
    ("asked", "dialect", "expected"),
    [
        ("none", "vllm", {"chat_template_kwargs": {"enable_thinking": False, "a": 1}}),
        ("none", "openai", {"reasoning_effort": "none"}),  # no such field there
        ("minimal", "vllm", {}),
        ("low", "vllm", {"reasoning_effort": "medium"}),
        ("low", "openai", {"reasoning_effort": "medium"}),
        ("high", "vllm", {"reasoning_effort": "high"}),  # not in the table
        (None, "vllm", {}),
    ],
)
def test_an_effort_goes_up_as_the_models_table_says(
    asked: str | None, dialect: Dialect, expected: Json
) -> None:
    profile = ModelProfile(dialect, effort=EFFORT)
    assert sent_by(profile, reasoning={"effort": asked}) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"enable_thinking": True, "b": [2]}, {"enable_thinking": True, "a": 1, "b": [2]}),
        ({}, {"enable_thinking": False, "a": 1}),
        (None, {"enable_thinking": False, "a": 1}),
        ("not an object", "not an object"),  # the model server says what it thinks of it
    ],
)
def test_the_clients_own_template_arguments_go_first(given: object, expected: object) -> None:
    found = sent_by(
        ModelProfile(effort=EFFORT), reasoning={"effort": "none"}, chat_template_kwargs=given
    )
    assert found == {"chat_template_kwargs": expected}


SALTED = ModelProfile(cache_salt="prompt_cache_key")


@pytest.mark.parametrize(
    ("profile", "fields", "expected"),
    [
        (SALTED, {"prompt_cache_key": "k1"}, {"cache_salt": "k1"}),
        (SALTED, {"prompt_cache_key": ""}, {}),
        (SALTED, {}, {}),
        (SALTED, {"prompt_cache_key": "k1", "cache_salt": "own"}, {"cache_salt": "own"}),
        (ModelProfile(), {"prompt_cache_key": "k1"}, {}),
        (ModelProfile("openai", cache_salt="prompt_cache_key"), {"prompt_cache_key": "k1"}, {}),
    ],
)
def test_a_cache_key_becomes_the_salt_where_that_is_configured(
    profile: ModelProfile, fields: Json, expected: Json
) -> None:
    assert sent_by(profile, **fields) == expected


@pytest.mark.parametrize("key", ["a@b", "a/b", "a\\b", "a\0b"])
def test_a_cache_key_that_vllm_refuses_is_hashed(key: str) -> None:
    salt = sent_by(SALTED, prompt_cache_key=key)["cache_salt"]
    assert re.fullmatch("[0-9a-f]{64}", salt)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        ({"type": "web_search"}, "auto"),
    ],
)
def test_tool_choice_is_forwarded(choice: object, expected: object) -> None:
    assert sent(tools=[F], tool_choice=choice)["tool_choice"] == expected


def test_allowed_tools_are_all_that_is_offered() -> None:
    allowed = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "g"}],
    }
    found = sent(tools=[F, G], tool_choice=allowed)
    assert [tool["function"]["name"] for tool in found["tools"]] == ["g"]
    assert found["tool_choice"] == "required"


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": []},
        {"tools": [{"type": "web_search"}], "tool_choice": "required"},
        {"parallel_tool_calls": True},
        {"tool_choice": "auto"},
        {"top_k": None, "stop": None},
        {"top_logprobs": 3},
        {"text": {}, "reasoning": {}},
        {"user": "u", "metadata": {"a": "b"}, "prompt_cache_key": "k", "n": 3},
    ],
)
def test_what_a_model_server_rejects_or_does_not_know_stays_here(fields: Json) -> None:
    assert sent(**fields) == sent()


def test_another_dialect_gets_openai_fields_only() -> None:
    found = sent("openai", top_k=5, seed=7, chat_template_kwargs={})
    assert "seed" in found
    assert not {"top_k", "chat_template_kwargs"} & found.keys()


def test_a_schema_keeps_its_bytes() -> None:
    schema = '{"b": 1.50, "a":  {"$ref":"#/x"}, "\\u00e9": []}'
    tool = '{"type":"function","name":"f","parameters":' + schema + "}"
    body = '{"model":"m","input":"q","tools":[' + tool + "]}"
    assert schema.encode() in chat(body.encode(), b"[]")
