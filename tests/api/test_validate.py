"""What is wrong in a request is told with OpenAI's code, path and words (SURFACE §2, §9)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.api.errors import ApiError
from responses_gw.api.items import (
    FunctionCall,
    FunctionCallOutput,
    ItemReference,
    Message,
    ReasoningItem,
    UnknownItem,
)
from responses_gw.api.tools import AllowedTools, HostedToolChoice, NamedTool, UnknownTool
from responses_gw.api.validate import decode_create_response

Json = dict[str, object]
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}


def body(**fields: object) -> bytes:
    return json.dumps({"model": "m", "input": "hi", **fields}).encode()


def refusal(data: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        decode_create_response(data)
    assert caught.value.status == 400
    assert caught.value.type == "invalid_request_error"
    return caught.value


# (field values, code, param, a part of the message)
WRONG: list[tuple[dict[str, object], str | None, str | None, str]] = [
    (
        {"model": None},
        "missing_required_parameter",
        "model",
        "Missing required parameter: 'model'.",
    ),
    ({"model": ""}, "missing_required_parameter", "model", "'model'"),
    ({"model": 5}, "invalid_type", "model", "expected a string, but got an integer instead."),
    ({"input": None}, "missing_required_parameter", "input", "'input'"),
    ({"input": []}, "missing_required_parameter", "input", "'input'"),
    (
        {"input": 5},
        "invalid_type",
        "input",
        "expected one of a string or an array, but got an integer instead.",
    ),
    ({"input": [7]}, "invalid_type", "input[0]", "expected an object"),
    ({"input": [{}]}, "missing_required_parameter", "input[0].type", "'input[0].type'"),
    ({"input": [{"type": 1}]}, "invalid_type", "input[0].type", "expected a string"),
    (
        {"input": [{"role": "robot", "content": "x"}]},
        "invalid_value",
        "input[0].role",
        "Supported values are: 'assistant', 'developer', 'system', and 'user'.",
    ),
    ({"input": [{"role": "user"}]}, "missing_required_parameter", "input[0].content", "content"),
    ({"input": [{"role": "user", "content": 3}]}, "invalid_type", "input[0].content", "an array"),
    (
        {"input": [{"role": "user", "content": [{"type": "hologram"}]}]},
        "invalid_value",
        "input[0].content[0].type",
        "Invalid value: 'hologram'. Supported values are: 'input_text', 'input_image'",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
        "missing_required_parameter",
        "input[0].content[0].text",
        "'input[0].content[0].text'",
    ),
    (
        {"input": [{"role": "user", "content": "a"}, {"type": "function_call", "name": "f"}]},
        "missing_required_parameter",
        "input[1].arguments",
        "'input[1].arguments'",
    ),
    (
        {"input": [{"type": "function_call_output", "call_id": "c", "output": None}]},
        "invalid_type",
        "input[0].output",
        "got null instead",
    ),
    ({"instructions": []}, "invalid_type", "instructions", "expected a string"),
    ({"temperature": 3}, "decimal_above_max_value", "temperature", "<= 2, but got 3 instead."),
    ({"temperature": -0.5}, "decimal_below_min_value", "temperature", ">= 0, but got -0.5"),
    ({"temperature": "hot"}, "invalid_type", "temperature", "expected a decimal"),
    ({"top_p": 1.5}, "decimal_above_max_value", "top_p", "<= 1"),
    ({"presence_penalty": 9}, "decimal_above_max_value", "presence_penalty", "<= 2"),
    (
        {"max_output_tokens": 1},
        "integer_below_min_value",
        "max_output_tokens",
        "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got "
        "1 instead.",
    ),
    ({"max_output_tokens": 0, "input": ""}, "integer_below_min_value", "max_output_tokens", ">= 1"),
    ({"max_output_tokens": 20.5}, "invalid_type", "max_output_tokens", "expected an integer"),
    ({"max_tool_calls": 0}, "integer_below_min_value", "max_tool_calls", ">= 1, but got 0"),
    ({"top_logprobs": 21}, "integer_above_max_value", "top_logprobs", "<= 20, but got 21"),
    ({"stream": "yes"}, "invalid_type", "stream", "expected a boolean"),
    ({"stream_options": {}}, "invalid_value", "stream_options", "only allowed when 'stream'"),
    ({"truncation": "soft"}, "invalid_value", "truncation", "'auto' and 'disabled'"),
    ({"include": ["everything"]}, "invalid_value", "include[0]", "Invalid value: 'everything'"),
    ({"service_tier": "gold"}, "invalid_value", "service_tier", "'auto'"),
    ({"reasoning": {"effort": "huge"}}, "invalid_value", "reasoning.effort", "'medium'"),
    ({"reasoning": "high"}, "invalid_type", "reasoning", "expected an object"),
    ({"text": {"format": {"type": "xml"}}}, "invalid_value", "text.format.type", "'json_schema'"),
    (
        {"text": {"format": {"type": "json_schema", "name": "a"}}},
        "missing_required_parameter",
        "text.format.schema",
        "schema",
    ),
    (
        {"text": {"format": {"type": "json_schema", "name": "a b", "schema": {}}}},
        "invalid_value",
        "text.format.name",
        "pattern",
    ),
    (
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": []}}},
        "invalid_type",
        "text.format.schema",
        "expected an object, but got an array",
    ),
    ({"metadata": {"k": 5}}, "invalid_type", "metadata.k", "expected a string"),
    ({"metadata": {"k": "v" * 513}}, "string_above_max_length", "metadata.k", "length 512"),
    ({"metadata": {"k" * 65: "v"}}, "string_above_max_length", "metadata", "length 64"),
    (
        {"metadata": {str(n): "v" for n in range(17)}},
        "object_above_max_properties",
        "metadata",
        "at most 16 properties",
    ),
    ({"metadata": ["k"]}, "invalid_type", "metadata", "expected an object"),
    ({"safety_identifier": "x" * 129}, "string_above_max_length", "safety_identifier", "128"),
    ({"prompt_cache_key": "x" * 65}, "string_above_max_length", "prompt_cache_key", "64"),
    ({"tools": {}}, "invalid_type", "tools", "expected an array"),
    ({"tools": [{}]}, "missing_required_parameter", "tools[0].type", "type"),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "tools[0].name", "name"),
    ({"tools": [{"type": "function", "name": ""}]}, "empty_string", "tools[0].name", "empty"),
    ({"tools": [{"type": "function", "name": "a b"}]}, "invalid_value", "tools[0].name", "pattern"),
    (
        {"tools": [{"type": "function", "name": "x" * 129}]},
        "string_above_max_length",
        "tools[0].name",
        "128",
    ),
    (
        {"tools": [FUNCTION, {"type": "function", "name": "f", "parameters": "{}"}]},
        "invalid_type",
        "tools[1].parameters",
        "expected an object, but got a string",
    ),
    ({"tool_choice": "maybe"}, "invalid_value", "tool_choice", "'none', 'auto', and 'required'"),
    ({"tool_choice": 5}, "invalid_type", "tool_choice", "one of a string or an object"),
    (
        {"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "tools": [5]}},
        "invalid_type",
        "tool_choice.tools[0]",
        "expected an object",
    ),
    ({"service_tier": "x" * 1000}, "invalid_value", "service_tier", "x…'"),
    ({"background": True}, "unsupported_parameter", "background", "not supported"),
    ({"conversation": "conv_1"}, "unsupported_parameter", "conversation", "not supported"),
]


@pytest.mark.parametrize(("fields", "code", "param", "words"), WRONG)
def test_a_wrong_field_is_named(
    fields: dict[str, object], code: str | None, param: str | None, words: str
) -> None:
    error = refusal(body(**fields))
    assert (error.code, error.param) == (code, param), error.message
    assert words in error.message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"model": "m", "input": "\\ud800"}',
        b'{"a":' + b"[" * 100_000,
        b'{"a":NaN}',
        b'{"model":"m","input":5,',
    ],
)
def test_what_is_no_json_is_said_to_be_none(data: bytes) -> None:
    assert "could not parse the JSON body" in refusal(data).message


def test_a_body_that_is_no_object() -> None:
    assert refusal(b"[]").code == "invalid_type"


def test_bytes_that_are_no_utf8() -> None:
    assert "UTF-8" in refusal(b'{"model":"m","input":"\xff"}').message


NULLS = dict.fromkeys(
    [
        "instructions",
        "previous_response_id",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_tool_calls",
        "max_output_tokens",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "top_logprobs",
        "text",
        "reasoning",
        "include",
        "store",
        "background",
        "stream",
        "stream_options",
        "truncation",
        "metadata",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "user",
        "conversation",
        "prompt",
        "top_k",
        "seed",
    ]
)


def test_explicit_nulls_mean_unset() -> None:
    request = decode_create_response(body(**NULLS))
    assert request.store is True
    assert request.stream is False
    assert request.tool_choice == "auto"
    assert request.tools == ()


def test_unknown_fields_tools_and_items_are_kept_and_no_error() -> None:
    weird = {"type": "hologram", "depth": {"a": [1]}}
    request = decode_create_response(
        body(input=[weird], tools=[{"type": "teleport", "x": 1}], client_metadata={"a": 1}, text={})
    )
    assert isinstance(request.items[0], UnknownItem)
    assert json.loads(bytes(request.items[0].raw)) == weird
    assert isinstance(request.tools[0], UnknownTool)


def test_every_known_item_is_decoded() -> None:
    request = decode_create_response(
        body(
            input=[
                {"role": "user", "content": "a"},
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "b"}],
                },
                {"type": "reasoning", "summary": [], "content": None, "encrypted_content": None},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "ok"},
                {"id": "msg_1"},
                {"type": "item_reference", "id": "msg_1"},
            ]
        )
    )
    kinds = [Message, Message, ReasoningItem, FunctionCall, FunctionCallOutput, ItemReference]
    assert [type(item) for item in request.items] == [*kinds, ItemReference]


def test_every_form_of_tool_choice() -> None:
    def choice(value: object) -> object:
        return decode_create_response(body(tools=[FUNCTION], tool_choice=value)).tool_choice

    assert choice("none") == "none"
    assert choice({"type": "function", "name": "f"}) == NamedTool("function", "f")
    assert isinstance(choice({"type": "allowed_tools", "mode": "auto", "tools": []}), AllowedTools)
    assert choice({"type": "web_search"}) == HostedToolChoice("web_search")


def test_a_probe_that_loads_a_model_is_taken() -> None:
    """Codex sends it before its first request (CLIENTS §3)."""
    request = decode_create_response(body(input="", max_output_tokens=1))
    assert request.body.max_output_tokens == 1


def test_an_empty_input_continues_a_response() -> None:
    assert decode_create_response(body(input=[], previous_response_id="resp_1")).items == ()


def test_a_key_that_stands_twice_is_still_a_400() -> None:
    with pytest.raises(ApiError) as caught:
        decode_create_response(b'{"model":"m","input":"x","include":["bad"],"include":[]}')
    assert caught.value.param == "include[0]"


@pytest.mark.parametrize(
    ("item", "kind"),
    [({"role": "user", "content": "q"}, Message), ({"id": "msg_1"}, ItemReference)],
)
@pytest.mark.parametrize("head", [{}, {"type": None}])
def test_a_type_that_is_missing_or_null_is_guessed(item: Json, kind: type, head: Json) -> None:
    found = decode_create_response(body(input=[head | item])).items[0]
    assert isinstance(found, kind)


def test_an_unknown_item_may_have_any_fields() -> None:
    found = decode_create_response(body(input=[{"type": "x", "role": 5, "id": 5}])).items[0]
    assert isinstance(found, UnknownItem)


@pytest.mark.parametrize("value", [None, {}, {"type": "approximate", "city": "Bern"}])
@pytest.mark.parametrize("kind", ["web_search", "web_search_preview"])
def test_what_a_search_is_told_beside_the_query_is_an_object_or_null(
    kind: str, value: object
) -> None:
    tool = {"type": kind, "user_location": value, "filters": value}
    assert len(decode_create_response(body(tools=[tool])).tools) == 1


@pytest.mark.parametrize("name", ["user_location", "filters"])
def test_what_a_search_is_told_is_nothing_else(name: str) -> None:
    error = refusal(body(tools=[{"type": "web_search", name: "Bern"}]))
    assert (error.code, error.param) == ("invalid_type", f"tools[0].{name}")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
field_names = st.sampled_from([*NULLS, "model", "input"])
typed_items = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["message", "function_call", "function_call_output", "reasoning", "x"]
        )
    },
    optional=dict.fromkeys(
        ("role", "content", "id", "call_id", "name", "arguments", "output", "summary"), json_values
    ),
)


@given(fields=st.dictionaries(field_names | st.text(), json_values, max_size=8))
def test_no_body_raises_anything_but_an_api_error(fields: dict[str, object]) -> None:
    for data in (json.dumps(fields).encode(), body(**fields)):
        try:
            decode_create_response(data)
        except ApiError as error:
            assert error.status == 400


@given(items=st.lists(typed_items, min_size=1, max_size=4))
def test_no_item_raises_anything_but_an_api_error(items: list[dict[str, object]]) -> None:
    try:
        decode_create_response(body(input=items))
    except ApiError as error:
        assert error.status == 400
        assert error.param is None or error.param.startswith("input[")


@given(data=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_an_api_error(data: bytes) -> None:
    with pytest.raises(ApiError):
        decode_create_response(data)


def said(role: str, *parts: Json) -> Json:
    return {"type": "message", "role": role, "content": list(parts)}


IMAGE: Json = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
FILE: Json = {"type": "input_file", "file_data": "aGk="}
TEXT: Json = {"type": "input_text", "text": "hi"}

# (an item, code, the end of the path)
WRONG_PARTS: list[tuple[Json, str, str]] = [
    (
        said("user", {"type": "input_file", "file_id": "f"}),
        "unsupported_value",
        "content[0].file_id",
    ),
    (said("user", {"type": "input_file"}), "missing_required_parameter", "content[0].file_data"),
    (
        said("user", FILE | {"file_url": "http://a"}),
        "mutually_exclusive_parameters",
        "content[0]",
    ),
    (
        said("user", TEXT, {"type": "input_image", "file_id": "f"}),
        "unsupported_value",
        "content[1].file_id",
    ),
    (said("user", {"type": "input_image"}), "missing_required_parameter", "content[0].image_url"),
    *(
        (said("user", IMAGE | {"image_url": url}), "invalid_value", "content[0].image_url")
        for url in ("", "cat.png", "file:///etc/passwd", "http://", "ftp://a/b", "data:image/png")
    ),
    (
        said("user", {"type": "input_video", "video_url": "file:///a"}),
        "invalid_value",
        "content[0].video_url",
    ),
    *((said(role, TEXT, IMAGE), "invalid_value", "content[1]") for role in ("assistant", "system")),
    (said("developer", IMAGE), "invalid_value", "content[0]"),
    (said("assistant", FILE), "invalid_value", "content[0]"),
    (
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": [TEXT, {"type": "input_file", "file_id": "f"}],
        },
        "unsupported_value",
        "output[1].file_id",
    ),
    (
        {
            "type": "custom_tool_call_output",
            "call_id": "c",
            "output": [{"type": "input_image", "file_id": "f"}],
        },
        "unsupported_value",
        "output[0].file_id",
    ),
]


@pytest.mark.parametrize(("item", "code", "path"), WRONG_PARTS)
def test_a_wrong_part_is_refused_with_its_path(item: Json, code: str, path: str) -> None:
    error = refusal(body(input=[said("user", TEXT), item]))
    assert (error.code, error.param) == (code, f"input[1].{path}")


@pytest.mark.parametrize(
    "item",
    [
        said("user", TEXT, IMAGE, FILE),
        said("user", IMAGE | {"image_url": "https://a.test/b.png"}),
        said("system", FILE),
        said("developer", TEXT, FILE),
        said("assistant", TEXT, {"type": "output_text", "text": "hi"}),
        {"type": "function_call_output", "call_id": "c", "output": [IMAGE, FILE]},
    ],
)
def test_a_right_part_is_taken(item: Json) -> None:
    assert len(decode_create_response(body(input=[item])).items) == 1
