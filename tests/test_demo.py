"""The demo model over a real socket: vLLM's shapes, and answers that depend on the request only."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import openai
import pytest
from openai.types.chat import (
    ChatCompletion,
    ChatCompletionMessageParam,
    ChatCompletionToolUnionParam,
)

from responses_gw.demo.sample import sample
from tests.support import frames
from tests.support.service import Service

Json = dict[str, object]
HELLO: Json = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}
WEATHER: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer"},
            },
            "required": ["city", "unit"],
        },
    },
}
ADD: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer", "minimum": 3}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    log = tmp_path_factory.mktemp("demo") / "demo.log"
    env = {"RESPONSES_DEMO_TOKENS_PER_SECOND": "0"}
    with Service(env, log, app="responses_gw.demo:app", ready_path="/health") as service:
        yield service


@pytest.fixture(scope="module")
def client(demo: Service) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=demo.url + "/v1", api_key="none", max_retries=0) as client:
        yield client


def send(
    demo: Service, method: str, path: str, body: bytes = b"", kind: str = "application/json"
) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", demo.port, timeout=10)
    try:
        connection.request(method, path, body, {"content-type": kind})
        response = connection.getresponse()
        return response.status, response.headers.get("content-type", ""), response.read()
    finally:
        connection.close()


def stream(demo: Service, **fields: object) -> list[Json]:
    """The chunks of a streamed answer, after a check of the framing."""
    body = json.dumps(HELLO | {"stream": True} | fields).encode()
    status, kind, data = send(demo, "POST", "/v1/chat/completions", body)
    assert (status, kind) == (200, "text/event-stream; charset=utf-8"), data
    *parts, done, rest = data.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b""), f"the stream ends with {data[-100:]!r}"
    return [json.loads(part.removeprefix(b"data: ")) for part in parts]


def chat(client: openai.OpenAI, *texts: str) -> str | None:
    """The reply to the last of `texts`, which alternate between user and assistant."""
    answer = client.chat.completions.create(
        model="demo",
        messages=[
            {"role": "assistant", "content": text} if i % 2 else {"role": "user", "content": text}
            for i, text in enumerate(texts)
        ],
    )
    return answer.choices[0].message.content


def calls(answer: ChatCompletion) -> list[tuple[str, object]]:
    made = answer.choices[0].message.tool_calls or []
    return [
        (call.function.name, json.loads(call.function.arguments))
        for call in made
        if call.type == "function"
    ]


def keys(value: object) -> object:
    """The skeleton of a value: its keys in order, with the texts, numbers and ids left out."""
    if isinstance(value, dict):
        return [(key, keys(one)) for key, one in value.items()]
    return [keys(one) for one in value] if isinstance(value, list) else type(value).__name__


def recorded(frame: bytes) -> object:
    return keys(json.loads(frame.removeprefix(b"data: ")))


def test_stream_has_the_shape_of_vllm(demo: Service) -> None:
    chunks = stream(demo, stream_options={"include_usage": True})
    thoughts = [c for c in chunks if "'reasoning'" in str(c)]
    assert keys(chunks[0]) == recorded(frames.role())
    assert [keys(c) for c in thoughts] == [recorded(frames.reasoning("x"))] * len(thoughts)
    assert keys(chunks[-3]) == recorded(frames.text("x"))
    assert keys(chunks[-2]) == recorded(frames.finish("stop"))
    counts = dict(chunks[-1])
    assert counts["choices"] == [] and list(counts)[-2:] == ["usage", "system_fingerprint"]
    usage = msgspec.convert(counts["usage"], dict[str, object])
    assert usage["completion_tokens"] == len(chunks) - 3
    assert usage["completion_tokens_details"] == {"reasoning_tokens": len(thoughts)}
    assert usage["prompt_tokens_details"] == {"cached_tokens": 0}


def test_stream_without_usage_has_no_usage_chunk(demo: Service) -> None:
    last = stream(demo)[-1]
    assert last["choices"] and "usage" not in last and "system_fingerprint" in last


def test_parallel_calls_are_streamed_as_name_then_fragments_by_index(demo: Service) -> None:
    asked = {"role": "user", "content": "Compare the weather in Paris and Oslo."}
    chunks = stream(demo, messages=[asked], tools=[WEATHER])
    named = [c for c in chunks if "'name'" in str(c)]
    grown = [c for c in chunks if "'arguments'" in str(c)]
    assert [keys(c) for c in named] == [recorded(frames.call(0, "x", "y"))] * 2
    assert {str(keys(c)) for c in grown} == {str(recorded(frames.arguments(0, "x")))}
    assert len(grown) > 4, "arguments should come in several fragments"
    assert keys(chunks[-1]) == [
        *msgspec.convert(recorded(frames.finish("tool_calls")), list[object]),
        ("system_fingerprint", "str"),
    ]
    assert "'finish_reason': 'tool_calls'" in str(chunks[-1])


def test_same_request_gets_the_same_answer(demo: Service) -> None:
    first, second = stream(demo), stream(demo)
    for chunk in first + second:
        del chunk["created"]
    assert first == second


@pytest.mark.parametrize(
    "fields", [{"chat_template_kwargs": {"enable_thinking": False}}, {"reasoning_effort": "none"}]
)
def test_thinking_can_be_switched_off(demo: Service, fields: Json) -> None:
    assert "'reasoning'" in str(stream(demo))
    assert "'reasoning'" not in str(stream(demo, **fields))


def test_limit_cuts_the_answer_on_its_last_token(demo: Service) -> None:
    thinking = {"chat_template_kwargs": {"enable_thinking": False}}
    chunks = stream(demo, max_completion_tokens=2, **thinking)
    assert len(chunks) == 3
    assert "{'content': ' there'}" in str(chunks[-1]) and "'length'" in str(chunks[-1])


def test_limit_that_is_just_enough_does_not_cut(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": "Hello"}]
    )
    assert whole.usage is not None
    again = client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "Hello"}],
        max_completion_tokens=whole.usage.completion_tokens,
    )
    assert again.choices[0].finish_reason == "stop"
    assert again.choices[0].message.content == whole.choices[0].message.content


def test_answers_without_a_stream_like_vllm(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": "Hi!"}]
    )
    message = answer.choices[0].message
    assert message.content == "Hello there! How can I help you today?"
    assert message.model_extra == {"reasoning": "The user greets me."}
    assert "tool_calls" not in message.model_fields_set, "vLLM leaves the key out when empty"


def test_tool_loop_ends_with_the_result_of_the_tool(client: openai.OpenAI) -> None:
    asked = "What's the weather in San Francisco, CA today?"
    first = client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": asked}], tools=[ADD, WEATHER]
    )
    assert first.choices[0].finish_reason == "tool_calls"
    assert first.choices[0].message.content is None
    expected = {"city": "San Francisco, CA", "unit": "celsius"}
    assert calls(first) == [("get_weather", expected)]
    made = (first.choices[0].message.tool_calls or [])[0]
    second = client.chat.completions.create(
        model="demo",
        messages=[
            {"role": "user", "content": asked},
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": made.id,
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": json.dumps(expected)},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": made.id, "content": "foggy, 14 degrees"},
        ],
        tools=[ADD, WEATHER],
    )
    said = second.choices[0].message.content or ""
    assert "foggy, 14 degrees" in said and "San Francisco, CA" in said
    assert second.choices[0].finish_reason == "stop"


def test_parallel_tool_calls_false_asks_for_one_city_after_the_other(client: openai.OpenAI) -> None:
    asked = "weather in Paris, Oslo and Rome?"
    both = client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": asked}], tools=[WEATHER]
    )
    one = client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": asked}],
        tools=[WEATHER],
        parallel_tool_calls=False,
    )
    made = (one.choices[0].message.tool_calls or [])[0]
    assert made.type == "function"
    function = {"name": made.function.name, "arguments": made.function.arguments}
    next_one = client.chat.completions.create(
        model="demo",
        messages=[
            {"role": "user", "content": asked},
            {
                "role": "assistant",
                "tool_calls": [{"id": made.id, "type": "function", "function": function}],  # type: ignore[typeddict-item]
            },
            {"role": "tool", "tool_call_id": made.id, "content": "mild"},
        ],
        tools=[WEATHER],
        parallel_tool_calls=False,
    )
    cities = [
        [msgspec.convert(a, dict[str, str])["city"] for _, a in calls(r)] for r in (both, one)
    ]
    assert cities == [["Paris", "Oslo", "Rome"], ["Paris"]]
    assert [name for name, _ in calls(next_one)] == ["get_weather"]
    assert "Oslo" in str(calls(next_one))


def test_a_command_is_run_with_the_tool_that_takes_one(client: openai.OpenAI) -> None:
    tools: list[ChatCompletionToolUnionParam] = [
        ADD,
        {
            "type": "function",
            "function": {
                "name": "exec_command",
                "parameters": {
                    "type": "object",
                    "properties": {"cmd": {"type": "string"}, "tty": {"type": "boolean"}},
                    "required": ["cmd"],
                },
            },
        },
    ]
    asked: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "Please run `echo hi > made.txt` for me."}
    ]
    first = client.chat.completions.create(model="demo", messages=asked, tools=tools)
    assert calls(first) == [("exec_command", {"cmd": "echo hi > made.txt"})]
    asked += [
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {
                        "name": "exec_command",
                        "arguments": '{"cmd": "echo hi > made.txt"}',
                    },
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "exit code 0"},
    ]
    last = client.chat.completions.create(model="demo", messages=asked, tools=tools)
    said = last.choices[0].message.content
    assert said == "exec_command(echo hi > made.txt) says: exit code 0"


def test_forced_calls_fit_the_schema_of_their_tool(client: openai.OpenAI) -> None:
    required = client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "Hello"}],
        tools=[ADD],
        tool_choice="required",
    )
    named = client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "Hello"}],
        tools=[ADD, WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )
    assert calls(required) == [("add", {"a": 3, "b": 1})]
    assert calls(named) == [("get_weather", {"city": "example", "unit": "celsius"})]
    assert required.choices[0].finish_reason == "tool_calls"
    assert named.choices[0].finish_reason == "stop", "vLLM ends a named call with stop"
    assert required.choices[0].message.content == ""


def test_tool_choice_none_calls_nothing(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "weather in Paris?"}],
        tools=[WEATHER],
        tool_choice="none",
    )
    assert calls(answer) == [] and answer.choices[0].message.content


def test_structured_output_fits_its_schema(client: openai.OpenAI) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 9},
            "born": {"type": "string", "format": "date"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 2},
            "nick": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "unused": {"type": "string"},
        },
        "required": ["name", "born", "tags", "nick"],
        "$defs": {"tag": {"type": "string", "enum": ["red", "blue"]}},
    }
    answer = client.chat.completions.create(
        model="demo",
        messages=[{"role": "user", "content": "Hello"}],
        response_format={"type": "json_schema", "json_schema": {"name": "r", "schema": schema}},
    )
    assert json.loads(answer.choices[0].message.content or "") == {
        "name": "example..",
        "born": "2026-01-01",
        "tags": ["red", "red"],
        "nick": None,
    }


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
        "required": ["next"],
    }
    assert "None" in str(sample({"$ref": "#/$defs/node", "$defs": {"node": node}}))
    endless = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert sample(endless) is None


def test_name_is_remembered_over_turns(client: openai.OpenAI) -> None:
    told = ("Hi, my name is Ada.", "Nice to meet you, Ada.")
    assert chat(client, told[0]) == told[1]
    assert chat(client, *told, "What is my name?") == "Your name is Ada."
    assert "not told" in (chat(client, "What is my name?") or "")


def test_counts_as_far_as_asked(demo: Service, client: openai.OpenAI) -> None:
    asked = "Please count to 40"
    assert chat(client, asked) == " ".join(map(str, range(1, 41)))
    chunks = stream(demo, messages=[{"role": "user", "content": asked}])
    assert sum("'content': ' " in str(chunk) for chunk in chunks) == 39


def test_anything_else_is_echoed(client: openai.OpenAI) -> None:
    assert "bring me a shrubbery" in (chat(client, "bring me a shrubbery") or "")


@pytest.mark.parametrize(
    ("fields", "status", "kind", "param"),
    [
        ({"model": "other"}, 404, "NotFoundError", "model"),
        ({"messages": []}, 400, "BadRequestError", None),
        ({"messages": "no list"}, 400, "Bad Request", "body.messages"),
        ({"temperature": "hot"}, 400, "Bad Request", "body.temperature"),
        ({"temperature": -1}, 400, "BadRequestError", "temperature"),
        ({"tools": []}, 400, "BadRequestError", "tools"),
        ({"tool_choice": "auto"}, 400, "BadRequestError", "tool_choice"),
        ({"stream_options": {"include_usage": True}}, 400, "BadRequestError", "stream_options"),
        ({"response_format": {"type": "json_schema"}}, 400, "BadRequestError", "response_format"),
        ({"max_completion_tokens": 0}, 400, "BadRequestError", "max_tokens"),
    ],
)
def test_what_vllm_refuses_is_refused(
    demo: Service, fields: Json, status: int, kind: str, param: str | None
) -> None:
    body = json.dumps(HELLO | fields).encode()
    got, _, data = send(demo, "POST", "/v1/chat/completions", body)
    error = json.loads(data)["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert (got, error["code"]) == (status, status)
    assert (error["type"], error["param"]) == (kind, param), error["message"]


def test_bodies_that_are_no_json_are_refused(demo: Service) -> None:
    for body, kind in (
        (b"{not json", "application/json"),
        (b"{}", "text/plain"),
        (b"\xff", "application/json"),
    ):
        status, _, data = send(demo, "POST", "/v1/chat/completions", body, kind)
        assert (status, json.loads(data)["error"]["type"]) == (400, "Bad Request"), body


def test_other_paths_answer_like_vllm(demo: Service) -> None:
    assert send(demo, "GET", "/health")[::2] == (200, b"")
    status, _, data = send(demo, "GET", "/v1/models")
    assert status == 200 and [m["id"] for m in json.loads(data)["data"]] == ["demo"]
    assert send(demo, "GET", "/nowhere")[::2] == (404, b'{"detail":"Not Found"}')
    assert send(demo, "DELETE", "/v1/models")[::2] == (405, b'{"detail":"Method Not Allowed"}')


def test_pacing_follows_the_rate(tmp_path: Path) -> None:
    env = {"RESPONSES_DEMO_TOKENS_PER_SECOND": "0.1"}
    app = "responses_gw.demo:app"
    with Service(env, tmp_path / "log", app=app, ready_path="/health") as slow:
        connection = http.client.HTTPConnection("127.0.0.1", slow.port, timeout=5)
        body = json.dumps(HELLO | {"stream": True})
        connection.request(
            "POST", "/v1/chat/completions", body, {"content-type": "application/json"}
        )
        response = connection.getresponse()
        assert b'"role"' in response.readline()
        assert response.readline() == b"\n"
        connection.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):  # the next token is ten seconds away
            response.readline()
        connection.close()
