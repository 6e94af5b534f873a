"""The tiny model knows a few dialogues by heart; through the gateway it must still know them.

It is a two-layer net that was trained on these very questions; any other model fails these tests.
"""

from __future__ import annotations

import json
import re
import time
import urllib.request
from typing import Any

import openai
import pytest
from openai import OpenAI

from ..grammar import check, check_sdk, parse_sse
from ..support.service import Service

MODEL = "tiny"
WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather for a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
ADD: dict[str, Any] = {
    "type": "function",
    "name": "add",
    "description": "Add two numbers",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
STILL = {"chat_template_kwargs": {"enable_thinking": False}}


def streamed(client: OpenAI, **fields: Any) -> dict[str, Any]:
    """A streamed response that kept to the grammar and to the SDK's types."""
    fields.setdefault("model", MODEL)
    fields.setdefault("temperature", 0)
    create = client.responses.with_streaming_response.create
    with create(stream=True, **fields) as answer:
        events = parse_sse(answer.read())
    check_sdk(events)
    return dict(check(events))


def text_of(response: dict[str, Any]) -> str:
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    ).strip()


def calls_of(response: dict[str, Any]) -> list[tuple[str, Any]]:
    return [
        (item["name"], json.loads(item["arguments"]))
        for item in response["output"]
        if item["type"] == "function_call"
    ]


def test_text_without_thinking(client: OpenAI) -> None:
    response = streamed(client, input="Hello", extra_body=STILL)
    assert text_of(response) == "Hello! How can I help you today?"
    assert [item["type"] for item in response["output"]] == ["message"]
    assert response["usage"]["output_tokens"] > 0


def test_text_with_thinking(client: OpenAI) -> None:
    response = streamed(client, input="Hello")
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    assert "The user said: Hello" in response["output"][0]["content"][0]["text"]
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] > 0


def test_effort_none_turns_thinking_off(client: OpenAI) -> None:
    response = streamed(client, input="Hello", reasoning={"effort": "none"})
    assert [item["type"] for item in response["output"]] == ["message"]


def test_whole_and_streamed_say_the_same(client: OpenAI) -> None:
    whole = client.responses.create(
        model=MODEL, input="Say emoji.", temperature=0, extra_body=STILL
    )
    assert whole.output_text.strip() == "café 你好 😀 done"
    assert (
        text_of(streamed(client, input="Say emoji.", extra_body=STILL)) == whole.output_text.strip()
    )


@pytest.mark.parametrize("extra", [STILL, {}], ids=["still", "thinking"])
def test_a_tool_call_and_its_result(client: OpenAI, extra: dict[str, Any]) -> None:
    first = streamed(
        client, input="What is the weather in Paris?", tools=[WEATHER], extra_body=extra
    )
    assert calls_of(first) == [("get_weather", {"city": "Paris"})]
    call_id = first["output"][-1]["call_id"]
    result = {"type": "function_call_output", "call_id": call_id, "output": "sunny"}
    second = streamed(
        client,
        previous_response_id=first["id"],
        input=[result],
        tools=[WEATHER],
        extra_body=extra,
    )
    assert text_of(second) == "It is sunny in Paris."


def test_parallel_calls(client: OpenAI) -> None:
    question = "Compare the weather in Paris and Oslo."
    first = streamed(client, input=question, tools=[WEATHER], extra_body=STILL)
    cities = [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Oslo"})]
    assert calls_of(first) == cities
    made = [item for item in first["output"] if item["type"] == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": item["call_id"], "output": sky}
        for item, sky in zip(made, ("sunny", "rainy"), strict=True)
    ]
    second = streamed(
        client, previous_response_id=first["id"], input=results, tools=[WEATHER], extra_body=STILL
    )
    assert text_of(second) == "Paris is sunny, Oslo is rainy."


def test_parallel_calls_switched_off(client: OpenAI) -> None:
    question = "Compare the weather in Paris and Oslo."
    response = streamed(
        client, input=question, tools=[WEATHER], parallel_tool_calls=False, extra_body=STILL
    )
    assert len(calls_of(response)) == 1


def test_required_and_named_tool_choice(client: OpenAI) -> None:
    question = "What is the weather in Paris?"
    strict = {**WEATHER, "strict": True}
    required = streamed(
        client, input=question, tools=[strict], tool_choice="required", extra_body=STILL
    )
    assert calls_of(required) == [("get_weather", {"city": "Paris"})]
    named = streamed(
        client,
        input=question,
        tools=[strict, {**ADD, "strict": True}],
        tool_choice={"type": "function", "name": "add"},
        extra_body=STILL,
        max_output_tokens=64,
    )
    assert [item["name"] for item in named["output"] if item["type"] == "function_call"] == ["add"]


def test_a_custom_tool_is_held_to_its_expression(client: OpenAI) -> None:
    """The net knows no such tool: the grammar alone makes it write what the client can read."""
    pick = {
        "type": "custom",
        "name": "pick",
        "format": {"type": "grammar", "syntax": "regex", "definition": "[ab]{1,3}"},
    }
    response = streamed(
        client,
        input="What is the weather in Paris?",
        tools=[pick, {**ADD, "strict": True}],
        tool_choice={"type": "custom", "name": "pick"},
        extra_body=STILL,
        max_output_tokens=64,
    )
    (item,) = [item for item in response["output"] if item["type"] == "custom_tool_call"]
    assert item["name"] == "pick"
    if response["status"] == "completed":
        assert re.fullmatch("[ab]{1,3}", item["input"]), item
    answer = {"type": "custom_tool_call_output", "call_id": item["call_id"], "output": "ok"}
    if item["status"] == "completed":
        streamed(client, previous_response_id=response["id"], input=[answer], tools=[pick])


def test_log_probabilities(client: OpenAI) -> None:
    response = streamed(
        client,
        input="Hello",
        include=["message.output_text.logprobs"],
        top_logprobs=2,
        extra_body=STILL,
    )
    (part,) = response["output"][0]["content"]
    assert "".join(entry["token"] for entry in part["logprobs"]).strip() == part["text"].strip()
    assert all(len(entry["top_logprobs"]) == 2 for entry in part["logprobs"])


def test_a_prompt_that_overflows_loses_its_oldest_turns(client: OpenAI) -> None:
    turns = [{"role": "user", "content": f"{n} " + "word " * 150} for n in range(20)]
    response = streamed(
        client, input=[*turns, {"role": "user", "content": "Hello"}], truncation="auto",
        max_output_tokens=16, extra_body=STILL,
    )  # fmt: skip
    assert 0 < response["usage"]["input_tokens"] < 2048


def test_tool_choice_none(client: OpenAI) -> None:
    response = streamed(
        client,
        input="What is the weather in Paris?",
        tools=[WEATHER],
        tool_choice="none",
        extra_body=STILL,
    )
    assert calls_of(response) == []


def test_json_schema(client: OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    response = streamed(
        client,
        input="Reply with JSON.",
        text={"format": {"type": "json_schema", "name": "a", "schema": schema, "strict": True}},
        extra_body=STILL,
        max_output_tokens=256,
    )
    if response["status"] == "completed":
        assert isinstance(json.loads(text_of(response))["ok"], bool)
    else:
        assert text_of(response).startswith("{")  # a tiny net may fill its budget with blanks


def test_json_schema_with_tools_that_are_not_strict(client: OpenAI) -> None:
    """A call when the model wants one; else its answer is held to the schema in a final round."""
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "required": ["ok"],
        "additionalProperties": False,
    }
    text = {"format": {"type": "json_schema", "name": "a", "schema": schema, "strict": True}}
    called = streamed(
        client,
        input="What is the weather in Paris?",
        tools=[WEATHER],
        text=text,
        extra_body=STILL,
    )
    assert calls_of(called) == [("get_weather", {"city": "Paris"})]
    answered = streamed(
        client, input="Hello", tools=[WEATHER], text=text, extra_body=STILL, max_output_tokens=256
    )
    assert "Hello!" not in text_of(answered)
    assert text_of(answered).startswith("{")
    if answered["status"] == "completed":
        assert isinstance(json.loads(text_of(answered))["ok"], bool)


def test_a_schema_that_cannot_be_compiled(client: OpenAI) -> None:
    format = {"type": "json_schema", "name": "a", "schema": {"type": "nonsense"}, "strict": True}
    with pytest.raises(openai.BadRequestError, match="nonsense"):
        client.responses.create(model=MODEL, input="Hello", text={"format": format})


def test_running_out_of_tokens(client: OpenAI) -> None:
    response = streamed(client, input="Run the clock.", max_output_tokens=16, extra_body=STILL)
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}


def test_memory_over_turns_by_id(client: OpenAI) -> None:
    first = streamed(client, input="My name is Alice.", extra_body=STILL)
    second = streamed(client, input="Hello", previous_response_id=first["id"], extra_body=STILL)
    third = streamed(
        client, input="What is my name?", previous_response_id=second["id"], extra_body=STILL
    )
    assert text_of(third) == "Your name is Alice."


def test_unknown_model(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model="other", input="q")
    assert caught.value.code == "model_not_found"


def test_a_context_that_overflows(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="word " * 5000)
    assert caught.value.code == "context_length_exceeded"


def test_a_value_that_vllm_rejects(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=MODEL, input="q", extra_body={"min_p": 7})


def test_a_client_that_leaves_stops_the_model(client: OpenAI, vllm_url: str) -> None:
    stream = client.responses.create(
        model=MODEL, input="Run the clock.", stream=True, temperature=0, extra_body=STILL
    )
    for event in stream:
        if event.type == "response.output_text.delta":
            break
    assert _running(vllm_url) == 1
    stream.close()
    deadline = time.monotonic() + 2
    while _running(vllm_url):
        assert time.monotonic() < deadline, "the model went on for a client that had left"
        time.sleep(0.05)


def test_the_list_of_models(client: OpenAI, service: Service) -> None:
    assert MODEL in [model.id for model in client.models.list()]


def _running(vllm_url: str) -> int:
    with urllib.request.urlopen(vllm_url.removesuffix("/v1") + "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        int(float(line.rsplit(" ", 1)[1]))
        for line in lines
        if line.startswith("vllm:num_requests_running")
    )
